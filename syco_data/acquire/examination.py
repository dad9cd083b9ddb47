"""Upstream's Parquet files of one source, held against its record: every difference is a `Finding`.

`acquire` stops at the first finding; `sources check` shows them all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from syco_data import schemas
from syco_data.acquire import label_names
from syco_data.acquire.label_names import Statement
from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.formats.parquet import Limits
from syco_data.sources import Source
from syco_data.words import counted, listed

LIMITS = Limits(rows=5_000_000, size=1 << 30)
"""Of one split. The largest source has some 550,000 rows of 80 MB."""
_WHOLE = "a whole Parquet file"
_ROOM, _LONGEST_REASON = 80, 120  # characters of a path and of a reason in a message
UNLABELLED = -1
"""The label id that upstream gives to a row without a gold label."""


@dataclass(frozen=True)
class Finding:
    """One difference: `what` it is, what was found, what the record expects."""

    what: str
    found: str
    expected: str

    def error(self, source: Source) -> SycoError:
        return SycoError(
            f"source '{source.key}': {self.what} (found: {self.found}; expected: {self.expected}). Nothing was written",
            f"To see more: python -m syco_data sources check {source.key}",
        )


@dataclass(frozen=True)
class SplitFiles:
    """Local files of one split, in row order."""

    split: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Fetched:
    """One source as an origin gave it: local files, dataset cards, and the commit they belong to, if known."""

    splits: tuple[SplitFiles, ...]
    cards: tuple[Path, ...]
    revision: str | None


@dataclass(frozen=True)
class Examined:
    """Rows in the raw table's columns (as far as files could be read), stated label names, and differences."""

    rows: pl.DataFrame
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _File:
    frame: pl.DataFrame | None
    statement: Statement | None
    findings: tuple[Finding, ...]


def examine(source: Source, fetched: Fetched) -> Examined:
    """Reads every file and compares columns, types, label names and label ids with the record."""
    findings: list[Finding] = []
    statements = [_card(source, card, findings) for card in fetched.cards]
    frames = [pl.DataFrame(schema=schemas.raw(source).columns)]
    for split in fetched.splits:
        files = list(_files(source, split.paths))
        findings += [finding for file in files for finding in file.findings]
        statements += [file.statement for file in files]
        read = [file.frame for file in files if file.frame is not None]
        if len(read) == len(files):
            frames.append(_numbered(split.split, read))
            findings += rows_findings(source, split.split, frames[-1])
    stated = tuple(statement for statement in statements if statement is not None)
    if frames[1:]:
        findings += _name_findings(source, stated)
    return Examined(pl.concat(frames), stated, tuple(findings))


def rows_findings(source: Source, split: str, rows: pl.DataFrame) -> list[Finding]:
    """What is wrong with the rows of one split: none at all, nulls, unknown label ids, no labelled row."""
    if rows.is_empty():
        return [Finding(f"split {split!r} is empty", "0 rows", "at least one row")]
    findings = []
    for name in (*source.text_columns, "label"):
        if nulls := rows[name].null_count():
            first = rows.filter(pl.col(name).is_null())["row"][0]
            count = f"{counted(nulls, 'null')}, the first in row {first}"
            findings.append(Finding(f"split {split!r}: column {name!r} holds nulls", count, "a value in every row"))
    unknown = rows.filter(~pl.col("label").is_between(UNLABELLED, len(source.labels) - 1))
    if len(unknown):
        ids = ", ".join(map(str, unknown["label"].unique().sort().head(5)))
        count = f"{ids} in {counted(len(unknown), 'row')}, the first in row {unknown['row'][0]}"
        valid = f"0 to {len(source.labels) - 1}, or {UNLABELLED} for unlabelled"
        findings.append(Finding(f"split {split!r}: unknown label id", count, valid))
    elif (rows["label"] == UNLABELLED).all():
        expected = f"a split with labels, as {split!r} was when the record was written"
        findings.append(Finding(f"split {split!r} has no labels", f"{UNLABELLED} in every row", expected))
    return findings


def _card(source: Source, card: Path, findings: list[Finding]) -> Statement | None:
    try:
        return label_names.of_card(card, source)
    except SycoError as error:
        findings.append(Finding(f"{shown(card)} cannot be read", error.what, "a dataset card"))
        return None


def _files(source: Source, paths: Sequence[Path]) -> Iterator[_File]:
    """The shards of a split, which together may have as many rows as one file."""
    most = LIMITS.rows
    for path in paths:
        file = _file(source, path, most)
        most -= 0 if file.frame is None else len(file.frame)
        yield file


def _file(source: Source, path: Path, most_rows: int) -> _File:
    """One file's frame, label names and findings; text columns and `label` in the raw table's types."""
    name, columns = shown(path), [*source.text_columns, source.label_column]
    limits = Limits(most_rows, LIMITS.size)
    try:
        with parquet.opened(path, name, limits) as file:
            schema = file.schema_arrow
        if findings := _column_findings(source, path, schema):
            return _File(None, None, tuple(findings))
        frame = parquet.frame(path, name, columns, limits).with_columns(pl.col(source.label_column).cast(pl.Int64))
    except (SycoError, FileNotFoundError) as error:
        reason = _reason(error, name) if isinstance(error, SycoError) else "there is no such file"
        return _File(None, None, (Finding(f"{_ending(path)} cannot be read", reason, _WHOLE),))
    statement = label_names.of_schema(name, schema, source.label_column)
    return _File(frame.rename({source.label_column: "label"}), statement, ())


def shown(path: Path) -> str:
    """A file as messages and provenance name it: with the folder it lies in, never with the whole path."""
    return f"{path.parent.name}/{path.name}"


def _reason(error: SycoError, name: str) -> str:
    """Why a file is refused, without what a finding says beside it."""
    reason = str(error).removeprefix(name).lstrip(": ")
    for start in ("cannot be read: ", "is not read: ", f"is not {_WHOLE}: "):
        reason = reason.removeprefix(start)
    return reason[:_LONGEST_REASON]


def _ending(path: Path) -> str:
    """A whole path, or as much of its end as a line has room for."""
    text = str(path)
    return text if len(text) <= _ROOM else f"...{text[-_ROOM:]}"


def _column_findings(source: Source, path: Path, schema: pa.Schema) -> list[Finding]:
    findings = []
    for name in (*source.text_columns, source.label_column):
        if schema.names.count(name) != 1:
            problem = "twice" if name in schema.names else "missing"
            columns = listed(f"{name:.40}" for name in schema.names)
            findings.append(Finding(f"{shown(path)}: column {name!r} is {problem}", f"columns {columns}", name))
            continue
        kind, is_label = parquet.plain(schema.field(name).type), name == source.label_column
        if not (_whole_numbers(kind) if is_label else _text(kind)):
            expected = "whole numbers (int64)" if is_label else "text (string)"
            findings.append(Finding(f"{shown(path)}: column {name!r} has the wrong type", str(kind), expected))
    return findings


def _text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _whole_numbers(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) and kind != pa.uint64()


def _numbered(split: str, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The shards of a split behind each other, with the split's name and row numbers from 0."""
    whole = pl.concat(frames)
    number = pl.int_range(pl.len(), dtype=pl.Int64)
    return whole.select(pl.lit(split).alias("split"), number.alias("row"), pl.all())


def _name_findings(source: Source, stated: tuple[Statement, ...]) -> list[Finding]:
    """Every place that names labels must agree with the record, and at least one place must name them."""
    expected = label_names.expected(source)
    if not stated:
        missing = "neither `huggingface` metadata in the Parquet files nor a README.md with `dataset_info:`"
        return [Finding(f"upstream names no labels for column {source.label_column!r}", missing, expected)]
    wrong = [statement for statement in stated if not statement.agrees_with(source)]
    return [
        Finding(f"label names differ in {one.where}", listed(f"{name:.40}" for name in one.names), expected)
        for one in wrong
    ]
