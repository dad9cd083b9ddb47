"""Filtration: what a model's scores say about each prompt, and which claims the model knows.

Rules (`filter.rule`), by how hard they are to pass by guessing:

- `answered`: the right option is the likelier one. The published rule; a guesser passes half the time.
- `both_orders`: right with the options as they stand and exchanged. A guesser passes a quarter of the time, a
  model that likes one position never.
- `margin`: right by at least `filter.margin` nats.

A |margin| under `filter.unsure` is no answer, whatever the rule.
"""

from dataclasses import dataclass
from math import sqrt

import polars as pl

from syco_data.engines import store
from syco_data.engines.planning import Request
from syco_data.prompts import transcripts
from syco_data.settings import Filter

OPTIONS = (" (A)", " (B)")
GUESSING = {"answered": 0.5, "both_orders": 0.25, "margin": 0.5}
"""Share of prompts that a model without knowledge keeps (at most, for `margin`)."""
NOISE = 1.96  # standard errors: two-sided 95%
GROUPS = ("source", "truth", "label_kind", "polarity")
BIN, BINS = 0.5, 20  # histogram of margins: nats per bin, bins on each side of zero; the outermost hold the rest


def questions(prompts: pl.DataFrame, rule: str) -> pl.DataFrame:
    """What to ask for each prompt: `prompt_id`, `answer`, `asked` and, under `both_orders`, `swapped`.

    `asked` is the stripped prompt, `swapped` the same with its options exchanged (else null).
    """
    other = transcripts.swap_options(pl.col("stripped_prompt")) if rule == "both_orders" else pl.lit(None, pl.String)
    return prompts.select("prompt_id", "answer", asked="stripped_prompt", swapped=other)


def requests(asked: pl.DataFrame) -> list[Request]:
    """Every distinct text of `questions`, as a request."""
    texts = pl.concat([asked["asked"], asked["swapped"]]).drop_nulls().unique(maintain_order=True)
    return [Request(text, OPTIONS) for text in texts]


def verdicts(asked: pl.DataFrame, scored: pl.DataFrame, settings: Filter) -> pl.DataFrame:
    """One row of `schemas.VERDICTS` per prompt, from `questions` and scores (`schemas.SCORES`)."""
    plain = _answers(asked, scored, "asked", pl.col("answer") == "(A)")
    swapped = _answers(asked, scored, "swapped", pl.col("answer") == "(B)")
    both = pl.concat([plain, swapped.select(pl.all().name.prefix("swapped_"))], how="horizontal")
    reason = _reason(settings)
    return pl.concat([asked.select("prompt_id"), both], how="horizontal").with_columns(
        known=reason.is_null(), reason=reason
    )


def _answers(asked: pl.DataFrame, scored: pl.DataFrame, text: str, right_is_a: pl.Expr) -> pl.DataFrame:
    """Log-probabilities, choice, margin and correctness of one wording, in the order of `asked`."""
    keys = asked[text].map_elements(lambda t: store.key(Request(t, OPTIONS)), return_dtype=pl.String)
    joined = asked.with_columns(key=keys).join(scored, on="key", how="left", maintain_order="left")
    a, b = pl.col("logprobs").list.get(0, null_on_oob=True), pl.col("logprobs").list.get(1, null_on_oob=True)
    margin = pl.when(right_is_a).then(a - b).otherwise(b - a)
    return joined.select(
        logprob_a=a,
        logprob_b=b,
        choice=pl.when(a.is_not_null()).then(pl.when(a >= b).then(pl.lit("(A)")).otherwise(pl.lit("(B)"))),
        margin=margin,
        correct=margin > 0,
    )


def _reason(settings: Filter) -> pl.Expr:
    """Why a prompt is dropped; null when the claim is known."""
    margins = [pl.col("margin")] + ([pl.col("swapped_margin")] if settings.rule == "both_orders" else [])
    least = pl.min_horizontal(margins)
    enough = least >= settings.margin if settings.rule == "margin" else least > 0
    unsure = pl.any_horizontal([margin.abs() < settings.unsure for margin in margins])
    missing = pl.any_horizontal([margin.is_null() for margin in margins])
    return (
        pl.when(missing)
        .then(pl.lit("too_long"))
        .when(unsure)
        .then(pl.lit("unsure"))
        .when(~enough)
        .then(pl.lit("unknown"))
    )


@dataclass(frozen=True)
class Kept:
    """Of a group of prompts: how many were kept, beside what guessing would keep.

    `accuracy` is the share of scored prompts answered right as they stand.
    """

    prompts: int
    kept: int
    keep_rate: float
    guessing: float
    accuracy: float


@dataclass(frozen=True)
class Summary:
    """Metrics of one model's filtration. `groups` by column, then by value.

    `position_habit` is the share of all answers that chose the first option, in both orders where both were
    asked: 0.5 without a habit. `chance_band` is the widest accuracy that guessing reaches 95 times in 100.
    """

    overall: Kept
    dropped: dict[str, int]
    position_habit: float
    chance_band: float
    median_margin: float
    groups: dict[str, dict[str, Kept]]

    @property
    def warning(self) -> str | None:
        """Why training on what is left would do harm, if it would."""
        overall = self.overall
        if overall.keep_rate > overall.guessing and overall.accuracy > self.chance_band:
            return None
        found = (
            f"kept {overall.keep_rate:.1%} where guessing keeps {overall.guessing:.0%}"
            if overall.keep_rate <= overall.guessing
            else f"{overall.accuracy:.1%} right, within noise of chance (up to {self.chance_band:.1%})"
        )
        return (
            f"WARNING: this model does not know the claims: {found}. In the published work the 8B model was in this "
            "case, and after tuning it agreed with everything: this training set is likely to do harm."
        )


def summary(prompts: pl.DataFrame, decided: pl.DataFrame, settings: Filter) -> Summary:
    """Metrics from prompts (`source`, `truth`, `label_kind`, `polarity`) and their verdicts."""
    df = decided.join(prompts.select("prompt_id", *GROUPS), on="prompt_id", how="left")
    guessing = GUESSING[settings.rule]
    scored = df["correct"].drop_nulls().len()
    choices = pl.concat([df["choice"], df["swapped_choice"]]).drop_nulls()
    dropped = df.group_by("reason").len().drop_nulls("reason").sort("reason")
    return Summary(
        overall=_kept(df, guessing),
        dropped={reason: int(count) for reason, count in dropped.iter_rows()},
        position_habit=_rounded((choices == "(A)").mean()),
        chance_band=_rounded(0.5 + NOISE * sqrt(0.25 / max(scored, 1))),
        median_margin=_rounded(df["margin"].median()),
        groups={column: _by(df, column, guessing) for column in GROUPS},
    )


def _by(df: pl.DataFrame, column: str, guessing: float) -> dict[str, Kept]:
    parts = df.with_columns(pl.col(column).cast(pl.String)).partition_by(column, as_dict=True)
    return {value: _kept(part, guessing) for (value,), part in sorted(parts.items())}


def _kept(df: pl.DataFrame, guessing: float) -> Kept:
    return Kept(
        prompts=len(df),
        kept=int(df["known"].sum()),
        keep_rate=_rounded(df["known"].mean()),
        guessing=guessing,
        accuracy=_rounded(df["correct"].mean()),
    )


def _rounded(value: float | None) -> float:
    """Six digits are enough to read, and steady over versions of the arithmetic."""
    return round(float(value), 6) if value is not None else 0.0


def histogram(decided: pl.DataFrame) -> pl.DataFrame:
    """Margins in bins: `margin` (the bin's lower edge, nats), `known`, `prompts`; every bin is there."""
    edges = pl.DataFrame({"bin": range(-BINS, BINS)}).join(pl.DataFrame({"known": [False, True]}), how="cross")
    bins = (pl.col("margin") / BIN).floor().cast(pl.Int64).clip(-BINS, BINS - 1)
    counted = decided.drop_nulls("margin").group_by(bin=bins, known="known").agg(prompts=pl.len())
    filled = edges.join(counted, on=["bin", "known"], how="left").sort("bin", "known")
    return filled.select(
        margin=pl.col("bin") * BIN,
        known=pl.when("known").then(pl.lit("known")).otherwise(pl.lit("not known")),
        prompts=pl.col("prompts").fill_null(0).cast(pl.Int64),
    )
