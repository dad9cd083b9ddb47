"""Calibration takes a model's habits out, exactly where that can be, and never looks at the truth."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data.filter import calibration, summary
from tests.filter.support import chosen, decide, hash_of, labelled, prompts

BATCH = {"calibrate": "batch", "cell_rows": 2}


def believer(text: str, swapped: bool, right: dict, knowledge: float, letter: float, agreeing: float):
    """Log-probabilities of (A) and (B): some nats for the truth, for the first letter, and for agreeing."""
    original = text if not swapped else text.replace(" (A) Disagree\n (B) Agree", " (A) Agree\n (B) Disagree")
    truth = right[original]
    odds = knowledge * (1 if truth else -1) + agreeing  # of agreeing
    return ((odds if not swapped else -odds) + letter, 0.0)


def answers(df, **habits):
    agree_first = dict(zip(df["stripped_prompt"], df["truth"], strict=True))
    return lambda text, swapped: believer(text, swapped, agree_first, **habits)


def balanced(count: int) -> pl.DataFrame:
    """Prompts that all have Agree first; every other claim is true, in each cell."""
    numbers = pl.int_range(pl.len())
    return prompts(count).with_columns(
        truth=numbers % 2 == 0, answer=pl.when(numbers % 2 == 0).then(pl.lit("(A)")).otherwise(pl.lit("(B)")),
        source=pl.lit("sst2"), label=pl.lit(0), polarity=pl.lit("is"), template=pl.lit("plain"),
    )  # fmt: skip


@given(st.floats(-30, 30), st.floats(0.01, 5))
def test_a_letter_bias_falls_out_of_the_mean_over_both_orders_exactly(letter, knowledge):
    df = balanced(8)
    table = decide(
        df, answers(df, knowledge=knowledge, letter=letter, agreeing=0), chosen("averaged", calibrate="order")
    )
    assert table.table["calibrated_margin"].to_list() == pytest.approx([knowledge] * 8, abs=1e-9)


def test_agreeing_with_everything_needs_batch_calibration():
    df = balanced(40)
    model = answers(df, knowledge=0.5, letter=-4.0, agreeing=3.0)
    figures = {}
    for calibrate in ("order", "batch"):
        way = chosen("averaged", calibrate=calibrate, cell_rows=2)
        figures[calibrate] = summary.summary(df, decide(df, model, way).table, way)
    assert figures["order"].overall.accuracy == figures["order"].overall.calibrated_accuracy == 0.5
    assert figures["order"].calibrated.agreement == 1.0
    assert figures["batch"].overall.calibrated_accuracy == 1.0
    assert figures["batch"].habits.position_bias == 0.0 and figures["batch"].habits.agreement == 0.5
    assert figures["batch"].calibrated == summary.Habits(position_bias=0.5, agreement=0.5)


def test_the_truth_changes_no_log_odds():
    """With every truth (and so every answer) exchanged, each calibrated margin changes its sign and nothing else."""
    df = prompts(60)
    other = df.with_columns(
        truth=~pl.col("truth"), answer=pl.col("answer").replace_strict({"(A)": "(B)", "(B)": "(A)"})
    )

    def model(text, swapped):
        return (-(hash_of(text) % 17) / 4, -(hash_of(text) % 23) / 5)

    first, second = (decide(frame, model, chosen("averaged", **BATCH)).table for frame in (df, other))
    assert first["calibrated_margin"].to_list() == (-second["calibrated_margin"]).to_list()


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.randoms())
def test_a_mean_is_the_same_in_any_order(values, shuffling):
    mixed = list(values)
    shuffling.shuffle(mixed)
    assert calibration.mean(values) == calibration.mean(mixed)


def test_small_cells_are_taken_with_their_like():
    odds = pl.DataFrame(
        {
            "template": ["plain"] * 3 + ["editor"] * 3, "source": ["sst2"] * 5 + ["cb"], "label": [0] * 6,
            "polarity": ["is"] * 6, "odds": [1.0, 2.0, 3.0, 10.0, None, 7.0],
        }
    )  # fmt: skip
    rows = calibration._centred(odds, 3).select("mean", "cell").rows()
    fine, middle, coarse = "template, source, label, polarity", "source, label, polarity", "all"
    assert rows == [(2.0, fine)] * 3 + [(4.0, middle)] * 2 + [(23.0 / 5, coarse)]


def test_labels_are_compared_with_what_their_words_have_without_an_input():
    """The first label is always the likeliest one; of inputs that raise the second above its mean, it is the label."""
    df = labelled([1, 1, 1, 1], polarity="is", truth=True, answer="(A)")
    second = {"0": -9.0, "1": -5.0, "2": -9.0, "3": -5.0}
    way = chosen("averaged", ask="labels", calibrate="batch")
    table = decide(df, lambda text, _: (-1.0, second[text[6]], -8.0), way).table
    assert table["choice"].to_list() == ["(B)"] * 4
    assert table["calibrated_margin"].to_list() == [-2.0, 2.0, -2.0, 2.0]
    assert table["known"].to_list() == [False, True, False, True]


def test_texts_that_are_too_long_count_in_no_mean():
    df = balanced(20)
    model = answers(df, knowledge=1.0, letter=0.0, agreeing=2.0)
    way = chosen("averaged", **BATCH)
    table = decide(df, lambda text, swapped: None if ' 7"' in text else model(text, swapped), way).table
    left = table.filter(pl.col("reason") == "too_long")
    assert left["prompt_id"].to_list() == ["000007"] and left["calibrated_margin"].to_list() == [None]
    expected = [1 - 1 / 19 if truth else 1 + 1 / 19 for place, truth in enumerate(df["truth"]) if place != 7]
    assert table["calibrated_margin"].drop_nulls().to_list() == pytest.approx(expected)


def test_cells_of_a_thousand_rows_are_the_same_on_any_order():
    coin = random.Random(5)  # noqa: S311 - a test's coin
    odds = prompts(1000).with_columns(odds=pl.Series([coin.gauss(0, 3) for _ in range(1000)]))
    mixed = odds.sample(fraction=1.0, shuffle=True, seed=1)
    straight = calibration._centred(odds, 20).sort("prompt_id")["mean"]
    assert straight.to_list() == calibration._centred(mixed, 20).sort("prompt_id")["mean"].to_list()
