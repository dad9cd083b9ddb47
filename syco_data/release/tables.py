"""Tables as the Hub shows them: one writer, deterministic to the byte for one version of pyarrow.

Content-defined chunking lets the Hub store only what changed between two versions. The `huggingface` schema
metadata gives `datasets` the types of a file that is read without its card.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from syco_data import tables
from syco_data.draws import content_ids
from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.release import licences
from syco_data.release.manifest import File, TableRecord
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_DROPPED, RELEASED_PROBES, RELEASED_TRAIN
from syco_data.schemas import CLASSES, FLAG, INT, REAL, TEXT, VERDICTS, Schema
from syco_data.words import counted

SCHEMAS = {
    schema.name: schema for schema in (RELEASED_TRAIN, RELEASED_CANDIDATES, VERDICTS, RELEASED_PROBES, RELEASED_DROPPED)
}
TEXTS = {
    RELEASED_CANDIDATES.name: ("claim", "prompt", "stripped_prompt"),
    RELEASED_TRAIN.name: ("prompt",),
    RELEASED_PROBES.name: ("input", "claim", "prompt"),
}
"""The columns of each table that hold words of a source; a `text_id` speaks of them in this order."""
TEXT_ID_DIGITS = 16
"""Of a `text_id`, for each text of the row."""

_OPTIONS = {
    "compression": "zstd",
    "compression_level": 3,
    "use_content_defined_chunking": True,
    "write_page_index": True,
    "store_schema": False,
}
_FEW_ROWS = 1_000_000
_LARGEST_ROW = 16 << 10  # bytes, as a mean over a table
_MOST_PACKED = 300  # bytes that one of the file may unfold to: ids take some 50 a row, and a template repeats
_LITTLE = 256 << 20  # bytes that any table may unfold to
_DTYPES: dict[Any, str] = {TEXT: "string", INT: "int64", FLAG: "bool", REAL: "float64"}
_ARROW: dict[Any, pa.DataType] = {TEXT: pa.string(), INT: pa.int64(), FLAG: pa.bool_(), REAL: pa.float64()}


@dataclass(frozen=True)
class Place:
    """Where a table stands in a release."""

    config: str
    split: str

    @property
    def path(self) -> str:
        return f"{self.config}/{self.split}.parquet"


@dataclass(frozen=True)
class Header:
    """What the end of a Parquet file says of it: columns with their polars types, and rows."""

    columns: dict[str, str]
    rows: int

    def errors(self, table: TableRecord) -> Iterator[str]:
        """In what the file is not the table of the manifest."""
        if self.columns != table.columns:
            yield "columns differ from those that the manifest names"
        if self.rows != table.rows:
            yield f"{counted(self.rows, 'row')}, the manifest says {table.rows:,}"
        schema = SCHEMAS.get(table.schema_name)
        kinds = {name: str(kind) for name, kind in schema.columns.items()} if schema else {}
        for name in self.columns.keys() & kinds.keys():
            if self.columns[name] != kinds[name]:
                yield f"column {name!r} is {self.columns[name]}, expected {kinds[name]}"


def limits(file: File) -> parquet.Limits:
    """What a table of a release may unfold to, by its bytes and rows in the manifest.

    Every row has ids of 16 random bytes, so it takes 8 bytes at least. Stage release holds its own tables to this too.
    """
    size = min(_MOST_PACKED * file.bytes, file.as_table.rows * _LARGEST_ROW)
    return parquet.Limits(rows=max(_FEW_ROWS, file.bytes // 8), size=max(_LITTLE, size))


def name_of(file: File) -> str:
    """How errors call a table."""
    return f"table {file.as_table.config}/{file.as_table.split}"


def header(path: Path, file: File) -> Header:
    """Raises `SycoError` where the file is not a Parquet table, or is one that unfolds to more than a table can."""
    try:
        with parquet.one_line(name_of(file)):
            with parquet.opened(path, name_of(file), limits(file)) as opened:
                rows = opened.metadata.num_rows
            columns = pl.DataFrame(parquet.empty(path, name_of(file), limits(file))).schema
            return Header({name: str(kind) for name, kind in columns.items()}, rows)
    except SycoError as error:
        raise SycoError(error.what, "Get the release again") from error


def scan(path: Path) -> pl.LazyFrame:
    """A lazy view of a table that was checked. Nothing is skipped by its statistics, which anyone may have written."""
    return pl.scan_parquet(path.absolute(), glob=False, use_statistics=False)


def classes(schema: Schema, name: str) -> tuple[str, ...] | None:
    """The closed vocabulary of a column, if it has one; each family of probes has opinions and orders of its own."""
    if "probe_id" in schema.columns and name in ("opinion", "option_order"):
        return None
    return CLASSES.get(name)


def dtype(kind: pl.DataType) -> str:
    """The name that `datasets` has for a column's type; a list by the type of its items."""
    return _DTYPES[kind.inner if isinstance(kind, pl.List) else kind]


def arrow_schema(schema: Schema) -> pa.Schema:
    """Arrow types with 32-bit offsets, which every reader of Parquet knows, and the `huggingface` metadata."""
    fields, features = [], {}
    for name, kind in schema.columns.items():
        value = {"dtype": dtype(kind), "_type": "Value"}
        is_list = isinstance(kind, pl.List)
        fields.append(pa.field(name, pa.list_(_ARROW[kind.inner]) if is_list else _ARROW[kind]))
        features[name] = {"feature": value, "_type": "List"} if is_list else value
    metadata = json.dumps({"info": {"features": features}}, separators=(",", ":"))
    return pa.schema(fields, metadata={"huggingface": metadata})


def with_text_id(df: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Adds `text_id`: the first 64 bits of the SHA-256 of each of a row's texts in turn; a null counts as empty.

    Two rows tell by it which of their texts differ, without the texts, and where these are withheld.
    """
    texts = (pl.col(name).fill_null("") for name in TEXTS[schema.name])
    return df.with_columns(text_id=pl.concat_str(content_ids(text).str.head(TEXT_ID_DIGITS) for text in texts))


def text_of_id(text_id: pl.Expr, schema_name: str, name: str) -> pl.Expr:
    """The part of `text_id` that stands for one text column."""
    return text_id.str.slice(TEXTS[schema_name].index(name) * TEXT_ID_DIGITS, TEXT_ID_DIGITS)


def write_table(
    chunks: Iterable[pl.DataFrame], schema: Schema, place: Place, folder: Path, withheld: list[str]
) -> TableRecord:
    """Writes chunks that come in key order (`tables.conform` checks each), texts of `withheld` sources as nulls."""
    target = folder / place.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    texts, arrow = TEXTS.get(schema.name, ()), arrow_schema(schema)
    content, full, hidden = tables.ContentDigest(), tables.ContentDigest(), 0
    order = Order(schema)
    try:
        with pq.ParquetWriter(temporary.absolute(), arrow, **_OPTIONS) as out:
            for chunk in chunks:
                whole = tables.conform(chunk, schema)
                if error := order.error(whole):
                    raise SycoError(f"table '{schema.name}': {error}")
                shown = licences.withhold(whole, texts, withheld)
                if texts:
                    hidden += int((whole[texts[-1]].is_not_null() & shown[texts[-1]].is_null()).sum())
                full.update(_to_arrow(whole, arrow))
                content.update(_to_arrow(shown, arrow))
                out.write_table(_to_arrow(shown, arrow), row_group_size=tables.ROWS_PER_GROUP)
        temporary.replace(target)
    except OSError as error:
        raise SycoError(f"release: {target} could not be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    columns = {name: str(kind) for name, kind in schema.columns.items()}
    return TableRecord(
        config=place.config, split=place.split, schema=schema.name, key=list(schema.key), columns=columns,
        rows=content.rows, content=content.hexdigest(), full_content=full.hexdigest(), withheld_rows=hidden,
    )  # fmt: skip


def _to_arrow(df: pl.DataFrame, arrow: pa.Schema) -> pa.Table:
    return df.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow)


class Order:
    """Rows must come sorted by the key, each key once: the digest of a table speaks of rows in that order."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._last: tuple[Any, ...] | None = None

    def error(self, df: pl.DataFrame) -> str | None:
        """What is wrong with the next rows, in words."""
        if df.is_empty():
            return None
        keys = df.select(self._schema.key)
        if any(column.null_count() for column in keys.iter_columns()):
            return f"a row without {', '.join(self._schema.key)}"
        first, last = keys.row(0), self._last
        self._last = keys.row(-1)
        if not keys.equals(keys.unique().sort(self._schema.key)) or (last is not None and first <= last):
            return f"rows are not in the order of {', '.join(self._schema.key)}, or one occurs twice"
        return None
