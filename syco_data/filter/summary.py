"""Figures of one model's filtration: what it kept, how much of that it knew, and its habits."""

from dataclasses import dataclass
from math import sqrt

import polars as pl

from syco_data.errors import CheckFailed
from syco_data.filter import purity, verdicts
from syco_data.filter.purity import Purity
from syco_data.settings import Filter
from syco_data.words import counted

GUESSING = {"answered": 0.5, "both_orders": 0.25, "margin": 0.5, "averaged": 0.5}
"""Share of prompts that a model without knowledge keeps (at most, where a margin is asked for)."""
NOISE = 1.96  # standard errors: two-sided 95%
GROUPS = ("source", "truth", "label_kind", "polarity")
BIN, BINS = 0.5, 20  # histogram of margins: nats per bin, bins on each side of zero; the outermost hold the rest
ONE_SIDED = 20  # from so many prompts on, one answer to all that are kept is not chance


@dataclass(frozen=True)
class Kept:
    """Of a group of prompts: how many were kept, beside what guessing would keep.

    `accuracy` is the share of scored prompts answered right as they stand, `calibrated_accuracy` the same by the
    calibrated margin (None without calibration); `purity` is None where nothing was decided, and for claims that are
    all true or all false.
    """

    prompts: int
    kept: int
    keep_rate: float
    guessing: float
    accuracy: float
    calibrated_accuracy: float | None
    purity: Purity | None


@dataclass(frozen=True)
class Habits:
    """Shares of answers without any knowledge of the claim: of those that chose the first option, and that agreed.

    Both are 0.5 without a habit (for `agreement`, where as many claims are true as false).
    """

    position_bias: float
    agreement: float


@dataclass(frozen=True)
class Summary:
    """Metrics of one model's filtration. `groups` by column, then by value.

    `habits` are those of all answers as they were given, in both orders where both were asked; `calibrated` those of
    the calibrated margins, None without. `chance_band` is the widest accuracy that guessing reaches 95 times in 100.
    """

    overall: Kept
    dropped: dict[str, int]
    habits: Habits
    calibrated: Habits | None
    chance_band: float
    median_margin: float
    groups: dict[str, dict[str, Kept]]

    @property
    def accuracy(self) -> float:
        """By the margins that decide."""
        calibrated = self.overall.calibrated_accuracy
        return self.overall.accuracy if calibrated is None else calibrated

    @property
    def warning(self) -> str | None:
        """Why training on what is left would do harm, if it would."""
        overall, pure = self.overall, self.overall.purity
        if overall.kept and overall.keep_rate <= overall.guessing and pure is not None and pure.low > 0.5:
            return None
        if overall.keep_rate > overall.guessing and self.accuracy > self.chance_band:
            return None
        reason = (
            f"kept {overall.keep_rate:.1%} where guessing keeps {overall.guessing:.0%}"
            if overall.keep_rate <= overall.guessing
            else f"{self.accuracy:.1%} right, within noise of chance (up to {self.chance_band:.1%})"
        )
        return (
            f"WARNING: this model does not know the claims: {reason}. In the published work the 8B model was in this "
            "case, and after tuning it agreed with everything: this training set is likely to do harm."
        )


def summary(prompts: pl.DataFrame, decided: pl.DataFrame, settings: Filter) -> Summary:
    """Metrics from prompts (`prompt_id`, `answer` and `GROUPS`) and their verdicts (`schemas.VERDICTS`)."""
    df = decided.join(prompts.select("prompt_id", "answer", *GROUPS), on="prompt_id", how="left")
    df = df.hstack(verdicts.sides(df, settings.rule))
    # Of wrong answers that are unsure none is counted, as no right one is kept.
    at_margin = (pl.col("mirrored") > 0) & (pl.col("mirrored") >= _least(settings))
    df = df.with_columns(wrong=((pl.col("reason") == "unknown") & at_margin).fill_null(False))
    scored = df["correct"].drop_nulls().len()
    dropped = df.group_by("reason").len().drop_nulls("reason").sort("reason")
    return Summary(
        overall=_kept(df, settings),
        dropped={reason: int(count) for reason, count in dropped.iter_rows()},
        habits=_habits(_answers(df)),
        calibrated=_calibrated(df),
        chance_band=rounded(0.5 + NOISE * sqrt(0.25 / max(scored, 1))),
        median_margin=rounded(df.select(pl.median("margin")).item()),
        groups={column: _by(df, column, settings) for column in GROUPS},
    )


def _least(settings: Filter) -> pl.Expr:
    """The margin that was needed: by `filter.purity`, the smallest that was kept of the source; null where none was."""
    if settings.purity is not None:
        return pl.col("deciding").filter(pl.col("known")).min().over("source")
    return pl.lit(settings.margin if settings.rule == "margin" else 0.0)


def _answers(df: pl.DataFrame) -> pl.DataFrame:
    """Every answer: whether the first option was chosen, and whether it agrees with the claim."""
    agrees_first = pl.col("truth") == (pl.col("answer") == "(A)")
    first, swapped = pl.col("choice") == "(A)", pl.col("swapped_choice") == "(A)"
    both = (
        df.select(first=first, agrees=first == agrees_first),
        df.select(first=swapped, agrees=swapped != agrees_first),
    )
    return pl.concat(both).drop_nulls()


def _calibrated(df: pl.DataFrame) -> Habits | None:
    decided = df.drop_nulls("calibrated_margin")
    right = pl.col("calibrated_margin") > 0
    answers = decided.select(first=right == (pl.col("answer") == "(A)"), agrees=right == pl.col("truth"))
    return _habits(answers) if len(decided) else None


def _habits(answers: pl.DataFrame) -> Habits:
    return Habits(*map(rounded, answers.select(pl.mean("first", "agrees")).row(0)))


def _by(df: pl.DataFrame, column: str, settings: Filter) -> dict[str, Kept]:
    parts = df.with_columns(pl.col(column).cast(pl.String)).partition_by(column, as_dict=True)
    return {value: _kept(part, settings) for (value,), part in sorted(parts.items())}


def _kept(df: pl.DataFrame, settings: Filter) -> Kept:
    rate, accuracy, calibrated = df.select(
        pl.mean("known", "correct"), calibrated=(pl.col("calibrated_margin") > 0).mean()
    ).row(0)
    kept = int(df["known"].sum())
    # Where all claims are true, guesses that agree are right alone.
    pure = purity.estimate(kept, int(df["wrong"].sum())) if df["truth"].n_unique() > 1 else None
    return Kept(
        prompts=len(df),
        kept=kept,
        keep_rate=rounded(rate),
        guessing=GUESSING[settings.rule],
        accuracy=rounded(accuracy),
        calibrated_accuracy=None if calibrated is None else rounded(calibrated),
        purity=pure,
    )


def rounded(value: float | None) -> float:
    """Six digits are enough to read, and steady over versions of the arithmetic."""
    return round(float(value), 6) if value is not None else 0.0


def histogram(decided: pl.DataFrame) -> pl.DataFrame:
    """Margins in bins: `margin` (the bin's lower edge, nats), `known`, `prompts`; every bin is there."""
    edges = pl.DataFrame({"bin": range(-BINS, BINS)}).join(pl.DataFrame({"known": [False, True]}), how="cross")
    margins = pl.coalesce("calibrated_margin", "margin")
    bins = (margins / BIN).floor().cast(pl.Int64).clip(-BINS, BINS - 1)
    counted = decided.filter(margins.is_not_null()).group_by(bin=bins, known="known").agg(prompts=pl.len())
    filled = edges.join(counted, on=["bin", "known"], how="left").sort("bin", "known")
    return filled.select(
        margin=pl.col("bin") * BIN,
        known=pl.when("known").then(pl.lit("known")).otherwise(pl.lit("not known")),
        prompts=pl.col("prompts").fill_null(0).cast(pl.Int64),
    )


def refuse_useless(name: str, prompts: pl.DataFrame, decided: pl.DataFrame, figures: Summary, settings: Filter) -> None:
    """Raises `CheckFailed` where nothing is kept, or prompts of one answer alone: nothing can be learned from those."""
    kept = prompts.join(decided.filter("known"), on="prompt_id", how="semi")
    one_sided = len(prompts) >= ONE_SIDED and 1 in (kept["truth"].n_unique(), kept["answer"].n_unique())
    if len(kept) and not one_sided:
        return
    what = "prompts of one answer alone" if one_sided else "no prompt"
    raise CheckFailed(
        f"filter: of {counted(len(prompts), 'prompt')} model '{name}' keeps {len(kept):,}, {what}: "
        f"{_why(figures, settings)}",
        f"See what it knows when it is asked otherwise: python -m syco_data models assess {name}",
    )


def _why(figures: Summary, settings: Filter) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in figures.dropped.items())
    habits = figures.calibrated or figures.habits
    purity_missed = f"; no margin of any source gives purity {settings.purity}" if settings.purity is not None else ""
    return (
        f"asked for {settings.ask}, rule {settings.rule}, calibration {settings.calibrate}, {figures.accuracy:.1%} "
        f"right where guessing gives 50%, first option chosen in {habits.position_bias:.1%} of the answers, agreed in "
        f"{habits.agreement:.1%}; dropped: {reasons or 'none'}{purity_missed}"
    )
