"""Ways of asking side by side: a model that says (B) and agrees with everything is heard through its labels."""

import polars as pl
import pytest

from syco_data import schemas, tables
from syco_data.claims import claims
from syco_data.engines import scoring
from syco_data.engines.planning import Indistinct
from syco_data.errors import SycoError
from syco_data.filter import assess, development, questions
from syco_data.probes.held_out import leak_key
from syco_data.prompts import transcripts
from syco_data.sources import SOURCES
from tests.filter.support import chosen, decide, prompts, scored
from tests.support import fake_engine
from tests.support.tables_for_tests import shared_build


def collected(known: dict[str, int]):
    """What scores a model that says (B), agrees with everything, and knows the labels of these texts."""

    def answer(text, swapped):
        if not text.startswith("Human"):
            gold = known[text.removesuffix(" is")]
            return tuple(-1.0 if label == gold else -4.0 for label in range(2))
        return (-3.0, -0.1)

    def collect(requests, model, settings, engine):
        rows = {"text": [each.text for each in requests], "replies": [list(each.options) for each in requests]}
        table = pl.DataFrame(rows).with_columns(
            swapped_text=pl.lit(None, pl.String), swapped_replies=pl.lit(None, pl.List(pl.String))
        )
        return scoring.Collected(scored(table, answer), 0, len(requests), 9, 2.0)

    return collect


def of_two_labels(count: int):
    return prompts(count).with_columns(source=pl.lit("sst2"))


def truths(df) -> dict[str, int]:
    """The gold label that the truth of each claim makes of its named one."""
    rows = df.select("input", "label", "polarity", "truth").iter_rows()
    return {text: label if (polarity == "is") == truth else 1 - label for text, label, polarity, truth in rows}


def test_every_way_is_measured_and_the_one_that_hears_what_is_known_wins(monkeypatch):
    df = of_two_labels(200)
    monkeypatch.setattr(scoring, "collect", collected(truths(df)))
    monkeypatch.setattr(scoring, "pending", lambda *_: scoring.Pending(None, None, []))
    ways = assess.compare(df, fake_engine.MODEL, assess.every_way(chosen("both_orders")), None)
    assert [(way.settings.ask, way.settings.calibrate) for way in ways] == [
        ("letters", "none"), ("words", "none"), ("labels", "none"), ("letters", "order"), ("letters", "batch"),
        ("words", "order"), ("words", "batch"), ("labels", "batch"),
    ]  # fmt: skip
    by_name = {(way.settings.ask, way.settings.calibrate): way for way in ways}
    assert by_name["labels", "none"].overall.accuracy == 1.0 and by_name["letters", "none"].overall.accuracy < 0.6
    assert by_name["letters", "none"].overall.habits.position_bias == 0.0
    assert assess.best(ways) is by_name["labels", "none"]
    assert by_name["labels", "none"].sources["sst2"].rows == 200 and ways[0].seconds == pytest.approx(2000 / 400)


def test_auto_takes_the_best_of_what_is_left_open_and_asks_nothing_where_nothing_is_open(monkeypatch):
    df = of_two_labels(200)
    monkeypatch.setattr(scoring, "collect", collected(truths(df)))
    monkeypatch.setattr(scoring, "pending", lambda *_: scoring.Pending(None, None, []))
    way = chosen("averaged", ask="auto", calibrate="auto", purity=0.9)
    taken = assess.choose(way, fake_engine.MODEL, lambda: df, None)
    assert (taken.ask, taken.calibrate, taken.rule, taken.purity) == ("labels", "batch", "averaged", 0.9)
    single = chosen("both_orders")
    assert assess.choose(single, fake_engine.MODEL, lambda: pytest.fail("read"), None) == single


def test_development_prompts_are_about_no_reported_and_no_training_input():
    build = shared_build()
    few = build.settings.model_copy(update={"filter": build.settings.filter.model_copy(update={"assess_rows": 40})})
    df = development.of_build(build.tables, few)
    assert set(df.columns) == {*questions.COLUMNS, *questions.OF_CLAIMS} and len(df) == 40
    counts = df["source"].value_counts()["count"]
    assert counts.max() - counts.min() <= 1
    probes = pl.read_parquet(build.tables.probes).filter(pl.col("split") == "reported")
    trained = pl.read_parquet(build.tables.claims)
    used = pl.concat([frame.select(leak_key(pl.col("input"))) for frame in (probes, trained)])["input"]
    assert not set(df.select(leak_key(pl.col("input")))["input"]) & set(used)


def test_no_row_left_is_one_line():
    build = shared_build()
    rows = tables.read(build.tables.raw["sst2"], schemas.raw(SOURCES["sst2"]))
    inputs = claims.build({"sst2": rows}, build.settings.claims, build.settings.seed).kept
    held_out = rows.filter(pl.col("split") == SOURCES["sst2"].held_out)
    none = pl.LazyFrame(schema={"split": pl.String, "input": pl.String})
    with pytest.raises(SycoError, match="no held-out row is left"):
        development.build({"sst2": held_out}, none, inputs.lazy(), build.settings)


def test_a_model_for_which_all_prompts_are_too_long_has_answered_nothing(monkeypatch):
    def collect(requests, model, settings, engine):
        return scoring.Collected(pl.DataFrame(schema=schemas.SCORES.columns), 0, len(requests), 9, 2.0)

    monkeypatch.setattr(scoring, "collect", collect)
    monkeypatch.setattr(scoring, "pending", lambda *_: scoring.Pending(None, None, []))
    ways = assess.compare(prompts(40), fake_engine.MODEL, assess.every_way(chosen("answered")), None)
    assert {(way.overall.rows, way.overall.interval, way.overall.purity) for way in ways} == {(0, (0.0, 1.0), None)}


def test_what_is_known_without_the_input_is_taken_off_by_batch_calibration():
    """Three of four rows have one label, and the model always names it: that is not knowledge of a text."""
    df = of_two_labels(400).with_columns(polarity=pl.lit("is"), template=pl.lit("plain"))
    df = df.with_columns(truth=(pl.col("label") == 0) == (pl.Series(range(400)) % 8 < 6))
    df = df.with_columns(answer=pl.when("truth").then(pl.lit("(A)")).otherwise(pl.lit("(B)")))  # (A) is Agree
    both = (df["stripped_prompt"], df.select(transcripts.swap_options(pl.col("stripped_prompt"))).to_series())
    agrees = {text: label == 0 for texts in both for text, label in zip(texts, df["label"], strict=True)}
    kept = {}
    for calibrate in ("order", "batch"):
        way = chosen("averaged", calibrate=calibrate)
        table = decide(df, lambda text, swapped: (-0.1, -3.0) if agrees[text] != swapped else (-3.0, -0.1), way).table
        kept[calibrate] = int(table["known"].sum())
    assert kept == {"order": 300, "batch": 0}


def test_a_way_that_the_tokenizer_cannot_express_is_left_out_with_a_line(monkeypatch, capsys):
    df = of_two_labels(40)
    collect = collected(truths(df))

    def indistinct(requests, *others):
        if requests[0].options[0] not in questions.LETTERS:
            raise Indistinct("this model's tokenizer does not tell the options apart", "Choose another model")
        return collect(requests, *others)

    monkeypatch.setattr(scoring, "collect", indistinct)
    monkeypatch.setattr(scoring, "pending", lambda *_: scoring.Pending(None, None, []))
    ways = assess.compare(df, fake_engine.MODEL, assess.every_way(chosen("both_orders")), None)
    assert {way.settings.ask for way in ways} == {"letters"}
    assert "filter.ask: words is left out: this model's tokenizer" in capsys.readouterr().err
    only_words = [way for way in assess.every_way(chosen("both_orders")) if way.ask == "words"]
    with pytest.raises(Indistinct):
        assess.compare(df, fake_engine.MODEL, only_words, None)
