import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import draws

IDS = [f"{index:032x}" for index in range(40_000)]


def test_values_are_the_ones_of_the_first_release():
    """Pinned: a change here would change every published data set."""
    drawn = draws.draw(["a", "b"], seed=0, purpose="claims")
    assert drawn.lanes[:, :2].tolist() == [[4099927980, 2398946655], [4254841204, 3572548670]]
    assert draws.content_id("sst2", '"x"') == "928188b8eab96b4a2dfac962afeec988"


@given(st.lists(st.text(min_size=1), min_size=2, unique=True), st.integers(0, 2**31))
def test_a_draw_depends_on_its_id_alone(ids, seed):
    together = draws.draw(ids, seed, "p").lanes
    backwards = draws.draw(ids[::-1], seed, "p").lanes[::-1]
    alone = draws.draw(ids[:1], seed, "p").lanes
    assert (together == backwards).all() and (together[:1] == alone).all()


def test_seed_and_purpose_make_other_draws():
    base = draws.draw(IDS[:100], 0, "claims").lanes
    assert (base != draws.draw(IDS[:100], 1, "claims").lanes).all(axis=1).all()
    assert (base != draws.draw(IDS[:100], 0, "prompts").lanes).all(axis=1).all()


@pytest.mark.parametrize("limit", [2, 3, 10, 61, 10_000])
def test_integers_are_uniform(limit):
    values = draws.draw(IDS, 0, "uniform").below(3, limit)
    assert values.min() >= 0 and values.max() < limit
    buckets = np.bincount(values * min(limit, 10) // limit)
    expected = len(IDS) / len(buckets)
    # Chi-square with at most 9 degrees of freedom: 33.7 is passed once in 10,000 times.
    if limit % len(buckets) == 0 or limit > 1_000:
        assert ((buckets - expected) ** 2 / expected).sum() < 33.7


def test_lanes_are_independent():
    lanes = draws.draw(IDS, 0, "independent")
    bits = np.stack([lanes.below(lane, 2) for lane in range(draws.LANES)])
    correlation = np.corrcoef(bits) - np.eye(draws.LANES)
    assert np.abs(correlation).max() < 5 / len(IDS) ** 0.5
    assert lanes.fraction(0).min() >= 0 and lanes.fraction(0).max() < 1


def test_parts_of_an_id_do_not_run_together():
    assert draws.content_id("ab", "c") != draws.content_id("a", "bc")
    assert draws.content_ids(["ab\x1fc"]) == [draws.content_id("ab", "c")]
