"""Rates with intervals, and paired differences: Wilson where rows are independent, else by cluster.

Rows that speak of one claim, one sum or one survey question are not independent: whole clusters are resampled
(percentile bootstrap). Where all clusters have one rate a bootstrap has no width: Wilson's interval over the
clusters stands in, and Newcombe's for a difference, as if the clusters were so many independent rows.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

WILSON, CLUSTER = "wilson", "cluster_bootstrap"
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
    found = hits / rows
    if len(sums) == rows:
        interval, method = wilson(hits, rows, precision.level), WILSON
    elif _alike(sums):
        interval, method = wilson(found * len(sums), len(sums), precision.level), WILSON
    else:
        interval, method = _bootstrap(sums, precision), CLUSTER
    return Rate(found, interval.low, interval.high, rows, len(sums), method)


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
    before, after = float(pairs["before"].mean()), float(pairs["after"].mean())
    if _alike(sums):
        interval = newcombe(before * len(sums), after * len(sums), len(sums), precision.level)
    else:
        interval = _bootstrap(sums, precision)
    return Difference(before, after, after - before, interval.low, interval.high, mcnemar(pairs), len(pairs), len(sums))


def newcombe(before: float, after: float, rows: int, level: float) -> Interval:
    """Newcombe's hybrid score interval of the difference of two rates, given as hits of so many rows."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(after, rows, before, rows, method="newcomb", alpha=1 - level)
    return Interval(float(low), float(high))


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


def _alike(sums: pl.DataFrame) -> bool:
    """Whether all clusters have one rate."""
    return (sums["value"] * sums["rows"].first() == sums["value"].first() * sums["rows"]).all()


def _bootstrap(sums: pl.DataFrame, precision: Precision) -> Interval:
    """Percentiles of the ratio over resampled clusters."""
    from scipy.stats import bootstrap

    found = bootstrap(
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
    return Interval(float(found.low), float(found.high))
