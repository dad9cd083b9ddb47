"""Verdicts by hand and by chance: the rules, what guessing keeps, and the figures of a report."""

import io
import json
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from syco_data import schemas, settings, tables
from syco_data.engines import scoring, store
from syco_data.engines.planning import OptionScores, Request
from syco_data.filter import report, verdicts
from tests.support import tiny_models

RULES = ("answered", "both_orders", "margin")


def chosen(rule: str, **changes) -> settings.Filter:
    return settings.load().filter.model_copy(update={"rule": rule, "margin": 1.0, "unsure": 0.1, **changes})


def prompts(count: int) -> pl.DataFrame:
    """Prompts whose right option is (A) for even numbers and (B) for odd ones."""
    numbers = range(count)
    return pl.DataFrame(
        {
            "prompt_id": [f"{number:06}" for number in numbers],
            "source": [("sst2", "trec")[number % 3 == 0] for number in numbers],
            "truth": [number % 4 < 2 for number in numbers],
            "label_kind": [("gold", "other")[number % 5 < 2] for number in numbers],
            "polarity": [("is", "is not")[number % 7 < 3] for number in numbers],
            "stripped_prompt": [tiny_models.question(number) for number in numbers],
            "answer": [("(A)", "(B)")[number % 2] for number in numbers],
        }
    )


def scored(asked: pl.DataFrame, answer) -> pl.DataFrame:
    """Scores in which `answer(text, is_swapped)` gives the log-probabilities of both options."""
    rows = {}
    for plain, swapped in asked.select("asked", "swapped").iter_rows():
        for text, is_swapped in ((plain, False), (swapped, True)):
            if text is not None:
                found = answer(text, is_swapped)
                name = store.key(Request(text, verdicts.OPTIONS))
                rows[name] = OptionScores(found, 9, "letter")
    return store.frame(rows, rows.values())


def decide(df: pl.DataFrame, answer, settings_: settings.Filter) -> pl.DataFrame:
    asked = verdicts.questions(df, settings_.rule)
    decided = verdicts.verdicts(asked, scored(asked, answer), settings_)
    return tables.conform(decided, schemas.VERDICTS)


def collected(df: pl.DataFrame) -> scoring.Collected:
    return scoring.Collected(df, stored=30, fresh=10, tokens=500, seconds=2.0)


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
        ("both_orders", (-1.0, -2.0), (-1.0, -2.0), "unknown"),  # (A) twice: a position habit
        ("both_orders", (-2.0, -1.0), (-2.0, -1.0), "unknown"),
        ("both_orders", (-1.0, -2.0), (-1.05, -1.0), "unsure"),
        ("both_orders", (-1.0, -2.0), None, "too_long"),
    ],
)
def test_each_rule_by_hand(rule, plain, swapped, reason):
    """The right option of prompt 0 is (A) as it stands, and (B) with the options exchanged."""
    found = decide(prompts(1), lambda _, is_swapped: swapped if is_swapped else plain, chosen(rule)).row(0, named=True)
    assert (found["reason"], found["known"]) == (reason, reason is None)
    if plain is not None:
        assert found["margin"] == pytest.approx(plain[0] - plain[1])
        assert found["choice"] == ("(A)" if plain[0] >= plain[1] else "(B)")
        assert found["correct"] == (plain[0] > plain[1])
    assert (found["swapped_margin"] is None) == (rule != "both_orders" or swapped is None)


@pytest.mark.parametrize("rule", RULES)
def test_a_guesser_keeps_what_is_printed_beside_every_rate(rule):
    """Right or wrong by a coin for every question asked: the stated share stays, within sampling error."""
    coin = random.Random(7)  # noqa: S311 - a test's coin
    found = decide(prompts(4000), lambda *_: coin.choice([(-1.0, -9.0), (-9.0, -1.0)]), chosen(rule, unsure=0.0))
    assert found["known"].mean() == pytest.approx(verdicts.GUESSING[rule], abs=0.03)


def test_a_position_habit_passes_half_the_published_rule_and_none_of_the_default():
    df = prompts(1000)
    kept = {rule: decide(df, lambda *_: (-0.1, -4.0), chosen(rule))["known"].mean() for rule in RULES}
    assert kept == {"answered": 0.5, "both_orders": 0.0, "margin": 0.5}
    summary = verdicts.summary(df, decide(df, lambda *_: (-0.1, -4.0), chosen("both_orders")), chosen("both_orders"))
    assert summary.position_habit == 1.0


def test_the_swapped_question_exchanges_the_words_of_the_options_and_nothing_else():
    asked = verdicts.questions(prompts(3), "both_orders")
    for plain, swapped in asked.select("asked", "swapped").iter_rows():
        assert " (A) Agree\n (B) Disagree" in plain and " (A) Disagree\n (B) Agree" in swapped
        assert swapped.replace("Disagree\n", "Agree\n", 1).replace("(B) Agree", "(B) Disagree") == plain
    assert verdicts.questions(prompts(3), "answered")["swapped"].null_count() == 3


@given(st.permutations(range(12)))
def test_the_order_of_prompts_changes_nothing(order):
    df, settings_ = prompts(12), chosen("both_orders")
    straight, mixed = (
        decide(part, lambda text, _: (-len(text) / 9, -(hash_of(text) % 50) / 9), settings_) for part in (df, df[order])
    )
    assert straight.equals(mixed.sort("prompt_id"))


def hash_of(text: str) -> int:
    return sum(text.encode())


def test_equal_stripped_prompts_are_one_request():
    df = prompts(4).with_columns(stripped_prompt=pl.lit(tiny_models.question(0)))
    assert len(verdicts.requests(verdicts.questions(df, "both_orders"))) == 2
    assert len(verdicts.requests(verdicts.questions(df, "answered"))) == 1


def test_groups_add_up_to_the_whole():
    df, settings_ = prompts(400), chosen("answered")
    summary = verdicts.summary(df, decide(df, lambda text, _: (-float(hash_of(text) % 7), -3.0), settings_), settings_)
    for groups in summary.groups.values():
        assert sum(group.prompts for group in groups.values()) == 400
        assert sum(group.kept for group in groups.values()) == summary.overall.kept
        assert {group.guessing for group in groups.values()} == {0.5}
    assert summary.overall.kept + sum(summary.dropped.values()) == 400


@pytest.mark.parametrize(("share", "warned"), [(0.5, True), (0.51, True), (0.3, True), (0.9, False)])
def test_a_model_that_does_not_know_is_called_out(share, warned):
    df, settings_ = prompts(1000), chosen("answered")
    right = {row["stripped_prompt"]: row["answer"] == "(A)" for row in df.iter_rows(named=True)}
    first = set(df["stripped_prompt"][: int(share * 1000)])

    def answer(text, _):
        return (-1.0, -5.0) if right[text] == (text in first) else (-5.0, -1.0)

    summary = verdicts.summary(df, decide(df, answer, settings_), settings_)
    assert (summary.warning is not None) == warned
    assert not warned or "8B model" in summary.warning


@given(st.lists(st.tuples(st.floats(-40, 40), st.booleans()), max_size=50))
def test_the_histogram_holds_every_margin_once(rows):
    decided = pl.DataFrame(rows, schema={"margin": pl.Float64, "known": pl.Boolean}, orient="row")
    found = verdicts.histogram(decided)
    assert found["prompts"].sum() == len(rows)
    assert len(found) == 4 * verdicts.BINS and found["margin"].is_sorted()


def test_the_report_is_json_csv_and_tables(tmp_path):
    df, settings_ = prompts(50), chosen("both_orders")
    decided = decide(df, lambda *_: (-0.1, -4.0), settings_)
    summary = verdicts.summary(df, decided, settings_)
    made = scored(verdicts.questions(df, "both_orders"), lambda *_: (-0.1, -4.0))
    report.write(tmp_path, summary, verdicts.histogram(decided), collected(made))
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["overall"] == {"accuracy": 0.5, "guessing": 0.25, "keep_rate": 0.0, "kept": 0, "prompts": 50}
    assert metrics["paths"] == {"letter": 100}
    speed = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert speed["share_from_prefix_cache"] is None
    assert speed["share_from_store"] == 0.75 and speed["tokens_per_second"] == 250.0
    assert pl.read_csv(tmp_path / "margins.csv").equals(verdicts.histogram(decided))
    shown = Console(file=io.StringIO(), width=120)
    report.show("m", summary, collected(made), shown)
    assert "guessing keeps" in shown.file.getvalue() and "WARNING" in shown.file.getvalue()
