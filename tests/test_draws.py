import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import draws
from syco_data.errors import SycoError

IDS = [f"{index:032x}" for index in range(40_000)]
# Consecutive numbers are the worst ids there can be; content ids look random.
SERIES = pl.Series(IDS)
# A cell of so many standard deviations is met once in some two million.
FAR = 5


def by_id(seed, purpose, ids=SERIES):
    return draws.draw_by_id(ids, seed, purpose)


def test_values_are_the_ones_of_the_first_release():
    """Pinned: a change here would change every published data set."""
    drawn = draws.draw(["a", "b"], seed=0, purpose="claims")
    assert drawn.streams[:, :2].tolist() == [[4099927980, 2398946655], [4254841204, 3572548670]]
    assert draws.content_id("sst2", '"x"') == "a38d471194999a9599f7bdfa71f8b95d"


@given(st.lists(st.text(min_size=1), min_size=2, unique=True), st.integers(0, 2**31))
def test_a_draw_depends_on_its_id_alone(ids, seed):
    together = draws.draw(ids, seed, "p").streams
    backwards = draws.draw(ids[::-1], seed, "p").streams[::-1]
    alone = draws.draw(ids[:1], seed, "p").streams
    assert (together == backwards).all() and (together[:1] == alone).all()


def test_seed_and_purpose_make_other_draws():
    base = draws.draw(IDS[:100], 0, "claims").streams
    assert (base != draws.draw(IDS[:100], 1, "claims").streams).all(axis=1).all()
    assert (base != draws.draw(IDS[:100], 0, "prompts").streams).all(axis=1).all()


@pytest.mark.parametrize("limit", [2, 3, 10, 61, 10_000])
def test_integers_are_uniform(limit):
    values = draws.draw(IDS, 0, "uniform").below(3, limit)
    assert values.min() >= 0 and values.max() < limit
    buckets = np.bincount(values * min(limit, 10) // limit)
    expected = len(IDS) / len(buckets)
    # Chi-square with at most 9 degrees of freedom: 33.7 is passed once in 10,000 times.
    if limit % len(buckets) == 0 or limit > 1_000:
        assert ((buckets - expected) ** 2 / expected).sum() < 33.7


def test_streams_are_independent():
    streams = draws.draw(IDS, 0, "independent")
    bits = np.stack([streams.below(stream, 2) for stream in range(draws.STREAMS)])
    correlation = np.corrcoef(bits) - np.eye(draws.STREAMS)
    assert np.abs(correlation).max() < 5 / len(IDS) ** 0.5
    assert streams.fraction(0).min() >= 0 and streams.fraction(0).max() < 1


def test_the_mixer_is_splitmix64():
    """The published generator's first numbers, for the seeds 0 and 1234567."""
    expected = {
        0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F],
        1234567: [6457827717110365317, 3203168211198807973, 9817491932198370423],
    }
    for seed, numbers in expected.items():
        states = [(seed + (step + 1) * 0x9E3779B97F4A7C15) % 2**64 for step in range(3)]
        assert draws.mix(np.array(states, dtype=np.uint64)).tolist() == numbers


def test_values_by_id_are_pinned():
    """A change here would change every claim and prompt."""
    streams = by_id(0, "claims", pl.Series([draws.content_id("a"), draws.content_id("b")])).streams
    assert streams[:, [0, 1, 15]].tolist() == [[3872309146, 2736694385, 3908686119], [204502140, 3938286207, 145099004]]


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, unique=True), st.integers(0, 2**31))
def test_a_draw_by_id_depends_on_its_id_alone(ids, seed):
    ids = pl.Series([one.hex() for one in ids])
    together = by_id(seed, "p", ids).streams
    assert (together == by_id(seed, "p", ids.reverse()).streams[::-1]).all()
    assert (together[:1] == by_id(seed, "p", ids[:1]).streams).all()


def test_blocks_of_ids_join_without_a_seam():
    whole = by_id(0, "p").streams
    cut = [by_id(0, "p", part.to_series()).streams for part in SERIES.to_frame().iter_slices(1_017)]
    assert whole.shape == (len(IDS), draws.STREAMS) and (whole == np.vstack(cut)).all()
    assert by_id(0, "p", SERIES[:0]).streams.shape == (0, draws.STREAMS)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_fewer_streams_are_the_first_of_all(count):
    fewer = draws.draw_by_id(SERIES, 0, "p", count).streams
    assert fewer.shape == (len(IDS), count) and (fewer == by_id(0, "p").streams[:, :count]).all()


@pytest.mark.parametrize("stream", range(draws.STREAMS))
def test_streams_by_id_are_uniform(stream):
    drawn = by_id(3, "uniform")
    for cells in (2, 3, 10, 61):
        counts = np.bincount(drawn.below(stream, cells), minlength=cells)
        squares = ((counts - len(IDS) / cells) ** 2 / (len(IDS) / cells)).sum()
        assert abs(squares - (cells - 1)) < 6 * (2 * (cells - 1)) ** 0.5
    low_bits = np.unpackbits(drawn.streams[:, stream].astype("<u4").view(np.uint8)).reshape(-1, 32)
    assert np.abs(low_bits.mean(axis=0) - 0.5).max() < FAR * 0.5 / len(IDS) ** 0.5


def test_streams_purposes_seeds_and_neighbours_are_independent_by_id():
    """Correlations between all streams of two purposes and two seeds, and with the draws of the next id."""
    tables = [by_id(seed, purpose) for seed in (0, 1) for purpose in ("claims", "prompts")]
    columns = [table.fraction(stream) for table in tables for stream in range(draws.STREAMS)]
    columns += [np.roll(column, 1) for column in columns[: draws.STREAMS]]
    correlation = np.corrcoef(np.stack(columns)) - np.eye(len(columns))
    assert np.abs(correlation).max() < FAR / len(IDS) ** 0.5
    pairs = by_id(0, "claims").below(0, 8) * 8 + by_id(0, "prompts").below(0, 8)
    counts = np.bincount(pairs, minlength=64)
    assert np.abs(counts - len(IDS) / 64).max() < FAR * (len(IDS) / 64) ** 0.5


def test_one_changed_bit_of_an_id_changes_half_of_the_bits_drawn():
    base = [draws.content_id(str(index)) for index in range(500)]
    before = by_id(0, "claims", pl.Series(base)).streams
    for bit in (0, 17, 63, 64, 90, 127):
        changed = by_id(0, "claims", pl.Series([f"{int(one, 16) ^ (1 << bit):032x}" for one in base])).streams
        share = np.bitwise_count(before ^ changed).mean() / 32
        assert abs(share - 0.5) < FAR * 0.5 / (8 * before.nbytes) ** 0.5


@pytest.mark.parametrize("wrong", ["abc", "", "g" * 32, " " * 32, "0" * 33])
def test_an_id_that_is_none_is_refused(wrong):
    with pytest.raises(SycoError, match="an id is not 32 hex digits"):
        by_id(0, "p", pl.Series([IDS[0], wrong]))


def test_parts_of_an_id_do_not_run_together():
    assert draws.content_id("ab", "c") != draws.content_id("a", "bc")


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_ids_of_columns_are_those_of_single_texts(rows):
    table = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    assert table.select(draws.content_ids("a", "b")).to_series().to_list() == [draws.content_id(*row) for row in rows]


def test_a_missing_part_gives_no_id():
    table = pl.DataFrame({"a": ["x", None]}, schema={"a": pl.String})
    assert table.select(draws.content_ids("a")).to_series().to_list() == [draws.content_id("x"), None]
