"""Texts are published where the settings allow it, and nowhere else."""

import polars as pl
import pytest

from syco_data.errors import SycoError
from syco_data.release import licences
from tests.support.tables_for_tests import KEYS, shared_build, small_settings


def grants(**changes: dict) -> licences.Grants:
    return licences.grants(small_settings(**changes), shared_build().build.provenance)


def sources(**licence: str) -> dict:
    return {key: {"revision": "main", "licence": licence.get(key, "allow")} for key in KEYS}


def test_everything_is_published_by_default():
    result = grants()
    assert (result.withheld, result.extent) == ([], "full")


def test_a_source_without_text_makes_a_partial_release():
    result = grants(sources=sources(qqp="no_text"))
    assert (result.withheld, result.extent) == (["qqp"], "partial")


def test_no_text_at_all():
    result = grants(release={"text": "none"})
    assert (result.withheld, result.extent) == (list(KEYS), "none")


def test_an_excluded_source_has_no_place_in_the_release():
    assert "snli" not in grants(sources=sources(snli="exclude")).by_source


def test_a_source_without_a_record_is_named():
    records = dict(shared_build().build.provenance)
    del records["trec"]
    with pytest.raises(SycoError, match="trec.*dvc repro acquire@trec"):
        licences.grants(small_settings(), records)


def test_withholding_touches_the_texts_of_the_sources_named_only():
    rows = pl.DataFrame({"source": ["a", "b", None], "prompt": ["x", "y", "z"], "age": [1, 2, 3]})
    shown = licences.withhold(rows, ("prompt",), ["a"])
    assert shown.rows() == [("a", None, 1), ("b", "y", 2), (None, "z", 3)]
    assert licences.withhold(rows, (), ["a"]).equals(rows)
