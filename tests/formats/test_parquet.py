"""Parquet files of others: sound ones as they are, damaged ones and ones that unfold without end as one line."""

import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.formats.parquet import Limits

SMALL = Limits(rows=1000, size=10_000_000)


def written(folder: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, folder / "t.parquet", **options)
    return folder / "t.parquet"


def repeated(text: str, times: int) -> pa.Array:
    """One text in many rows, without that many copies of it in memory."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([text]))


@pytest.fixture
def peak() -> object:
    """Bytes that Arrow held at most since the test began."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(pool)
    yield pool.max_memory
    pa.set_memory_pool(before)


@pytest.mark.parametrize(
    "options", [{}, {"data_page_version": "2.0", "compression": "zstd"}, {"use_dictionary": False}]
)
def test_a_sound_file_gives_its_own_rows(tmp_path, options):
    long = "é" * 5000
    rows = {
        "text": ["a", None, "", long, long],
        "list": [[], None, ["p", None], [long], ["q"]],
        "record": [{"a": "x", "b": 1.5}] * 5,
        "kind": pa.array(["u", "v", None, "u", "u"]).dictionary_encode(),
    }
    path = written(tmp_path, pa.table(rows), row_group_size=2, **options)
    df = parquet.frame(path, "t")
    assert df.to_dict(as_series=False) == {**rows, "kind": ["u", "v", None, "u", "u"]}
    assert parquet.frame(path, "t", ["record", "text"]).columns == ["record", "text"]
    assert sum(map(len, parquet.batches(path, "t"))) == 5


@pytest.mark.parametrize("rows", [{"a": pa.array([], pa.string())}, {"a": [], "b": []}])
def test_a_file_without_rows_is_sound(tmp_path, rows):
    assert parquet.frame(written(tmp_path, pa.table(rows)), "t").is_empty()


def test_what_polars_writes_is_sound(tmp_path):
    df = pl.DataFrame({"text": ["a", "b" * 3000, None], "number": [1, 2, 3]})
    df.write_parquet(tmp_path / "t.parquet")
    assert parquet.frame(tmp_path / "t.parquet", "t").equals(df)


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (repeated("x" * 100_000, 900), {}),
        (pa.ListArray.from_arrays(pa.array([0, 0, 900], pa.int32()), repeated("x" * 100_000, 900)), {}),
        (
            repeated("x" * 100_000, 900).cast(pa.string()),
            {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}},
        ),
        (pa.array(["x" * 12_000_000]), {"use_dictionary": False}),
        (pa.array([[0] * 3_000_000]), {}),
    ],
    ids=["one text in all rows", "in a list", "written as what is shared", "one text", "one list"],
)
def test_a_small_file_that_unfolds_beyond_the_limit_is_one_line(tmp_path, peak, column, options):
    path = written(tmp_path, pa.table({"a": column}), compression="zstd", store_schema=False, **options)
    assert path.stat().st_size < 10_000
    del column
    before = peak()
    with pytest.raises(SycoError, match=r"t\.parquet is not read: .*unfold.* bytes"):
        parquet.frame(path, "t.parquet", limits=SMALL)
    assert peak() < max(before, 60_000_000)  # of the 90 MB that some of them stand for


def test_equal_rows_beyond_the_limit_are_one_line_before_they_are_read(tmp_path, peak):
    path = written(tmp_path, pa.table({"label": pa.array([1] * 1001), "text": ["x"] * 1001}))
    with pytest.raises(SycoError, match="it has 1,001 rows, at most 1,000 are read"), parquet.opened(path, "t", SMALL):
        pass
    assert parquet.frame(path, "t", limits=Limits(1001, SMALL.size)).height == 1001


def test_a_page_counts_as_what_it_holds_not_as_the_footer_states(tmp_path):
    """A footer may lie: here the size in it is made smaller, bytes of the same number of digits."""
    path = written(tmp_path, pa.table({"a": pa.array(["x" * 12_000_000])}), use_dictionary=False, compression="zstd")
    size = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    content, stated, smaller = path.read_bytes(), _varint(2 * size), _varint(2 * (size - 9_000_000))
    assert len(stated) == len(smaller)
    start = content.rindex(b"PAR1") - int.from_bytes(content[-8:-4], "little") - 4
    path.write_bytes(content[:start] + content[start:].replace(stated, smaller))
    with pytest.raises(SycoError, match="at most 10,000,000 are read"):
        parquet.frame(path, "t", limits=SMALL)


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def test_flipped_bits_of_a_footer_are_one_line_or_sound(tmp_path):
    """polars panics at some of these, and pyarrow's own view of the footer ends the process."""
    features = '{"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}'
    table = pa.table({"text": ["ja", "né", None], "label": [0, 1, 1]}).replace_schema_metadata(
        {"huggingface": features}
    )
    content = written(tmp_path, table, store_schema=False).read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    lines = 0
    for place in range(start, len(content)):
        for bit in range(place % 2, 8, 2):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            (tmp_path / "f.parquet").write_bytes(flipped)
            try:
                parquet.frame(tmp_path / "f.parquet", "f.parquet").to_dicts()
            except SycoError as error:
                lines += 1
                assert str(error).startswith("f.parquet ")
    assert lines > 500


def test_what_is_not_a_parquet_file_is_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    for content in (b"", b"PAR1", b"PAR1\xff\xff\xff\xffPAR1"):
        path.write_bytes(content)
        with pytest.raises(SycoError, match="^t is not a whole Parquet file"):
            parquet.frame(path, "t")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with pytest.raises(SycoError, match="^t is a pointer of Git LFS.*git lfs pull"):
        parquet.frame(path, "t")
    with pytest.raises(SycoError, match="^t is not a regular file"):
        parquet.frame(tmp_path, "t")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SycoError, match="^t is not a regular file"):
        parquet.frame(tmp_path / "pipe", "t")
    with pytest.raises(FileNotFoundError):
        parquet.frame(tmp_path / "none", "t")


def test_text_that_is_not_utf8_and_columns_that_are_not_there_are_one_line(tmp_path):
    wrong = pa.array([b"\xff"]).view(pa.string())
    with pytest.raises(SycoError, match="^t cannot be read: .*UTF"):
        parquet.frame(written(tmp_path, pa.table({"a": wrong})), "t")
    path = written(tmp_path, pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
    for columns in (None, ["a"], ["b"]):
        with pytest.raises(SycoError, match="^t cannot be read: .*column '[ab]' is"):
            parquet.frame(path, "t", columns)


def test_metadata_that_is_not_utf8_does_not_matter(tmp_path):
    table = pa.table({"a": ["x"]}).replace_schema_metadata({b"huggingface": b"\xff\xfe"})
    assert parquet.frame(written(tmp_path, table), "t")["a"].to_list() == ["x"]


def test_a_panic_is_one_line():
    with pytest.raises(SycoError, match="^t cannot be read: at the disco"), parquet.one_line("t"):
        raise pl.exceptions.PanicException("at the\ndisco")
