"""The order of training: addressed, in proportion, and the same whatever order rows come in."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data.errors import SycoError
from syco_data.finetune import mixing
from syco_data.settings import Parts

PARTS = st.builds(
    lambda pair: Parts(generated=pair[0], instruction=pair[1]),
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(any),
)


def ids(prefix: str, count: int) -> pl.Series:
    return pl.Series([f"{prefix}{number}" for number in range(count)], dtype=pl.String)


def order(generated: pl.Series, instruction: pl.Series, generated_parts=5, instruction_parts=1, size=48, seed=0):
    parts = Parts(generated=generated_parts, instruction=instruction_parts)
    return mixing.order(generated, instruction, parts, size, seed)


@given(PARTS, st.integers(0, 300))
def test_every_stretch_holds_the_parts_in_proportion(parts, size):
    turns = mixing.turns(parts, size)
    share = parts.instruction / (parts.generated + parts.instruction)
    so_far = np.cumsum(turns)
    assert len(turns) == size
    assert (np.abs(so_far - share * np.arange(1, size + 1)) < 1).all()


def test_the_default_batch_is_forty_and_eight():
    parts = order(ids("g", 500), ids("i", 500), size=96)["part"]
    for batch in (parts[:48], parts[48:]):
        assert Counter(batch) == {"generated": 40, "instruction": 8}


def test_the_order_of_the_rows_given_changes_nothing():
    plain = order(ids("g", 50), ids("i", 20))
    assert plain.equals(order(ids("g", 50).reverse(), ids("i", 20).shuffle(seed=7)))
    assert not plain.equals(order(ids("g", 50), ids("i", 20), seed=1))


def test_a_longer_run_goes_on_where_a_shorter_one_ends():
    assert order(ids("g", 50), ids("i", 20), size=30).equals(order(ids("g", 50), ids("i", 20), size=90).head(30))


def test_a_row_that_is_added_moves_no_other_past_its_neighbours():
    few = order(ids("g", 50), ids("i", 20), instruction_parts=0, size=50)["row_id"].to_list()
    more = order(ids("g", 51), ids("i", 20), instruction_parts=0, size=51)["row_id"].to_list()
    assert [row for row in more if row != "g50"] == few


def test_each_pass_takes_every_row_once_in_an_order_of_its_own():
    rows = order(ids("g", 20), ids("i", 5), instruction_parts=0, size=60)["row_id"].to_list()
    passes = [rows[:20], rows[20:40], rows[40:]]
    assert all(sorted(one) == sorted(ids("g", 20)) for one in passes)
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_a_part_of_zero_needs_no_rows():
    rows = order(ids("g", 3), ids("i", 0), instruction_parts=0, size=7)
    assert rows["part"].unique().to_list() == ["generated"]


def test_a_wanted_part_without_rows_is_refused_by_name():
    with pytest.raises(SycoError, match=r"no instruction rows.*finetune\.parts\.instruction to 0"):
        order(ids("g", 3), ids("i", 0))
