"""The rows behind a comparison: a Parquet file of all that differ, and a few examples of each cause."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from syco_data import tables
from syco_data.diff.changed_rows import Changes
from syco_data.diff.diffing import Compared, Comparison
from syco_data.diff.matching import View
from syco_data.diff.records import Cell, Config, Example
from syco_data.schemas import CHANGES

ROWS_PER_CHUNK = 50_000
IDS = ("prompt_id", "probe_id", "dropped_id", "text_id")
SHOWN = (
    "stage", "reason", "claim", "prompt", "stripped_prompt", "input", "answer", "completion", "right", "label_kind",
    "truth", "known", "choice", "margin",
)  # fmt: skip
"""What an example of a row shows that one side alone has."""


_OWN = {name: f"__{name}" for name in ("place", "change", "flags")}


def write_rows(comparison: Comparison, target: Path) -> int:
    """Writes every row that differs as `schemas.CHANGES` and returns how many; whole or not at all."""
    ordered = sorted(comparison.tables, key=lambda table: (table.record.config, table.record.split))
    rows = 0
    with tables.writer(CHANGES, target) as out:
        for table in ordered:
            for chunk in _chunks(table):
                out.append(chunk)
                rows += len(chunk)
    return rows


def _chunks(table: Compared) -> Iterator[pl.DataFrame]:
    """The rows of one table in key order, so many at a time that memory stays bounded."""
    frame = table.changes.frame.sort("key", "change")
    for part in frame.iter_slices(ROWS_PER_CHUNK):
        changes = Changes(table.changes.a, table.changes.b, table.changes.columns, part)
        values = {side: _values(changes, side) for side in "ab"}
        names = {flags: changes.column_names(flags) for flags in part["flags"].unique()}
        listed = pl.Series("columns", [names[flags] for flags in part["flags"]], dtype=pl.List(pl.String))
        yield part.with_columns(
            listed,
            config=pl.lit(table.record.config),
            split=pl.lit(table.record.split),
            before=values["a"],
            after=values["b"],
        ).select(CHANGES.names)


def _values(changes: Changes, side: str) -> pl.Series:
    """JSON of one side of each row: what differs, or all of a row that this side alone has."""
    view, frame = (changes.a if side == "a" else changes.b), changes.frame.with_row_index("place")
    if view is None:
        return pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    here = frame.filter(pl.col(f"index_{side}").is_not_null())
    columns_of = {flags: changes.column_names(flags) for flags in here["flags"].unique()}
    columns_read = (
        view.columns
        if (here["change"] != "changed").any()
        else sorted({n for names in columns_of.values() for n in names})
    )
    rows = view.rows(here[f"index_{side}"], columns_read).hstack(here.select("place", "change", "flags").rename(_OWN))
    encoded = [pl.DataFrame(schema={"place": pl.UInt32, "json": pl.String})]
    for (change, flags), part in rows.group_by(_OWN["change"], _OWN["flags"], maintain_order=True):
        columns = columns_of[flags] if change == "changed" else view.columns
        encoded.append(part.select(place=_OWN["place"], json=pl.struct(columns).struct.json_encode()))
    return frame.select("place").join(pl.concat(encoded), on="place", how="left", maintain_order="left")["json"]


def with_examples(comparison: Comparison, each: int) -> Comparison:
    """The comparison with up to `each` examples of every cause and kind of change in every table."""
    tables_ = [
        Compared(table.record.model_copy(update={"examples": _examples(table, each)}), table.changes)
        for table in comparison.tables
    ]
    diff = (
        comparison.diff.model_copy(update={"configs": [table.record for table in tables_]})
        if tables_
        else comparison.diff
    )
    return Comparison(diff, tables_)


def _examples(table: Compared, each: int) -> list[Example]:
    """Ids are hashes, so that the rows that come first are as good as drawn."""
    rows = table.changes.frame.sort("key").group_by("cause", "change", maintain_order=True).head(each)
    rows = rows.sort("cause", "change", "key")
    if rows.is_empty():
        return []
    changes = Changes(table.changes.a, table.changes.b, table.changes.columns, rows)
    sides = {side: _texts(view, rows[f"index_{side}"]) for side, view in (("a", changes.a), ("b", changes.b))}
    return [_example(row, i, changes, sides, table.record) for i, row in enumerate(rows.iter_rows(named=True))]


def _texts(view: View | None, positions: pl.Series) -> list[dict]:
    return [{}] * len(positions) if view is None else view.rows(positions, view.columns).to_dicts()


def _example(row: dict, place: int, changes: Changes, sides: dict[str, list[dict]], record: Config) -> Example:
    a, b = sides["a"][place], sides["b"][place]
    keys = list(dict.fromkeys([*a, *b]))
    if row["change"] == "changed":
        differing = changes.column_names(row["flags"])
        names = [name for name in differing if name not in IDS] or differing
    else:
        names = [name for name in SHOWN if name in keys]
    cells = [Cell(column=name, a=_text(a.get(name)), b=_text(b.get(name))) for name in names]
    return Example(key=row["key"], change=row["change"], cause=row["cause"], detail=row["detail"],
                   cells=[cell for cell in cells if cell.a is not None or cell.b is not None])  # fmt: skip


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return " |".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
