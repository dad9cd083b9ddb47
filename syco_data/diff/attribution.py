"""Why a row of a release differs: the first step of the graph at which its two sides part.

Each kind of table has a list of rules, tried in order; a rule reads columns of the row on both sides, the rows'
fate in earlier tables (candidates before verdicts before training sets), the reasons of dropped rows, and what
differs between the two manifests. A row that no rule explains is `unexplained`.
"""

from dataclasses import dataclass, field

import polars as pl

from syco_data.diff.changed_rows import Changes, Rule, decide
from syco_data.diff.matching import View
from syco_data.diff.recipes import Differences
from syco_data.diff.records import Cause
from syco_data.release.manifest import Manifest
from syco_data.schemas import PERSONA

EXISTENCE = ("claims.compat", "claims.max_characters", "claims.conflicts")
"""Settings that decide which source rows become claims, and under which id."""
SAMPLING = ("prompts.rows", "prompts.sampling", "prompts.cap")
_RULED = {"too_long": "claims.max_characters", "conflict": "claims.conflicts", "unlabelled": "claims.compat",
          "empty": "claims.compat"}  # fmt: skip
_FROM_OTHERS = ("duplicate", "conflict")
TEXTS = ("claim", "prompt", "stripped_prompt", "input")
_FATE = {"id": pl.String, "change": pl.String, "cause": pl.String, "detail": pl.String}
_CLAIM_FATE = {
    **_FATE, "asked_again": pl.Boolean, "claimed_again": pl.Boolean, "prompt_id_a": pl.String, "prompt_id_b": pl.String
}  # fmt: skip
VERDICT_FATE = {**_FATE, "known_differs": pl.Boolean}


@dataclass(frozen=True)
class Sides:
    """Two manifests, what differs between them, and the tables of dropped rows (None where a side has none)."""

    a: Manifest
    b: Manifest
    differences: Differences
    dropped_a: View | None
    dropped_b: View | None


@dataclass
class Fates:
    """What became of the rows of earlier tables, by their ids: `change`, `cause`, `detail` of those that differ.

    `claims` (`id`: claim_id) also say whether the question that is scored is another one (`asked_again`), whether
    the claim is (`claimed_again`), and the prompt's id on both sides. `verdicts` by model (`id`: claim_id) say
    whether `known` differs (`known_differs`). `probes` have `id`: probe_id.
    """

    claims: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CLAIM_FATE))
    verdicts: dict[str, pl.DataFrame] = field(default_factory=dict)
    probes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FATE))


def candidates(changes: Changes, sides: Sides) -> pl.DataFrame:
    """`cause` and `detail` of candidates that changed, came or went."""
    rows = _with_template(changes, sides)
    rows = rows.with_columns(
        changes.values("gold_label"),
        changed=changes.frame["change"] == "changed",
        gold=changes.differs("gold_label"),
        drawn=changes.differs("label_kind", "label", "polarity"),
        worded=changes.differs("claim"),
        position=changes.differs("row"),
    )
    return decide(_with_absence(rows, changes, sides), [*existence_rules(sides), *_change_rules(changes, sides)])


def _with_template(changes: Changes, sides: Sides) -> pl.DataFrame:
    """Columns that the rules on templates, personas and withheld texts need."""
    rewritten = sorted(sides.differences.revised("template"))
    return changes.frame.select("change").with_columns(
        changes.values("template"),
        retemplated=changes.differs("template"),
        persona=changes.differs(*PERSONA),
        opinion=changes.differs("opinion"),
        order=changes.differs("option_order"),
        text=changes.differs("text_id"),
        shown=changes.differs(*TEXTS),
    ).with_columns(rewritten=pl.col("template_b").is_in(rewritten) & pl.col("text"))  # fmt: skip


def _change_rules(changes: Changes, sides: Sides) -> list[Rule]:
    """Rules for rows that both sides have, in the order of the graph."""
    differences = sides.differences
    drawn = (
        differences.words("seed", "claims.other_share", "claims.compat") or "label kind, polarity or label drawn again"
    )
    wording = differences.words("claims.double_negatives", "claims.compat") or "the wording of the label"
    gold = pl.format("gold label {} -> {}", "gold_label_a", "gold_label_b")
    labelled = [
        Rule("label", pl.col("gold"), gold),
        Rule("claim draw", pl.col("drawn"), drawn),
        Rule("label", pl.col("worded") & pl.col("text"), wording),
    ]
    return [
        *labelled,
        *_prompt_rules(differences),
        Rule("upstream row", pl.col("position"), "the row number moved upstream"),
    ]


def _prompt_rules(differences: Differences) -> list[Rule]:
    """Rules on how a prompt is put around its claim."""
    seed = differences.words("seed")
    what = pl.concat_str(
        [pl.when(column).then(pl.lit(words)) for column, words in _PERSONA_WORDS.items()],
        separator=", ",
        ignore_nulls=True,
    )
    shown = differences.words("release.text") or _licences(differences) or "texts withheld on one side"
    return [
        Rule("template", pl.col("retemplated"), pl.format("{} -> {}", "template_a", "template_b")),
        Rule("template", pl.col("rewritten"), pl.format("template {} rewritten", "template_b")),
        Rule("persona", pl.any_horizontal(*_PERSONA_WORDS), what + pl.lit(f" ({seed})" if seed else "")),
        Rule("settings only", pl.col("shown") & ~pl.col("text"), shown),
    ]


_PERSONA_WORDS = {"persona": "another persona", "opinion": "another opinion", "order": "another option order"}


def _licences(differences: Differences) -> str | None:
    words = [r.words for name, r in differences.revised("source").items() if name.endswith(" licence")]
    return "; ".join(words) or None


def _with_absence(rows: pl.DataFrame, changes: Changes, sides: Sides) -> pl.DataFrame:
    """Adds, for rows that one side lacks, what that side says of them.

    `unsampled`: the claim is there and was not sampled; `reason` and `kept_source`: its source row was dropped.
    """
    claim_ids, sources, numbers = (changes.either(name) for name in ("claim_id", "source", "row"))
    rows = rows.with_columns(id=claim_ids, source=sources, row=numbers).with_row_index("place")
    absent = {"added": sides.dropped_a, "removed": sides.dropped_b}
    parts = [_absence(rows.filter(pl.col("change") == change), view) for change, view in absent.items()]
    absence = pl.concat(parts)
    return rows.join(absence, on="place", how="left", maintain_order="left")


_ABSENCE = {"place": pl.UInt32, "unsampled": pl.Boolean, "reason": pl.String, "kept_source": pl.String}


def _absence(rows: pl.DataFrame, dropped: View | None) -> pl.DataFrame:
    if dropped is None or rows.is_empty():
        return pl.DataFrame(schema=_ABSENCE)
    entries = dropped.read(["stage", "source", "row", "claim_id", "reason", "kept_source"])
    sampling = entries.filter(pl.col("stage") == "prompts").select(id="claim_id", unsampled=pl.lit(True)).unique()
    cleaning = entries.filter(pl.col("stage") == "claims").select("source", "row", "reason", "kept_source")
    cleaning = cleaning.unique(["source", "row"], maintain_order=True)
    joined = rows.join(sampling, on="id", how="left").join(cleaning, on=["source", "row"], how="left")
    return joined.select("place", pl.col("unsampled").fill_null(False), "reason", "kept_source")


def existence_rules(sides: Sides) -> list[Rule]:
    """Rules for claims that one side alone has: upstream, cleaning or sampling."""
    differences = sides.differences
    alone = pl.col("change") != "changed"
    upstream = pl.col("source").is_in(differences.upstream)
    sampled = differences.words(*SAMPLING, "seed") or "other claims took the place"
    rules = [
        Rule("settings only", alone & pl.col("source").is_in(differences.one_sided), _one_sided_words()),
        Rule("sampling", alone & pl.col("unsampled"), sampled),
    ]
    for reason, key in _RULED.items():
        if words := differences.words(key):
            rules.append(Rule("cleaning rule", alone & (pl.col("reason") == reason), f"{words} ({reason})"))
    others = differences.upstream or differences.one_sided
    beside = pl.col("reason").is_in(_FROM_OTHERS) & pl.lit(bool(others))
    rules += [
        Rule(
            "upstream row",
            alone & upstream & pl.col("reason").is_not_null(),
            _with_reason("the source changed; dropped as {}"),
        ),
        Rule("upstream row", alone & upstream, pl.format("the rows of {} changed", "source")),
        Rule("upstream row", alone & beside, _with_reason("rows of another source changed; dropped as {}")),
    ]
    if sides.dropped_a is None or sides.dropped_b is None:
        # Without its reasons a release cannot tell a claim that was not sampled from one that was not made.
        rules += optional("sampling", alone, differences.words(*SAMPLING))
    if words := differences.words(*EXISTENCE) or differences.code:
        rules.append(Rule("cleaning rule", alone, words))
    return rules


def _one_sided_words() -> pl.Expr:
    return pl.format("source {} is in one release only", "source")


def _with_reason(words: str) -> pl.Expr:
    return pl.format(words, pl.col("reason").fill_null("?"))


def claim_fates(changes: Changes, decided: pl.DataFrame) -> pl.DataFrame:
    """What the tables after the candidates need to know of them (see `Fates`)."""
    drawn = changes.differs("gold_label", "label_kind", "label", "polarity", "truth")
    again = changes.differs("stripped_prompt") | drawn
    ids = changes.values("prompt_id")
    return pl.DataFrame(
        {
            "id": changes.either("claim_id"),
            "change": changes.frame["change"],
            "asked_again": again,
            "claimed_again": drawn,
        }
    ).hstack([*decided.get_columns(), *ids.get_columns()])


def probes(changes: Changes, sides: Sides) -> pl.DataFrame:
    """`cause` and `detail` of probes."""
    rows = _with_template(changes, sides).with_columns(
        source=changes.either("source"),
        judged=changes.differs("claim", "truth", "label_kind", "polarity", "right"),
        changed=changes.frame["change"] == "changed",
        template=changes.either("template"),
    )
    differences = sides.differences
    alone, changed = ~pl.col("changed"), pl.col("changed")
    upstream = pl.col("source").is_in(differences.upstream)
    rewritten = sorted(differences.revised("template"))
    crowded = "other claims took the place" if differences.upstream or differences.one_sided else None
    rules = [
        Rule("settings only", alone & pl.col("source").is_in(differences.one_sided), _one_sided_words()),
        *optional("settings only", alone, differences.words("probes", "build")),
        Rule("upstream row", alone & upstream, pl.format("the rows of {} changed", "source")),
        Rule("template", alone & pl.col("template").is_in(rewritten), pl.format("template {} rewritten", "template")),
        *optional("cleaning rule", alone & pl.col("source").is_not_null(), differences.words(*EXISTENCE)),
        *optional("sampling", alone, differences.words("seed")),
        *optional("sampling", alone, crowded),
        Rule("label", changed & upstream & pl.col("judged"), pl.format("the rows of {} changed", "source")),
        *optional("claim draw", changed & pl.col("judged"), differences.words("seed", "claims.other_share")),
        *optional("label", changed & pl.col("judged"), differences.words("claims.double_negatives", "claims.compat")),
        *_prompt_rules(differences),
        *optional("settings only", changed, differences.words("probes")),
    ]  # fmt: skip
    return decide(rows, rules)


def optional(cause: Cause, when: pl.Expr, words: str | None) -> list[Rule]:
    """A rule that needs differing settings to stand on."""
    return [] if words is None else [Rule(cause, when, words)]
