"""Purity: of the prompts kept, the share whose claim the model knew and did not guess.

A guess is as often wrong as right, whatever its margin, as claims are as often true as false. So behind the wrong
answers at a margin stand as many right guesses: purity is 1 - wrong / right.

What a model knows of a claim without its input, such as which label of a source is the common one, counts as known:
where labels are uneven, claims that name the common one are true more often than not. `calibrate: batch` takes it off.
"""

from dataclasses import dataclass
from math import sqrt

import polars as pl

LEVEL = 0.95  # of the interval
DEVIATIONS = 1.959964  # standard deviations of a normal distribution on each side, at that level
ROUNDING = 1e-9  # of a number of answers
LEAST = 20
"""Right answers below which no margin is chosen: the few answers of a guesser with the largest margins may all be
right; 20 right and at most 2 wrong ones are so once in 10,000 times."""


@dataclass(frozen=True)
class Purity:
    """`value` with its interval; all are between 0 and 1.

    The interval is of the kept prompts themselves: how many right guesses are among them is not a constant, and spreads
    as much as the wrong ones, by which it is estimated.
    """

    value: float
    low: float
    high: float


def estimate(right: int, wrong: int) -> Purity | None:
    """From right and wrong answers at the same margins; None without any."""
    if not right + wrong:
        return None
    # Right guesses g and wrong ones w are halves of a binomial sum: |g - w| is at most z times the root of g + w.
    spread = sqrt(DEVIATIONS**4 + 8 * DEVIATIONS**2 * wrong)
    least, most = (wrong + (DEVIATIONS**2 + side * spread) / 2 for side in (-1, 1))
    return Purity(*(_known(right, guesses) for guesses in (wrong, most, least)))


def _known(right: int, guesses: float) -> float:
    """The share of the right answers that are not guesses."""
    return round(min(1.0, max(0.0, 1 - guesses / right)), 6) if right else 0.0


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The interval of a share; of nothing it may be any."""
    if not rows:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(hits, rows).proportion_ci(LEVEL, "wilson")
    return float(interval.low), float(interval.high)


def least_margins(sides: pl.DataFrame, target: float) -> dict[str, float]:
    """For each source the smallest margin from which on purity is at least `target`; it is missing where there is none.

    One wrong answer more is counted than there is. The margin is chosen by the very answers that it is to part, and so
    the mean share of guesses among what is kept stays within 1 - target (Barber and Candes 2015, arXiv 1404.5609).

    `sides` has `source` and the margins that decide, in nats: `margin`, and `mirrored`, what it would be were the wrong
    option right. Sources have margins of their own because a model may know everything of one and nothing of another:
    a margin for all would be as large as the worst one needs.
    """
    parts = sides.partition_by("source", as_dict=True)
    margins = {source: _least_margin(part, target) for (source,), part in sorted(parts.items())}
    return {source: margin for source, margin in margins.items() if margin is not None}


def _least_margin(sides: pl.DataFrame, target: float) -> float | None:
    right, wrong = (
        sides.filter(pl.col(name) > 0).group_by(margin=name).agg(pl.len().cast(pl.Int64).alias(kind))
        for name, kind in (("margin", "right"), ("mirrored", "wrong"))
    )
    counts = right.join(wrong, on="margin", how="full", coalesce=True).fill_null(0).sort("margin", descending=True)
    from_here_on = counts.select("margin", pl.col("right", "wrong").cum_sum())
    few_wrong = pl.col("wrong") + 1 <= (1 - target) * pl.col("right") + ROUNDING
    return from_here_on.filter(few_wrong & (pl.col("right") >= LEAST)).select(pl.min("margin")).item()
