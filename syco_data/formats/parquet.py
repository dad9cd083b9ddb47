"""Parquet files that somebody else wrote, read within limits: whatever they hold, an error in them is one line.

A file of a few kilobytes can stand for gigabytes: equal rows take next to nothing, and so does a long text that
every row repeats. So its footer is held against `Limits` before any data is read; texts that a file keeps once
stay so while they are read, are counted at the length that they unfold to, and are unfolded in pieces.
Files are read by pyarrow: polars ends with a panic, which no `except Exception` stops, where a footer is damaged.

    with parquet.opened(path, name) as file:          # footer only: schema, rows; nothing unfolds
    for batch in parquet.batches(path, name):         # data in bounded pieces, plain types, valid UTF-8
    df = parquet.frame(path, name, columns=["text"])  # the same as one polars frame
    with parquet.one_line(name):                      # any other reading by pyarrow or polars, and nothing else

`name` is what errors are reported of. All of them raise `SycoError`, and `FileNotFoundError` where there is no file.
"""

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from syco_data.errors import SycoError
from syco_data.formats import parquet_footer
from syco_data.formats.parquet_footer import Footer
from syco_data.formats.textfiles import POINTER


@dataclass(frozen=True)
class Limits:
    """What one file may hold: `rows`, and `size` bytes of values once they are unfolded in memory."""

    rows: int = 10_000_000
    size: int = 4 << 30


LIMITS = Limits()
_COLUMNS = 10_000  # and row groups
_DEEPEST = 32  # levels of lists and records
_BATCH = 65_536  # rows
_PIECE = 64 << 20  # bytes of unfolded values that are handed on at once
_SHORT = 1024  # bytes of a dictionary whose texts may be unfolded at once
_SMALLEST = 4  # bytes that a value takes in memory, however well it is packed in the file
_TEXTS = (pa.types.is_binary, pa.types.is_string, pa.types.is_large_binary, pa.types.is_large_string)
_ANEW = "Fetch or make it anew"
_MALFORMED = (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, TypeError, KeyError, OverflowError)


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Turns what pyarrow and polars raise of a damaged file, a panic of polars too, into one line that names it."""
    try:
        yield
    except (SycoError, FileNotFoundError):
        raise
    except (*_MALFORMED, MemoryError, pl.exceptions.PanicException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SycoError(f"{name} cannot be read: {reason:.200}", _ANEW) from error


@contextmanager
def opened(path: Path, name: str, limits: Limits = LIMITS, packed: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A Parquet file whose footer is within the limits; the leaf columns in `packed` come as dictionaries."""
    with one_line(name):
        _check(path, name, limits)
        file = pq.ParquetFile(
            path.absolute(),
            read_dictionary=list(packed),
            thrift_string_size_limit=parquet_footer.LARGEST,
            thrift_container_size_limit=_COLUMNS,
            schema_depth_limit=_DEEPEST,
            arrow_extensions_enabled=False,
        )
        with file:
            yield file


def batches(
    path: Path, name: str, columns: Sequence[str] | None = None, limits: Limits = LIMITS
) -> Iterator[pa.RecordBatch]:
    """The file's rows in order, in pieces of at most `_PIECE` bytes or one row, without metadata of the schema.

    Values are unfolded to plain types and texts are valid UTF-8. The limit of size counts over the whole file, so a
    caller that must not begin with a file that is over it goes through all pieces first.
    """
    with one_line(name):
        packed, rows = _plan(_check(path, name, limits), name, columns, limits)
    with opened(path, name, limits) as file:
        schema = _plain_schema(file.schema_arrow, columns)
    with opened(path, name, limits, packed) as file:
        size = 0
        for batch in file.iter_batches(batch_size=rows, columns=None if columns is None else list(columns)):
            size += _size(batch)
            if size > limits.size:
                raise _too_large(name, f"its values unfold to more than {limits.size:,} bytes")
            for piece in _pieces(batch, schema):
                piece.validate(full=True)
                yield piece


def check(path: Path, name: str, limits: Limits = LIMITS) -> None:
    """Raises `SycoError` for a file that unfolds to more than the limits, so that others may read it whole.

    Data are read only where the sizes of its pages and the texts of its dictionaries do not tell.
    """
    with one_line(name):
        columns = _check(path, name, limits).columns
    if sum(max(column.size, column.values * max(_SMALLEST, column.longest)) for column in columns) > limits.size:
        for _ in batches(path, name, limits=limits):
            pass


def empty(path: Path, name: str, limits: Limits = LIMITS) -> pa.Table:
    """No row of a file: its columns with their plain types."""
    with opened(path, name, limits) as file:
        return _plain_schema(file.schema_arrow, None).empty_table()


def read(path: Path, name: str, columns: Sequence[str] | None = None, limits: Limits = LIMITS) -> pa.Table:
    """The file's rows, or some of its columns, as `batches` gives them."""
    with opened(path, name, limits) as file:
        schema = _plain_schema(file.schema_arrow, columns)
    with one_line(name):
        return pa.Table.from_batches(list(batches(path, name, columns, limits)), schema)


def frame(path: Path, name: str, columns: Sequence[str] | None = None, limits: Limits = LIMITS) -> pl.DataFrame:
    """The file's rows, or some of its columns, as a polars frame."""
    with one_line(name):
        return cast(pl.DataFrame, pl.from_arrow(read(path, name, columns, limits)))


def _check(path: Path, name: str, limits: Limits) -> Footer:
    """The file's sizes, if they are within the limits."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise SycoError(f"{name} is not a regular file")
    try:
        footer = parquet_footer.read(path)
    except parquet_footer.Malformed as error:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise SycoError(f"{name} is a pointer of Git LFS, not the file itself", "git lfs pull") from error
        raise SycoError(f"{name} is not a whole Parquet file: {error}", _ANEW) from error
    if footer.rows > limits.rows:
        raise _too_large(name, f"it has {footer.rows:,} rows, at most {limits.rows:,} are read")
    size = sum(max(column.size, column.values * _SMALLEST) for column in footer.columns)
    if size > limits.size:
        raise _too_large(name, f"it unfolds to {size:,} bytes, at most {limits.size:,} are read")
    return footer


def _too_large(name: str, what: str) -> SycoError:
    return SycoError(f"{name} is not read: {what}", "Split it into smaller files, if it is what it should be")


def _plan(footer: Footer, name: str, columns: Sequence[str] | None, limits: Limits) -> tuple[list[str], int]:
    """Columns that are read as dictionaries, and how many rows may be read at a time.

    A column whose dictionary holds short texts alone is read faster as it is. What cannot be read as a dictionary
    (texts in lists and records, texts that are written as what they share with the one before) is read in as many
    rows as stay below a piece if each is as long as it can be.
    """
    packed, rows = set(), _BATCH
    for column in footer.columns:
        if column.longest <= _SHORT or (columns is not None and column.path[0] not in columns):
            continue
        if column.by_dictionary and len(column.path) == 1:
            packed.add(column.path[0])
        elif column.longest_row > limits.size:
            raise _too_large(name, f"one row of column {column.path[0]!r} may unfold to {column.longest_row:,} bytes")
        else:
            rows = min(rows, max(1, min(_PIECE, limits.size) // column.longest))
    return sorted(packed), rows


def _pieces(batch: pa.RecordBatch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batch in the schema's plain types, halved until a part is small enough."""
    if len(batch) > 1 and _size(batch) > _PIECE:
        for part in (batch.slice(0, len(batch) // 2), batch.slice(len(batch) // 2)):
            yield from _pieces(part, schema)
    else:
        columns = [batch.column(field.name) for field in schema]
        kinds = [field.type for field in schema]
        columns = [
            column if column.type == kind else column.cast(kind) for column, kind in zip(columns, kinds, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _size(values: pa.RecordBatch | pa.Array) -> int:
    """Bytes that values take once nothing is packed any more."""
    if isinstance(values, pa.RecordBatch):
        return sum(map(_size, values.columns))
    kind = values.type
    if pa.types.is_dictionary(kind):
        if any(is_text(kind.value_type) for is_text in _TEXTS):
            lengths = pc.binary_length(values.dictionary).take(values.indices)
            return (pc.sum(lengths.cast(pa.int64())).as_py() or 0) + 4 * len(values)
        return values.dictionary.nbytes + 16 * len(values)
    if pa.types.is_struct(kind):
        return sum(map(_size, values.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _size(values.flatten()) + 8 * len(values)
    return values.nbytes


def _plain_schema(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """The schema with dictionaries as what they hold, and without metadata: polars panics where it is not UTF-8."""
    for column in columns if columns is not None else schema.names:
        if schema.names.count(column) != 1:
            raise KeyError(f"column {column!r} is {'given twice' if column in schema.names else 'missing'}")
    fields = schema if columns is None else [schema.field(column) for column in columns]
    return pa.schema([pa.field(field.name, plain(field.type)) for field in fields])


def plain(kind: pa.DataType) -> pa.DataType:
    """The type with dictionaries as what they hold."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain(field.type)) for field in kind])
    if pa.types.is_large_list(kind):
        return pa.large_list(plain(kind.value_type))
    if pa.types.is_list(kind):
        return pa.list_(plain(kind.value_type))
    return kind
