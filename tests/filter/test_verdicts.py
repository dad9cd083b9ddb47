"""Verdicts by hand and by chance: the ways of asking, the rules, and what guessing keeps."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data.filter import summary
from tests.filter.support import chosen, decide, hash_of, labelled, prompts

RULES = ("answered", "both_orders", "margin")
COIN = ((-1.0, -9.0), (-9.0, -1.0))


@pytest.mark.parametrize(
    ("rule", "plain", "swapped", "reason"),
    [
        ("answered", (-1.0, -2.0), None, None),
        ("answered", (-2.0, -1.0), None, "unknown"),
        ("answered", (-1.0, -1.05), None, "unsure"),
        ("answered", (-1.05, -1.0), None, "unsure"),
        ("answered", None, None, "too_long"),
        ("margin", (-1.0, -2.0), None, None),
        ("margin", (-1.0, -1.9), None, "unknown"),
        ("margin", (-1.0, -1.05), None, "unsure"),
        ("both_orders", (-1.0, -2.0), (-2.0, -1.0), None),
        ("both_orders", (-1.0, -2.0), (-1.0, -2.0), "unknown"),  # (A) twice: a position bias
        ("both_orders", (-2.0, -1.0), (-2.0, -1.0), "unknown"),
        ("both_orders", (-1.0, -2.0), (-1.05, -1.0), "unsure"),
        ("both_orders", (-1.0, -2.0), None, "too_long"),
    ],
)
def test_each_rule_by_hand(rule, plain, swapped, reason):
    """The right option of prompt 0 is (A) as it stands, and (B) with the options exchanged."""
    table = decide(prompts(1), lambda _, is_swapped: swapped if is_swapped else plain, chosen(rule)).table
    row = table.row(0, named=True)
    assert (row["reason"], row["known"]) == (reason, reason is None)
    if plain is not None:
        assert row["margin"] == pytest.approx(plain[0] - plain[1])
        assert row["choice"] == ("(A)" if plain[0] >= plain[1] else "(B)")
        assert row["correct"] == (plain[0] > plain[1])
    assert (row["swapped_margin"] is None) == (rule != "both_orders" or swapped is None)
    assert row["calibrated_margin"] is None and row["label_logprobs"] is None


@pytest.mark.parametrize("rule", RULES)
def test_a_guesser_keeps_what_is_printed_beside_every_rate(rule):
    """Right or wrong by a coin for every question asked: the stated share stays, within sampling error."""
    coin = random.Random(7)  # noqa: S311 - a test's coin
    table = decide(prompts(4000), lambda *_: coin.choice(COIN), chosen(rule, unsure=0.0)).table
    assert table["known"].mean() == pytest.approx(summary.GUESSING[rule], abs=0.03)


def test_a_position_bias_passes_half_the_published_rule_and_none_of_the_default():
    df = prompts(1000)
    tables = {rule: decide(df, lambda *_: (-0.1, -4.0), chosen(rule)).table for rule in RULES}
    kept = {rule: table["known"].mean() for rule, table in tables.items()}
    assert kept == {"answered": 0.5, "both_orders": 0.0, "margin": 0.5}
    assert summary.summary(df, tables["both_orders"], chosen("both_orders")).habits.position_bias == 1.0


@given(st.permutations(range(12)))
def test_the_order_of_prompts_changes_nothing(order):
    df, way = prompts(12), chosen("averaged", calibrate="batch", cell_rows=2)
    straight, mixed = (
        decide(part, lambda text, _: (-len(text) / 9, -(hash_of(text) % 50) / 9), way).table for part in (df, df[order])
    )
    assert straight.equals(mixed.sort("prompt_id"))


def test_the_rule_margin_takes_the_calibrated_margin_where_there_is_one():
    """As it stands the right option has 0.5 nats, exchanged 4.5: 2.5 on average."""
    prefers_a = {False: (-1.0, -1.5), True: (-5.0, -0.5)}
    kept = {
        calibrate: decide(
            prompts(1), lambda _, swapped: prefers_a[swapped], chosen("margin", calibrate=calibrate)
        ).table
        for calibrate in ("none", "order")
    }
    assert [kept["none"]["known"].item(), kept["order"]["known"].item()] == [False, True]


@pytest.mark.parametrize(
    ("label", "polarity", "believed"),
    [(0, "is", False), (1, "is", True), (2, "is", False), (0, "is not", True), (1, "is not", False)],
)
@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("answer", ["(A)", "(B)"])
def test_a_claim_is_believed_when_the_likeliest_label_is_the_named_one(label, polarity, believed, truth, answer):
    df = labelled([label], polarity=polarity, truth=truth, answer=answer)
    row = decide(df, lambda *_: (-3.0, -1.0, -2.5), chosen("answered", ask="labels")).table.row(0, named=True)
    assert row["correct"] == row["known"] == (believed == truth)
    assert row["label_logprobs"] == [-3.0, -1.0, -2.5]
    agreeing = answer if truth else {"(A)": "(B)", "(B)": "(A)"}[answer]
    assert (row["choice"] == agreeing) == believed
    assert abs(row["margin"]) == {0: 2.0, 1: 1.5, 2: 1.5}[label]


def test_purity_chooses_the_smallest_margin_that_reaches_it():
    """200 known claims with 3 nats, and 100 guesses, 50 of them right, with 1 nat."""
    df = prompts(300).with_columns(place=pl.int_range(pl.len()))
    right = dict(zip(df["stripped_prompt"], df["answer"] == "(A)", strict=True))
    place = dict(zip(df["stripped_prompt"], df["place"], strict=True))

    def answer(text, _):
        number = place[text]
        size = 3.0 if number < 200 else 1.0
        says_a = right[text] if number < 250 else not right[text]
        return (-1.0, -1.0 - size) if says_a else (-1.0 - size, -1.0)

    kept = {
        target: decide(df, answer, chosen("answered", purity=target)).table["known"].sum()
        for target in (None, 0.7, 0.9)
    }
    assert kept == {None: 250, 0.7: 250, 0.9: 200}
    figures = summary.summary(df, decide(df, answer, chosen("answered")).table, chosen("answered"))
    assert figures.overall.purity.value == pytest.approx(1 - 50 / 250)
    assert figures.overall.purity.low < 0.8 < figures.overall.purity.high


def test_a_purity_that_no_margin_reaches_keeps_nothing():
    coin = random.Random(3)  # noqa: S311 - a test's coin
    way = chosen("answered", purity=0.9, unsure=0.0)
    sizes = [coin.uniform(0.1, 9) * coin.choice((1, -1)) for _ in range(2000)]
    numbers = iter(sizes)
    decided = decide(prompts(2000), lambda *_: (-1.0, -1.0 - next(numbers)), way)
    assert decided.least == {} and not decided.table["known"].any()


def test_margins_that_come_in_coarse_steps_are_unsure_below_one_step():
    """As of a bfloat16 model: an eighth of a nat between neighbouring margins."""
    decided = decide(prompts(400), lambda text, _: (-(hash_of(text) % 9) / 8, -0.5), chosen("answered", unsure=0.02))
    assert decided.unsure == 0.125
    assert decided.table.filter(pl.col("margin") == 0)["reason"].unique().to_list() == ["unsure"]
    fine = decide(prompts(400), lambda text, _: (-(hash_of(text) % 97) / 7, -0.5), chosen("answered", unsure=0.02))
    assert fine.unsure == 0.02
