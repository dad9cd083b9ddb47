"""Purity: its estimate, its interval, and the margin that reaches it."""

import random

import polars as pl
import pytest

from syco_data.filter import purity


@pytest.mark.parametrize(("right", "wrong", "value"), [(100, 0, 1.0), (100, 25, 0.75), (40, 40, 0.0), (3, 9, 0.0)])
def test_the_estimate_is_what_wrong_answers_leave_of_the_right_ones(right, wrong, value):
    pure = purity.estimate(right, wrong)
    assert pure.value == pytest.approx(value) and 0 <= pure.low <= pure.value <= pure.high <= 1


def test_nothing_answered_has_no_purity_and_only_wrong_answers_have_none_of_it():
    assert purity.estimate(0, 0) is None
    assert purity.estimate(0, 5) == purity.Purity(0.0, 0.0, pytest.approx(0.0, abs=1))


@pytest.mark.parametrize(("known", "guesses"), [(60, 100), (90, 20), (300, 30)])
def test_the_interval_holds_the_truth_as_often_as_it_says(known, guesses):
    """So many of the kept prompts were known, in 2,000 trials; of the guesses half are right on average."""
    coin, held = random.Random(11), 0  # noqa: S311 - a test's coin
    for _ in range(2000):
        lucky = sum(coin.random() < 0.5 for _ in range(guesses))
        pure = purity.estimate(known + lucky, guesses - lucky)
        held += pure.low <= known / (known + lucky) <= pure.high
    assert held / 2000 > 0.93


def sides(rows: list[tuple[float, int, int]]) -> pl.DataFrame:
    """So many right and wrong answers at each margin."""
    margins = [sign * margin for margin, right, wrong in rows for sign in [1] * right + [-1] * wrong]
    frame = pl.DataFrame({"margin": margins}, schema={"margin": pl.Float64})
    return frame.with_columns(mirrored=-pl.col("margin"), source=pl.lit("sst2"))


def test_the_margin_is_the_smallest_and_equal_margins_stay_together():
    rows = sides([(3.0, 30, 0), (2.0, 30, 5), (1.0, 30, 30)])
    assert [purity.least_margins(rows, target)["sst2"] for target in (0.95, 0.9, 0.6, 0.5)] == [3.0, 2.0, 1.0, 1.0]
    other = sides([(5.0, 30, 0), (4.0, 30, 30)]).with_columns(source=pl.lit("cb"))
    assert purity.least_margins(pl.concat([rows, other]), 0.9) == {"cb": 5.0, "sst2": 2.0}


def test_a_few_lucky_answers_reach_nothing():
    assert purity.least_margins(sides([(9.0, 19, 0), (1.0, 50, 60)]), 0.9) == {}
    assert purity.least_margins(sides([]), 0.5) == {}


def test_what_a_chosen_margin_keeps_holds_no_more_guesses_than_the_target_allows():
    """30 claims known for sure among 300, in 150 trials; the mean is over those too where nothing is kept."""
    coin, shares = random.Random(5), []  # noqa: S311 - a test's coin
    for _ in range(150):
        guesses = [coin.gauss(0, 1) for _ in range(270)]
        known = [abs(coin.gauss(2.5, 0.7)) for _ in range(30)]
        frame = pl.DataFrame({"margin": known + guesses}).with_columns(mirrored=-pl.col("margin"), source=pl.lit("cb"))
        least = purity.least_margins(frame, 0.8).get("cb", 99.0)
        lucky, sure = (sum(margin >= least for margin in margins) for margins in (guesses, known))
        shares.append(lucky / max(lucky + sure, 1))
    assert sum(shares) / len(shares) < 0.2
