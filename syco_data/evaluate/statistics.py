"""Rates with intervals, and paired differences: Wilson where rows are independent, else by cluster.

Rows that speak of one claim, one sum or one survey question are not independent: whole clusters are resampled
(percentile bootstrap). Where all clusters but a few have one rate, resampling hardly ever sees those few, and its
interval is far too narrow: Wilson's over the clusters stands in, as if each were one row, and for a difference that
of the clusters' gains less that of their losses.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

WILSON, CLUSTER = "wilson", "cluster_bootstrap"
FEW = 10  # clusters that differ from the rest
VALUES_AT_ONCE = 2_000_000  # of a bootstrap, to bound its memory


@dataclass(frozen=True)
class Precision:
    """How intervals are made: their level (0.95), the number of resamples, the seed."""

    level: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True)
class Rate:
    """A share with its interval; `method` is `wilson` or `cluster_bootstrap`."""

    rate: float
    low: float
    high: float
    rows: int
    clusters: int
    method: str


@dataclass(frozen=True)
class Difference:
    """`after` less `before` on the same rows; `p_value` is McNemar's on one row of each cluster."""

    before: float
    after: float
    difference: float
    low: float
    high: float
    p_value: float
    rows: int
    clusters: int


def rate(values: pl.Series, clusters: pl.Series, precision: Precision) -> Rate | None:
    """The share of true values, nulls left out; None when nothing is left."""
    sums = _per_cluster(pl.DataFrame({"cluster": clusters, "value": values}).drop_nulls())
    if sums.is_empty():
        return None
    rows, hits = int(sums["rows"].sum()), int(sums["value"].sum())
    share = hits / rows
    if len(sums) == rows:
        interval, method = wilson(hits, rows, precision.level), WILSON
    elif _differing(sums) < FEW:
        interval, method = wilson(share * len(sums), len(sums), precision.level), WILSON
    else:
        interval, method = _bootstrap(sums, precision), CLUSTER
    return Rate(share, interval.low, interval.high, rows, len(sums), method)


def wilson(hits: float, rows: int, level: float) -> Interval:
    """Wilson's score interval; `hits` may be a fraction where it is a rate times a number of clusters."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, rows, alpha=1 - level, method="wilson")
    # The bounds of none and of all are exact; floating point comes a hair away from them.
    return Interval(0.0 if hits == 0 else float(max(low, 0.0)), 1.0 if hits == rows else float(min(high, 1.0)))


def difference(pairs: pl.DataFrame, precision: Precision) -> Difference | None:
    """Of rows `cluster`, `before`, `after` (booleans) in a stable order; pairs with a null are left out."""
    pairs = pairs.drop_nulls()
    if pairs.is_empty():
        return None
    change = pairs.select("cluster", value=pl.col("after").cast(pl.Int64) - pl.col("before").cast(pl.Int64))
    sums = _per_cluster(change)
    before, after = pairs.select(pl.mean("before", "after")).row(0)
    interval = _of_few(sums, precision.level) if _differing(sums) < FEW else _bootstrap(sums, precision)
    return Difference(before, after, after - before, interval.low, interval.high, mcnemar(pairs), len(pairs), len(sums))


def _of_few(changes: pl.DataFrame, level: float) -> Interval:
    """The interval of gains less losses, each with Wilson's over the clusters, put together by MOVER (Zou, Donner)."""
    net, rows, count = changes["value"], int(changes["rows"].sum()), len(changes)
    gain, loss = (int(net.filter(sign * net > 0).abs().sum()) / rows for sign in (1, -1))
    gains, losses = (wilson(share * count, count, level) for share in (gain, loss))
    down = math.hypot(gain - gains.low, losses.high - loss)
    up = math.hypot(gains.high - gain, loss - losses.low)
    return Interval(max(gain - loss - down, -1.0), min(gain - loss + up, 1.0))


def mcnemar(pairs: pl.DataFrame) -> float:
    """The two-sided p value on the first row of each cluster: exact below 25 discordant pairs."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    one = pairs.group_by("cluster", maintain_order=True).first()
    before, after = one["before"], one["after"]
    table = [[int((b & a).sum()) for a in (after, ~after)] for b in (before, ~before)]
    exact = table[0][1] + table[1][0] < 25
    return float(test(table, exact=exact, correction=True).pvalue)


def _per_cluster(df: pl.DataFrame) -> pl.DataFrame:
    """`value` (sum) and `rows` of each cluster, in the order of the clusters' names."""
    return (
        df.group_by("cluster")
        .agg(value=pl.col("value").cast(pl.Int64).sum(), rows=pl.len().cast(pl.Int64))
        .sort("cluster")
    )


def _differing(sums: pl.DataFrame) -> int:
    """How many clusters have another rate than most."""
    return len(sums) - sums.group_by(pl.col("value") / pl.col("rows")).len().select(pl.max("len")).item()


def _bootstrap(sums: pl.DataFrame, precision: Precision) -> Interval:
    """Percentiles of the ratio over resampled clusters."""
    from scipy.stats import bootstrap

    result = bootstrap(
        (sums["value"].cast(pl.Float64).to_numpy(), sums["rows"].cast(pl.Float64).to_numpy()),
        lambda value, row, axis: value.sum(axis=axis) / row.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=precision.resamples,
        confidence_level=precision.level,
        method="percentile",
        rng=np.random.default_rng(precision.seed),
        batch=max(1, VALUES_AT_ONCE // len(sums)),
    ).confidence_interval
    return Interval(float(result.low), float(result.high))
