"""Tests of `syco_data.words`."""

import pytest

from syco_data.words import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 problems"), (1, "1 problem"), (2, "2 problems"), (1200, "1,200 problems")]
)
def test_one_thing_is_singular(number, words):
    assert counted(number, "problem") == words


def test_an_irregular_plural_is_given():
    assert [counted(number, "entry", "entries") for number in (1, 3)] == ["1 entry", "3 entries"]
