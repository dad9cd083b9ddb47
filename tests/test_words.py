"""Tests of `syco_data.words`."""

import pytest

from syco_data.words import counted, listed


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 problems"), (1, "1 problem"), (2, "2 problems"), (1200, "1,200 problems")]
)
def test_one_thing_is_singular(number, words):
    assert counted(number, "problem") == words


def test_an_irregular_plural_is_given():
    assert [counted(number, "entry", "entries") for number in (1, 3)] == ["1 entry", "3 entries"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], "none"),
        (["one"], "one"),
        (["one", "two", "three"], "one, two and 1 more"),
        (["longer than there is room"] * 1_001, "longer than there is room and 1,000 more"),
    ],
)
def test_a_list_of_names_has_room(names, shown):
    assert listed(names, characters=12) == shown


def test_a_list_of_names_ends_after_the_most():
    assert listed("abcd", most=2) == "a, b and 2 more"
