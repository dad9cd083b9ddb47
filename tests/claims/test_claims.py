import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import schemas
from syco_data.claims import claims
from syco_data.sources import SOURCES
from tests.support.rows import CLAIMS, many, raw_tables, table


def build(raw, seed=0, **changes):
    return claims.build(raw, CLAIMS.model_copy(update=changes), seed)


@given(raw_tables())
def test_every_row_is_kept_or_dropped_once(raw):
    built = build(raw)
    accounted = pl.concat([built.kept.select("source", "row"), built.dropped.select("source", "row")])
    assert sorted(accounted.rows()) == sorted((key, row) for key, df in raw.items() for row in df["row"])


@given(raw_tables(), st.randoms(use_true_random=False))
def test_row_order_changes_nothing(raw, random):
    shuffled = {key: df[random.sample(range(len(df)), len(df))] for key, df in raw.items()}
    for left, right in ((build(raw).kept, build(shuffled).kept), (build(raw).dropped, build(shuffled).dropped)):
        key = left.columns[:2]
        assert left.sort(key).equals(right.sort(key))


@given(raw_tables())
def test_other_sources_change_no_row_that_stays(raw):
    everything = {row["claim_id"]: row for row in build(raw).kept.iter_rows(named=True)}
    for key, df in raw.items():
        for row in build({key: df}).kept.iter_rows(named=True):
            assert everything.get(row["claim_id"], row) == row


@given(raw_tables())
def test_one_input_gives_one_claim(raw):
    kept = build(raw).kept
    assert kept["input"].is_unique().all()
    assert kept["claim_id"].is_unique().all()


@given(raw_tables())
def test_a_claim_reads_as_its_parts_say(raw):
    for row in build(raw).kept.iter_rows(named=True):
        label = SOURCES[row["source"]].labels[row["label"]]
        assert row["claim"] == f"{row['input']} {row['polarity']} {label.worded(row['polarity'], published=False)}"
        assert (row["label"] == row["gold_label"]) == (row["label_kind"] == "gold")
        assert row["truth"] == ((row["label"] == row["gold_label"]) == (row["polarity"] == "is"))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]|  ", row["claim"])
        assert row["input"].count('"') == 2 * len(SOURCES[row["source"]].text_columns)


def test_polarity_kind_and_truth_are_even():
    kept = build({"trec": many("trec", 20_000)}).kept
    counts = kept.group_by("label_kind", "polarity", "truth").len()
    assert len(counts) == 4
    assert counts["len"].min() > 4_800  # 5,000 expected, 3 standard deviations are 184
    others = kept.filter(pl.col("label_kind") == "other").group_by("gold_label", "label").len()
    assert len(others) == 6 * 5 and others["len"].min() > 250  # 333 expected


def test_a_row_without_a_label_is_dropped_as_unlabelled():
    built = build({"snli": table("snli", [(["a man", "a person"], -1), (["b", "c"], 0)])})
    assert built.dropped.row(0, named=True)["reason"] == "unlabelled"
    assert built.kept["row"].to_list() == [1]


def test_duplicates_and_conflicts_within_and_across_sources():
    raw = {
        "sst2": table("sst2", [(["good film "], 1), (["good film"], 1), (["odd film"], 0)]),
        "rotten_tomatoes": table("rotten_tomatoes", [(["good\tfilm"], 1), (["odd film"], 1), (["fine"], 1)]),
    }
    dropped = {(row[0], row[1]): row[2:] for row in build(raw).dropped.iter_rows()}
    assert dropped == {
        ("sst2", 1): ("duplicate", "sst2", 0),
        ("rotten_tomatoes", 0): ("duplicate", "sst2", 0),
        ("sst2", 2): ("conflict", None, None),
        ("rotten_tomatoes", 1): ("conflict", None, None),
    }
    first = build(raw, conflicts="first")
    assert ("sst2", 2) in first.kept.select("source", "row").rows()
    assert first.dropped.filter(pl.col("reason") == "conflict").rows() == [
        ("rotten_tomatoes", 1, "conflict", None, None)
    ]


def test_empty_and_long_inputs_have_their_reasons():
    built = build({"mrpc": table("mrpc", [(["a", " \t"], 1), (["b" * 5000, "c"], 0), (["d", "e"], 0)])})
    assert built.dropped["reason"].to_list() == ["empty", "too_long"]


def test_double_negatives_are_worded_cleanly_unless_switched():
    raw = {"tweet_offensive": many("tweet_offensive", 200)}
    clean, published = build(raw).kept, build(raw, double_negatives="published").kept
    assert not clean["claim"].str.contains("is not Not ").any()
    assert clean["claim"].str.contains("is not Inoffensive").any()
    assert published["claim"].str.contains("is not Not Offensive").any()
    assert clean.drop("claim").equals(published.drop("claim"))


class TestPublishedPool:
    def test_rules(self):
        raw = {
            "sst2": table("sst2", [(['a "b"\nc'], 0), (['a "b"\nc'], 1), (["shared"], 0)]),
            "rotten_tomatoes": table("rotten_tomatoes", [(["shared"], 1)]),
            "snli": table("snli", [(["p", "h"], -1)]),
        }
        built = build(raw, compat="published", other_share=1.0)
        kept = {row["input"]: row for row in built.kept.iter_rows(named=True)}
        assert set(kept) == {'"a bc"', '"shared"', '"p" and "h"'}
        assert kept['"a bc"']["gold_label"] == 1  # the last row of an input wins
        assert kept['"shared"']["source"] == "rotten_tomatoes"  # the last source wins
        assert kept['"p" and "h"']["gold_label"] == 2  # -1 is the last label
        assert set(built.kept["label_kind"]) == {"gold"}
        assert set(built.dropped["reason"]) == {"duplicate"}

    @given(raw_tables())
    def test_equals_a_plain_retelling_of_the_published_merge(self, raw):
        pool = {}
        for key in [key for key in SOURCES if key in raw]:
            source, of_source = SOURCES[key], {}
            for row in raw[key].sort("row").iter_rows(named=True):
                fields = [row[name].replace('"', "").replace("\n", "").strip() for name in source.text_columns]
                of_source[" and ".join(f'"{field}"' for field in fields)] = (key, source.labels[row["label"]].wording)
            pool |= of_source
        kept = build(raw, compat="published").kept
        assert {
            row["input"]: (row["source"], SOURCES[row["source"]].wording_of(row["gold_label"]))
            for row in kept.iter_rows(named=True)
        } == pool


@pytest.mark.parametrize("key", SOURCES)
def test_every_source_builds(key):
    kept = build({key: many(key, 60)}).kept
    assert len(kept) == 60
    assert kept.schema == schemas.CLAIMS.columns
