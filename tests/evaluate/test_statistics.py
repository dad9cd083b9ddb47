"""Intervals against worked figures and against what they promise: coverage, symmetry, determinism."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from syco_data.evaluate import statistics
from syco_data.evaluate.statistics import CLUSTER, WILSON, Precision

PRECISION = Precision(level=0.95, resamples=500, seed=0)


def series(hits: int, misses: int) -> pl.Series:
    return pl.Series([True] * hits + [False] * misses)


def alone(size: int) -> pl.Series:
    return pl.Series([f"item {index}" for index in range(size)])


def test_independent_rows_get_wilsons_interval():
    rate = statistics.rate(series(8, 2), alone(10), PRECISION)
    # Worked by hand: centre (0.8 + z²/20) / (1 + z²/10), z = 1.959964.
    assert (rate.rate, rate.method, rate.rows, rate.clusters) == (0.8, WILSON, 10, 10)
    assert rate.low == pytest.approx(0.490162, abs=1e-5)
    assert rate.high == pytest.approx(0.943318, abs=1e-5)


def test_a_rate_of_one_keeps_a_width():
    single = statistics.rate(series(20, 0), alone(20), PRECISION)
    repeated = statistics.rate(series(20, 0), pl.Series([f"{index % 4}" for index in range(20)]), PRECISION)
    assert single.high == 1.0
    assert single.low == pytest.approx(0.838875, abs=1e-5)
    assert repeated.clusters == 4
    assert repeated.low < single.low  # four clusters say less than twenty rows


def test_none_of_many_starts_at_nothing():
    for rows in (20, 30, 80, 1000):
        assert statistics.rate(series(0, rows), alone(rows), PRECISION).low == 0.0
        assert statistics.rate(series(rows, 0), alone(rows), PRECISION).high == 1.0


def test_repeating_rows_within_a_cluster_adds_no_certainty():
    once = statistics.rate(series(30, 30), alone(60), PRECISION)
    tenfold = pl.concat([series(30, 30)] * 10)
    clusters = pl.concat([alone(60)] * 10)
    repeated = statistics.rate(tenfold, clusters, PRECISION)
    naive = statistics.rate(tenfold, alone(600), PRECISION)
    assert repeated.method == CLUSTER
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.15)
    assert repeated.high - repeated.low > 2 * (naive.high - naive.low)


def test_the_cluster_bootstrap_covers_the_truth_about_as_often_as_it_says():
    random, hits, runs = np.random.default_rng(1), 0, 120
    clusters = pl.Series(np.repeat(np.arange(60), 5).astype(str))
    for _ in range(runs):
        rates = random.beta(2, 1, 60)  # mean 2/3, alike within a cluster
        values = pl.Series(random.random(300) < np.repeat(rates, 5))
        rate = statistics.rate(values, clusters, PRECISION)
        hits += rate.low <= 2 / 3 <= rate.high
    # 120 runs at 95%: fewer than 105 happen once in 5,000 times.
    assert hits >= 105


def test_nulls_count_neither_way_and_nothing_left_is_none():
    values = pl.Series([True, None, False, None])
    rate = statistics.rate(values, alone(4), PRECISION)
    assert (rate.rate, rate.rows) == (0.5, 2)
    assert statistics.rate(pl.Series([None, None], dtype=pl.Boolean), alone(2), PRECISION) is None
    assert statistics.difference(pl.DataFrame({"cluster": ["a"], "before": [True], "after": [None]}), PRECISION) is None


def test_the_order_of_rows_changes_nothing():
    values = pl.Series([index % 3 == 0 for index in range(90)])
    clusters = pl.Series([f"{index % 13}" for index in range(90)])
    shuffled = pl.DataFrame({"v": values, "c": clusters}).sample(fraction=1, shuffle=True, seed=3)
    assert statistics.rate(values, clusters, PRECISION) == statistics.rate(shuffled["v"], shuffled["c"], PRECISION)


def test_the_seed_and_nothing_else_moves_an_interval():
    random = np.random.default_rng(5)
    values, clusters = pl.Series(random.random(400) < 0.4), pl.Series(random.integers(0, 37, 400).astype(str))
    first, again = (statistics.rate(values, clusters, PRECISION) for _ in range(2))
    other = statistics.rate(values, clusters, Precision(0.95, 500, 1))
    assert first == again
    assert other.rate == first.rate
    assert (other.low, other.high) != (first.low, first.high)


def test_a_paired_difference_is_tighter_than_two_rates():
    random = np.random.default_rng(0)
    before = random.random(200) < 0.5
    after = before.copy()
    after[:20] = True
    pairs = pl.DataFrame({"cluster": alone(200), "before": before, "after": after})
    difference = statistics.difference(pairs, PRECISION)
    gained = int((~before[:20]).sum())
    assert difference.difference == pytest.approx(gained / 200)
    assert difference.low > 0
    assert difference.high - difference.low < 0.1  # two independent rates of 200 rows: 0.19


def test_mcnemar_is_the_exact_binomial_on_one_row_of_each_cluster():
    before = [False] * 9 + [True] * 2 + [True] * 10
    after = [True] * 9 + [False] * 2 + [True] * 10
    pairs = pl.DataFrame({"cluster": alone(21), "before": before, "after": after})
    assert statistics.mcnemar(pairs) == pytest.approx(binomtest(2, 11).pvalue)
    doubled = pl.concat([pairs, pairs])
    assert statistics.mcnemar(doubled) == pytest.approx(statistics.mcnemar(pairs))


def covered(rates, share: float, runs: int) -> int:
    """How often the interval of 100 clusters of 8 rows holds the true share."""
    random, hits = np.random.default_rng(2), 0
    clusters = pl.Series(np.repeat(np.arange(100), 8).astype(str))
    for _ in range(runs):
        values = pl.Series(random.random(800) < np.repeat(rates(random), 8))
        rate = statistics.rate(values, clusters, PRECISION)
        hits += rate.low <= share <= rate.high
    return hits


@pytest.mark.parametrize("share", [0.005, 0.02, 0.98])
def test_rates_near_none_and_all_are_covered_where_rows_go_together(share):
    """Half of a cluster's rows and more are alike: a percentile bootstrap covers 80 to 88% here."""
    together = lambda random: np.clip(random.beta(share / 2, (1 - share) / 2, 100), 0, 1)  # noqa: E731
    # 150 runs at 95%: fewer than 133 happen once in 1,000 times.
    assert covered(together, share, 150) >= 133


def test_nothing_changed_says_how_much_could_have():
    same = pl.DataFrame(
        {"cluster": alone(49), "before": [True, False] * 24 + [True], "after": [True, False] * 24 + [True]}
    )
    difference = statistics.difference(same, PRECISION)
    none = statistics.wilson(0, 49, 0.95)
    assert (difference.difference, difference.low, difference.high) == (0.0, -none.high, none.high)


def test_a_few_clusters_that_changed_give_no_certainty():
    before = [False] * 60
    after = [True] * 3 + [False] * 57
    change = statistics.difference(pl.DataFrame({"cluster": alone(60), "before": before, "after": after}), PRECISION)
    assert change.difference == pytest.approx(0.05)
    assert -0.07 < change.low < 0.0 < change.high < 0.15


def test_a_difference_that_every_cluster_shows_keeps_a_width():
    pairs = pl.DataFrame({"cluster": alone(30), "before": [False] * 30, "after": [True] * 30})
    difference = statistics.difference(pairs, PRECISION)
    assert difference.difference == 1
    assert 0.7 < difference.low < 0.95
    assert difference.p_value < 1e-6
