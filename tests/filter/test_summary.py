"""Figures of a filtration, what is written of them, and the stop where nothing useful is left."""

import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from syco_data.engines import scoring
from syco_data.errors import CheckFailed
from syco_data.filter import questions, report, summary
from tests.filter.support import chosen, decide, hash_of, prompts, scored


def collected(df: pl.DataFrame) -> scoring.Collected:
    return scoring.Collected(df, stored=30, fresh=10, tokens=500, seconds=2.0)


def figures_of(df, answer, way):
    return summary.summary(df, decide(df, answer, way).table, way)


def test_groups_add_up_to_the_whole():
    figures = figures_of(prompts(400), lambda text, _: (-float(hash_of(text) % 7), -3.0), chosen("answered"))
    for groups in figures.groups.values():
        assert sum(group.prompts for group in groups.values()) == 400
        assert sum(group.kept for group in groups.values()) == figures.overall.kept
        assert {group.guessing for group in groups.values()} == {0.5}
    assert figures.overall.kept + sum(figures.dropped.values()) == 400


@pytest.mark.parametrize(("share", "warned"), [(0.5, True), (0.51, True), (0.3, True), (0.9, False)])
def test_a_model_that_does_not_know_is_called_out(share, warned):
    df = prompts(1000)
    right = dict(zip(df["stripped_prompt"], df["answer"] == "(A)", strict=True))
    first = set(df["stripped_prompt"][: int(share * 1000)])

    def answer(text, _):
        return (-1.0, -5.0) if right[text] == (text in first) else (-5.0, -1.0)

    figures = figures_of(df, answer, chosen("answered"))
    assert (figures.warning is not None) == warned
    assert not warned or "8B model" in figures.warning


def test_a_filter_that_keeps_nothing_says_why_and_what_to_try():
    df, way = prompts(100), chosen("both_orders")
    table = decide(df, lambda *_: (-4.0, -0.1), way).table
    with pytest.raises(CheckFailed) as error:
        summary.refuse_useless("m", df, table, summary.summary(df, table, way), way)
    for words in ("of 100 prompts model 'm' keeps 0", "first option chosen in 0.0%", "100 unknown", "models assess m"):
        assert words in str(error.value)


def test_a_filter_that_keeps_one_answer_alone_is_stopped_too():
    """The model agrees with every claim: what it keeps are the true ones."""
    df, way = prompts(100), chosen("both_orders")
    agree_first = (df["truth"] == (df["answer"] == "(A)")).all()
    assert not agree_first
    agrees = {text: truth == (answer == "(A)") for text, truth, answer in
              df.select("stripped_prompt", "truth", "answer").iter_rows()}  # fmt: skip

    def answer(text, swapped):
        first = agrees.get(text.replace(" (A) Disagree\n (B) Agree", " (A) Agree\n (B) Disagree"))
        return (-1.0, -3.0) if first != swapped else (-3.0, -1.0)

    table = decide(df, answer, way).table
    assert table["known"].sum() == df["truth"].sum()
    with pytest.raises(CheckFailed, match="prompts of one answer alone"):
        summary.refuse_useless("m", df, table, summary.summary(df, table, way), way)


def test_a_filter_that_keeps_one_prompt_of_many_is_stopped_too():
    """As of a chat model that says (B) to everything but one question."""
    df, way = prompts(100), chosen("both_orders")
    right = df["stripped_prompt"][0]

    def answer(text, swapped):
        return (-0.1, -4.0) if text == right else (-4.0, -0.1)

    table = decide(df, answer, way).table
    assert table["known"].sum() == 1
    with pytest.raises(CheckFailed, match="keeps 1, prompts of one answer alone"):
        summary.refuse_useless("m", df, table, summary.summary(df, table, way), way)


def test_a_filter_that_keeps_both_answers_goes_on():
    df, way = prompts(100), chosen("answered")
    table = decide(df, lambda text, _: (-float(hash_of(text) % 7), -3.0), way).table
    summary.refuse_useless("m", df, table, summary.summary(df, table, way), way)


@given(st.lists(st.tuples(st.floats(-40, 40), st.booleans()), max_size=50))
def test_the_histogram_holds_every_margin_once(rows):
    decided = pl.DataFrame(rows, schema={"margin": pl.Float64, "known": pl.Boolean}, orient="row")
    bins = summary.histogram(decided.with_columns(calibrated_margin=pl.lit(None, pl.Float64)))
    assert bins["prompts"].sum() == len(rows)
    assert len(bins) == 4 * summary.BINS and bins["margin"].is_sorted()


def test_the_report_is_json_csv_and_tables(tmp_path):
    df, way = prompts(50), chosen("averaged", calibrate="batch", cell_rows=5)
    decided = decide(df, lambda *_: (-0.1, -4.0), way)
    figures = summary.summary(df, decided.table, way)
    scores = collected(scored(questions.build(df, way, "plain"), lambda *_: (-0.1, -4.0)))
    report.write(tmp_path, figures, decided, scores, way)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert not any(isinstance(value, dict | list) for value in metrics.values())
    assert metrics["prompts"] == 50 and metrics["kept"] == 0 and metrics["accuracy"] == 0.5
    assert (metrics["position_bias"], metrics["purity"]) == (1.0, None)
    details = json.loads((tmp_path / "details.json").read_text(encoding="utf-8"))
    assert details["scoring_modes"] == {"letter": 100} and sum(details["rows_calibrated_by"].values()) == 50
    assert set(details["groups"]) == set(summary.GROUPS)
    speed = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert speed["share_from_prefix_cache"] is None
    assert speed["share_from_store"] == 0.75 and speed["tokens_per_second"] == 250.0
    assert pl.read_csv(tmp_path / "margins.csv").equals(summary.histogram(decided.table))
    assert {"source", "keep_rate", "purity"} <= set(pl.read_csv(tmp_path / "keep_rates.csv").columns)
    shown = Console(file=io.StringIO(), width=120)
    report.show("m", figures, decided, scores, way, shown)
    assert "by guessing" in shown.file.getvalue() and "WARNING" in shown.file.getvalue()


def test_where_all_claims_of_a_polarity_are_true_it_has_no_purity():
    """As in the published pool, where `is` names the own label: a model that agrees would be pure."""
    df = prompts(200).with_columns(truth=pl.col("polarity") == "is")
    groups = figures_of(df, lambda *_: (-0.1, -4.0), chosen("answered")).groups
    assert {group.purity for group in (*groups["polarity"].values(), *groups["truth"].values())} == {None}
    assert groups["source"]["sst2"].purity is not None
