import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import tables
from syco_data.errors import SycoError
from syco_data.schemas import FLAG, INT, REAL, TEXT, Schema

SCHEMA = Schema(
    "sample",
    {"id": TEXT, "n": INT, "x": REAL, "ok": FLAG, "list": pl.List(pl.String())},
    ("id",),
    frozenset({"n", "x", "ok"}),
)
ROW = st.tuples(
    st.none() | st.integers(-(2**40), 2**40),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
)


def frame(rows):
    data = [(f"{index:04d}", *row) for index, row in enumerate(rows)]
    return pl.DataFrame(data, schema=SCHEMA.columns, orient="row")


@given(st.lists(ROW, max_size=30), st.integers(1, 7))
def test_the_digest_speaks_of_content_alone(tmp_path_factory, rows, chunk):
    folder, df = tmp_path_factory.mktemp("t"), frame(rows)
    written = tables.write(df.sample(fraction=1.0, shuffle=True, seed=1), SCHEMA, folder / "a.parquet")
    with tables.writer(SCHEMA, folder / "b.parquet") as out:
        for part in df.iter_slices(chunk):
            out.append(part)
    pq.write_table(df.to_arrow(), folder / "c.parquet", compression="snappy", row_group_size=chunk)
    assert {written, out.digest, *(tables.digest(folder / f"{name}.parquet") for name in "abc")} == {written}
    assert tables.read(folder / "a.parquet", SCHEMA).equals(df)


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_any_changed_value_changes_the_digest(tmp_path_factory, rows, data):
    folder, df = tmp_path_factory.mktemp("t"), frame(rows)
    index = data.draw(st.integers(0, len(rows) - 1))
    changed = list(rows)
    changed[index] = data.draw(ROW.filter(lambda row: frame([row]).rows() != frame([rows[index]]).rows()))
    assert tables.write(df, SCHEMA, folder / "a.parquet") != tables.write(frame(changed), SCHEMA, folder / "b.parquet")


def test_moving_text_between_neighbours_changes_the_digest(tmp_path):
    pair = Schema("pair", {"id": TEXT, "text": TEXT}, ("id",), frozenset({"text"}))
    texts = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]]
    digests = {tables.write(pl.DataFrame({"id": ["1", "2"], "text": t}), pair, tmp_path / "t.parquet") for t in texts}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("df", "message"),
    [
        (frame([(1, 1.0, True, [])]).drop("n"), "column 'n' is missing"),
        (frame([(1, 1.0, True, [])]).with_columns(pl.col("n").cast(pl.Int32)), "column 'n' is Int32, expected Int64"),
        (frame([(1, 1.0, True, [])]).with_columns(list=pl.lit(None, pl.List(pl.String))), "'list' holds 1 nulls"),
        (pl.concat([frame([(1, 1.0, True, [])])] * 2), "occurs more than once"),
    ],
)
def test_what_breaks_the_schema_is_never_written(tmp_path, df, message):
    with pytest.raises(SycoError, match=message):
        tables.write(df, SCHEMA, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_keeps_its_columns(tmp_path):
    tables.write(frame([]), SCHEMA, tmp_path / "t.parquet")
    assert tables.read(tmp_path / "t.parquet", SCHEMA).schema == SCHEMA.columns


def test_a_missing_or_truncated_file_is_one_line(tmp_path):
    with pytest.raises(SycoError, match="there is no .*Build it: dvc repro"):
        tables.read(tmp_path / "t.parquet", SCHEMA)
    tables.write(frame([(1, 1.0, True, ["a"])] * 50), SCHEMA, tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SycoError, match="cannot be read.*dvc repro") as refused:
        tables.read(tmp_path / "t.parquet", SCHEMA)
    assert "\n" not in str(refused.value)


ENDLESS = """
import sys
from pathlib import Path
import polars as pl
from syco_data import schemas, tables
with tables.writer(schemas.NOT_SAMPLED, Path(sys.argv[1])) as out:
    for i in range(100_000):
        ids = [f"{i:08d}{j:08d}" for j in range(1000)]
        out.append(pl.DataFrame({"claim_id": ids, "source": ids, "reason": ids}))
        print(i, flush=True)
"""
ROOT = Path(__file__).resolve().parents[1]


def start(target, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(target)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **options,
    )  # fmt: skip


def test_a_killed_writer_leaves_the_earlier_file_whole(tmp_path):
    target = tmp_path / "t.parquet"
    target.write_bytes(b"the earlier file")
    process = start(target)
    while process.stdout.readline().strip() != "20":
        time.sleep(0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert target.read_bytes() == b"the earlier file"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # noqa: E731
    process = start(tmp_path / "t.parquet", preexec_fn=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "SycoError: table 'prompts/dropped'" in errors and "could not be written" in errors
    assert list(tmp_path.iterdir()) == []


def test_offsets_of_32_and_64_bits_hold_the_same_content():
    digests = set()
    for kind in (pa.string(), pa.large_string()):
        running = tables.ContentDigest()
        running.update(pa.table({"a": pa.array(["x", None, "yz"], kind)}))
        digests.add(running.hexdigest())
    assert len(digests) == 1
