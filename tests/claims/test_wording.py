"""Cleaning of texts: a whole column at once gives what each text gives alone."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data.claims import wording

ODD = '\t\n\r\x00\x7f\x85 "\u201c\u00ad\u200b\u202e\ufeff\ue000\u2028ée\u0301!#~x'


def alone(text: str | None) -> str:
    return pl.select(wording.clean(pl.lit(text, dtype=pl.String))).item()


@given(st.lists(st.none() | st.text() | st.text(ODD, max_size=6), max_size=12))
def test_a_column_is_cleaned_like_its_texts(texts):
    column = pl.Series("text", texts, dtype=pl.String)
    result = wording.cleaned(column)
    assert result.name == "text"
    assert result.to_list() == [alone(text) for text in texts]


@given(st.text() | st.text(ODD))
def test_what_needs_no_cleaning_is_left_as_it_is(text):
    """The pattern that lets a text pass is on the safe side: whatever it lets pass, cleaning does not change."""
    if not pl.Series([text]).str.contains(wording.UNCLEAN).item():
        assert alone(text) == text


@pytest.mark.parametrize("text", [" a", "a ", "a  b", 'a"b', "a\tb", "a\n", "caf\u00e9", "\x7f", ""])
def test_the_pattern_tells_what_may_need_cleaning(text):
    assert pl.Series([text]).str.contains(wording.UNCLEAN).item() == (text != "")
