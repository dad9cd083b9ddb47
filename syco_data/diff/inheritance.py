"""Causes of rows that follow from earlier tables: verdicts, training sets, held-out rows, dropped rows.

What a row of these tables does not explain by itself it inherits from its claim, its verdict or its probe.
"""

import polars as pl

from syco_data.diff.attribution import EXISTENCE, VERDICT_FATE, Fates, Sides, existence_rules, optional, probes
from syco_data.diff.changed_rows import Changes, Rule, decide


def verdicts(changes: Changes, claim_ids: pl.Series, model: str, sides: Sides, fates: Fates) -> pl.DataFrame:
    """`cause` and `detail` of verdicts; `claim_ids` of these rows."""
    rows = _with_fate(changes.frame.select("change").with_columns(id=claim_ids), fates.claims, "claim")
    scored = [name for name in changes.columns if name != "prompt_id"]
    rows = rows.with_columns(scores=changes.differs(*scored), logprobs=changes.differs(*_LOGPROBS))
    differs = pl.col("change") == "changed"
    inherited = pl.col("claim_asked_again") | ~pl.col("scores") | ~differs
    return decide(
        rows,
        [
            Rule(pl.col("claim_cause"), pl.col("claim_cause").is_not_null() & inherited, pl.col("claim_detail")),
            Rule("verdict", differs & pl.col("logprobs"), verdict_words(model, sides)),
            Rule("verdict", differs, sides.differences.words("engines", "filter") or verdict_words(model, sides)),
            *_table_rules(sides, f"models.{model}", "engines", "filter"),
        ],
    )


_LOGPROBS = ("logprob_a", "logprob_b", "swapped_logprob_a", "swapped_logprob_b", "label_logprobs")


def verdict_words(model: str, sides: Sides) -> str:
    """Which model gave the two verdicts, or what else differs between the two runs."""
    if words := sides.differences.model(model):
        return words
    engine = [r.words for kind in ("package", "environment") for r in sides.differences.revised(kind).values()]
    settings_words = sides.differences.words("engines", "filter", f"models.{model}") or "; ".join(engine)
    return f"model {model} is the same; {settings_words or 'its scores moved'}"


def _with_fate(rows: pl.DataFrame, fate: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Joins what became of the same id in an earlier table, its columns prefixed."""
    renamed = fate.rename({name: f"{prefix}_{name}" for name in fate.columns if name != "id"})
    return rows.join(renamed.unique("id", maintain_order=True), on="id", how="left", maintain_order="left")


def selected(changes: Changes, model: str, arm: str, claim_ids: pl.Series, sides: Sides, fates: Fates) -> pl.DataFrame:
    """`cause` and `detail` of rows of a training set, or of the prompts that its arm dropped."""
    rows = _with_fate(changes.frame.select("change").with_columns(id=claim_ids), fates.claims, "claim")
    judged = fates.verdicts.get(model, pl.DataFrame(schema=VERDICT_FATE))
    rows = _with_fate(rows, judged, "verdict")
    came_or_went = pl.col("claim_change") != "changed"
    moved = changes.frame["change"] != "changed"
    rows = rows.with_columns(moved=moved | changes.differs("reason"))
    has_claim, filtered = pl.col("claim_cause").is_not_null(), pl.lit(_filtered(arm, sides))
    other_id = pl.col("claim_prompt_id_a") != pl.col("claim_prompt_id_b")
    rule = sides.differences.words(f"arms.{arm}", "select") or CROWDED
    return decide(
        rows,
        [
            Rule(
                pl.col("claim_cause"),
                came_or_went | (has_claim & pl.col("claim_claimed_again")),
                pl.col("claim_detail"),
            ),
            Rule(pl.col("claim_cause"), has_claim & ~pl.col("moved"), pl.col("claim_detail")),
            Rule(pl.col("verdict_cause"), pl.col("verdict_known_differs") & filtered, pl.col("verdict_detail")),
            # A new id is a new place in the order in which an arm takes rows.
            Rule(pl.col("claim_cause"), has_claim & other_id, pl.col("claim_detail")),
            Rule("arm rule", pl.col("moved"), rule),
        ],
    )


CROWDED = "what the arm takes depends on the other rows (balance, size)"


def _filtered(arm: str, sides: Sides) -> bool:
    """Whether verdicts count in an arm, on either side; an arm that the settings do not know may well filter."""
    records = [side.settings.get("arms", {}).get(arm, {}) for side in (sides.a, sides.b)]
    return any(record.get("filtered", True) for record in records)


def held_out(changes: Changes, sides: Sides, fates: Fates) -> pl.DataFrame:
    """`cause` and `detail` of held-out rows beside a training set: they are probes under another name."""
    rows = _with_fate(
        changes.frame.select("change").with_columns(id=changes.either("prompt_id")), fates.probes, "probe"
    )
    own = probes(changes, sides).rename({"cause": "own_cause", "detail": "own_detail"})
    rule = Rule(pl.col("probe_cause"), pl.col("probe_cause").is_not_null(), pl.col("probe_detail"))
    return decide(rows.hstack(own.get_columns()), [rule, Rule(pl.col("own_cause"), pl.lit(True), pl.col("own_detail"))])


def dropped_rows(changes: Changes, stage: str, sides: Sides, fates: Fates) -> pl.DataFrame:
    """`cause` and `detail` of rows and claims that were dropped before there was a prompt or a probe."""
    rows = changes.frame.select("change").with_columns(
        source=changes.either("source"), reason=changes.either("reason"), id=changes.either("claim_id")
    )
    rows = _with_fate(rows, fates.claims, "claim")
    # Its own reason says why a row left; a row that is dropped on both sides is decided like one that left.
    rows = rows.with_columns(unsampled=pl.lit(False), change=pl.lit("added"))
    inherited = Rule(pl.col("claim_cause"), pl.col("claim_cause").is_not_null(), pl.col("claim_detail"))
    if stage != "probes":
        return decide(rows, [inherited, *existence_rules(sides)])
    by_settings = optional("settings only", pl.lit(True), sides.differences.words("probes"))
    others = sides.differences.upstream or sides.differences.one_sided or sides.differences.words(*EXISTENCE, "prompts")
    fresh = optional("sampling", pl.lit(True), "other claims took the place" if others else None)
    return decide(rows, [*existence_rules(sides)[:1], *by_settings, *existence_rules(sides)[1:], *fresh])


def one_sided(changes: Changes, sides: Sides) -> pl.DataFrame:
    """`cause` and `detail` where a whole table is on one side only."""
    rules = _table_rules(sides, "build", "models", "arms", "probes", "release")
    return decide(changes.frame, rules)


def _table_rules(sides: Sides, *keys: str) -> list[Rule]:
    return optional("settings only", pl.lit(True), sides.differences.words(*keys))
