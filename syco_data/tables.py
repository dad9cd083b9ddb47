"""The one reader and the one writer of tables.

Rows are sorted by the schema's key, options are fixed, the file appears whole or not at all, and the digest
that is returned speaks of the content alone: the same rows give the same digest whatever the row groups, the
compression or the version of the writer.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.schemas import Schema

ROWS_PER_GROUP = 65_536
TASKS_AHEAD = 4  # of a writer: two chunks of rows in memory beside the one that is being made


class ContentDigest:
    """A running digest of a table's content: column by column, independent of how rows are chunked.

    Texts are hashed by SHA-256, for which processors have instructions: three times as fast as blake2b there.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list] = {}
        self.rows = 0

    def update(self, table: pa.Table) -> None:
        self.rows += len(table)
        for name, column in zip(table.column_names, table.columns, strict=True):
            for chunk in column.chunks or [pa.array([], column.type)]:
                self._add(name, chunk)

    def _add(self, name: str, chunk: pa.Array) -> None:
        """Validity, lengths and values of one chunk; nulls count as empty values."""
        fresh = [str(_plain(chunk.type)), sha256(), sha256(), sha256()]
        _, valid, lengths, values = self._columns.setdefault(name, fresh)
        valid.update(_values(chunk.is_valid()))
        if pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type):
            lengths.update(_values(pc.list_value_length(chunk)).astype("<i8"))
            self._add(f"{name}[]", chunk.flatten())
        elif pa.types.is_string(_plain(chunk.type)):
            lengths.update(_values(pc.binary_length(chunk)).astype("<i8"))
            dense = (chunk.drop_null() if chunk.null_count else chunk).cast(pa.large_string())
            offsets = np.frombuffer(dense.buffers()[1], dtype="<i8")[dense.offset :]
            if len(dense) and dense.buffers()[2] is not None:
                values.update(memoryview(dense.buffers()[2])[offsets[0] : offsets[len(dense)]])
        else:
            values.update(_values(chunk))

    def hexdigest(self) -> str:
        whole = blake2b(digest_size=16)
        for name, (kind, *hashes) in self._columns.items():
            whole.update(f"{name}\x1f{kind}\x1f".encode())
            for part in hashes:
                whole.update(part.digest())
        return whole.hexdigest()


def _values(array: pa.Array) -> np.ndarray:
    """The values of a fixed-width array, little-endian, zero where null, read off its buffer.

    pyarrow's own `to_numpy` and `fill_null` import pandas, which costs every stage a second.
    """
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    kind = np.dtype(array.type.to_pandas_dtype()).newbyteorder("<")
    values = np.zeros(len(array), dtype=kind)
    dense = array.drop_null() if array.null_count else array
    if len(dense):
        read = np.frombuffer(dense.buffers()[1], dtype=kind)[dense.offset : dense.offset + len(dense)]
        values[_values(array.is_valid()).astype(bool) if array.null_count else slice(None)] = read
    return values


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as the digest names it: 32-bit and 64-bit offsets hold the same content."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


class TableWriter:
    """Appends chunks that arrive in key order to one Parquet file; `digest` is whole after the last one.

    Chunks are digested by one thread and compressed by another while the caller makes the next ones.
    """

    def __init__(self, schema: Schema, target: Path) -> None:
        self.schema, self._target = schema, target
        self._temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        self._digest = ContentDigest()
        self._file: pq.ParquetWriter | None = None
        self._last: tuple[Any, ...] | None = None
        self._digester, self._compressor = ThreadPoolExecutor(max_workers=1), ThreadPoolExecutor(max_workers=1)
        self._running: deque[Future] = deque()

    def append(self, df: pl.DataFrame) -> None:
        self._check_order(df)
        table = conform(df, self.schema).to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._file is None:
            self._file = pq.ParquetWriter(self._temporary.absolute(), table.schema, **self._options())
        self._finish(leave=TASKS_AHEAD - 2)
        self._running.append(self._digester.submit(self._digest.update, table))
        self._running.append(self._compressor.submit(self._file.write_table, table, row_group_size=ROWS_PER_GROUP))

    def _options(self) -> dict:
        """Fixed writer options; values that hardly repeat get no dictionary, which would only cost time."""
        repeating = [name for name in self.schema.names if name not in self.schema.distinct]
        statistics = [*repeating, *(name for name in self.schema.key if name not in repeating)]
        return {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": repeating,
            "write_statistics": statistics,
        }

    def _finish(self, leave: int = 0) -> None:
        """Waits until at most so many tasks are open; a task that failed raises here."""
        while len(self._running) > leave:
            self._running.popleft().result()

    def _stop(self) -> None:
        for thread in (self._digester, self._compressor):
            thread.shutdown(cancel_futures=True)

    def _check_order(self, df: pl.DataFrame) -> None:
        if df.is_empty():
            return
        first, last = df.select(self.schema.key).row(0), df.select(self.schema.key).row(-1)
        if self._last is not None and first <= self._last:
            raise SycoError(f"table '{self.schema.name}': rows out of order or twice at {first}")
        self._last = last

    def close(self) -> None:
        if self._file is None:
            self.append(pl.DataFrame(schema=self.schema.columns))
        self._finish()
        self._stop()
        if self._file is not None:
            self._file.close()
        with self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
        self._temporary.replace(self._target)

    def discard(self) -> None:
        self._stop()
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses the footer too
                self._file.close()
        self._temporary.unlink(missing_ok=True)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def writer(schema: Schema, target: Path) -> Iterator[TableWriter]:
    """A `TableWriter` whose file appears under `target` only if the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    open_writer = TableWriter(schema, target)
    try:
        yield open_writer
        open_writer.close()
    except OSError as error:
        open_writer.discard()
        raise SycoError(f"table '{schema.name}': {target} could not be written: {error.strerror}") from error
    except BaseException:
        open_writer.discard()
        raise


def write(df: pl.DataFrame, schema: Schema, target: Path) -> str:
    """Writes a whole table, sorted by its key, and returns its content digest."""
    ordered = conform(df, schema).sort(schema.key)
    twice = ordered.select(pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in schema.key))
    if twice.to_series().any():
        where = ordered.filter(twice.to_series()).select(schema.key).row(0)
        raise SycoError(f"table '{schema.name}': key {where} occurs more than once")
    with writer(schema, target) as out:
        for part in ordered.iter_slices(ROWS_PER_GROUP):
            out.append(part)
    return out.digest


def conform(df: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The schema's columns in order; a missing column, another type or a null is an error that names it."""
    missing = [name for name in schema.names if name not in df.columns]
    if missing:
        raise SycoError(f"table '{schema.name}': column {missing[0]!r} is missing (found: {', '.join(df.columns)})")
    df = df.select(schema.names)
    for name, expected in schema.columns.items():
        if df.schema[name] != expected:
            raise SycoError(f"table '{schema.name}': column {name!r} is {df.schema[name]}, expected {expected}")
        if name not in schema.nullable and df[name].null_count():
            raise SycoError(f"table '{schema.name}': column {name!r} holds {df[name].null_count()} nulls")
    return df


def read(path: Path, schema: Schema, columns: list[str] | None = None) -> pl.DataFrame:
    """Reads a table, or some of its columns, and checks that it is the one the schema names."""
    with _readable(path, schema):
        df = pl.read_parquet(path.absolute(), columns=columns, glob=False)
    return df if columns is not None else conform(df, schema)


def scan(path: Path, schema: Schema) -> pl.LazyFrame:
    """A lazy view of a table whose columns have been checked by name."""
    lazy = scan_any(path, schema)
    missing = set(schema.names) - set(lazy.collect_schema().names())
    if missing:
        raise SycoError(f"table '{schema.name}': {path} has no column {sorted(missing)[0]!r}")
    return lazy.select(schema.names)


def scan_any(path: Path, schema: Schema) -> pl.LazyFrame:
    """A lazy view of a Parquet file, whatever its columns; one that is none is an error."""
    with _readable(path, schema):
        lazy = pl.scan_parquet(path.absolute(), glob=False)
        lazy.collect_schema()
    return lazy


@contextmanager
def _readable(path: Path, schema: Schema) -> Iterator[None]:
    """A file that is missing or no Parquet is one line that names the table and the way back."""
    try:
        with parquet.one_line(f"table '{schema.name}': {path}"):
            yield
    except FileNotFoundError as error:
        raise SycoError(f"table '{schema.name}': there is no {path}", "Build it: dvc repro") from error
    except SycoError as error:
        raise SycoError(error.what, "Build it again: dvc repro") from error


def digest(path: Path, limits: parquet.Limits = parquet.LIMITS) -> str:
    """The content digest of a Parquet file, read piece by piece; rows are taken in the file's order.

    Raises `SycoError` where it is damaged or unfolds to more than the limits.
    """
    running, name = ContentDigest(), f"table {path.parent.name}/{path.stem}"
    running.update(parquet.empty(path, name, limits))
    for batch in parquet.batches(path, name, limits=limits):
        running.update(pa.Table.from_batches([batch]))
    return running.hexdigest()
