"""Counts and shares of a compared table: how many rows differ where, and how the mixture moved."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from syco_data.diff.changed_rows import Changes
from syco_data.diff.matching import JOINED_ON, View, on_both
from syco_data.diff.records import CauseCount, Config, Counts, Group, Shift, TableChange
from syco_data.release.manifest import TableRecord

GROUPED_BY = ("source", "label_kind", "truth")
SHARES = {
    "known": ("keep rate", True),
    "opinion": ("opinion agree", "agree"),
    "answer": ("answer (A)", "(A)"),
    "completion": ("answer (A)", " (A)"),
    "choice": ("choice (A)", "(A)"),
    "truth": ("true claims", True),
    "label_kind": ("gold labels", "gold"),
}
"""Column -> what a share of it is called, and the value that is counted."""


def record(a: TableRecord | None, b: TableRecord | None, change: TableChange) -> Config:
    """What the manifests alone say of a table; rows are counted by `deep`."""
    table = b or a
    assert table is not None  # of two tables, one is there
    columns_a, columns_b = (list(side.columns) if side else [] for side in (a, b))
    return Config(
        config=table.config, split=table.split, change="added" if a is None else "removed" if b is None else change,
        rows_a=a.rows if a else None, rows_b=b.rows if b else None, joined_on=[],
        columns_added=[name for name in columns_b if a and name not in columns_a],
        columns_removed=[name for name in columns_a if b and name not in columns_b],
        counts=None, columns={}, groups=[], causes=[], shifts=[], examples=[],
    )  # fmt: skip


def deep(a: View | None, b: View | None, changes: Changes, candidates: dict[str, View | None]) -> Config:
    """The record of a table whose rows have been compared; `changes.frame` has causes and `GROUPED_BY`."""
    counted = on_both(lambda side: cells_of(*side), (a, candidates["a"]), (b, candidates["b"]))
    table = changes.view.table
    cells: dict[str, pl.DataFrame | None] = dict(zip(("a", "b"), counted, strict=True))
    counts = _counts(changes.frame, a.table.rows if a else 0)
    shallow = record(a.table if a else None, b.table if b else None, "changed" if counts.differing else "same")
    if shallow.columns_added or shallow.columns_removed:
        shallow = shallow.model_copy(update={"change": "changed"})
    flags = {name: int(changes.differs(name).sum()) for name in changes.columns}
    return shallow.model_copy(
        update={
            "joined_on": joined_on(table, any(view.asks_twice for view in (a, b) if view)),
            "counts": counts,
            "columns": {name: count for name, count in flags.items() if count},
            "groups": list(_groups(changes.frame, cells)),
            "causes": _causes(changes.frame),
            "shifts": [*_shifts(cells), *_kept(cells, candidates, table)],
        }
    )


def joined_on(table: TableRecord, asks_twice: bool) -> list[str]:
    by_claim = table.split == "train" and not asks_twice
    return list(JOINED_ON.get(table.schema_name, table.key) if by_claim else table.key)


def _counts(frame: pl.DataFrame, rows_a: int) -> Counts:
    rows = {change: int((frame["change"] == change).sum()) for change in ("added", "removed", "changed")}
    return Counts(**rows, unchanged=rows_a - rows["removed"] - rows["changed"])


def cells_of(view: View | None, candidates: View | None) -> pl.DataFrame | None:
    """Rows by every combination of the grouping and share columns that a table has, as `len`.

    Verdicts know no source: they borrow the columns of their candidates.
    """
    if view is None:
        return None
    own = [name for name in (*GROUPED_BY, *SHARES) if name in view.columns]
    own = list(dict.fromkeys(own))
    if view.table.schema_name != "verdicts" or candidates is None:
        return view.counted(own) if own else pl.DataFrame({"len": [view.table.rows]})
    borrowed = list(GROUPED_BY)
    if np.array_equal(view.keys("prompt_id"), candidates.keys("prompt_id")):
        rows = view.read(own).hstack(candidates.read(borrowed))
    else:
        rows = view.read(["prompt_id", *own]).join(
            candidates.read(["prompt_id", *borrowed]), on="prompt_id", how="left"
        )
    return rows.lazy().group_by(*own, *borrowed).len().collect(engine="streaming")


def _groups(frame: pl.DataFrame, cells: dict[str, pl.DataFrame | None]) -> Iterator[Group]:
    """Counts by value; a row that is alike counts where all other rows of side A leave it."""
    for column in GROUPED_BY:
        totals = {side: _totals(side_cells, column) for side, side_cells in cells.items()}
        if not (totals["a"] or totals["b"]):
            continue
        tallies = {(str(value).lower() if isinstance(value, bool) else value, change): rows
                   for value, change, rows in frame.group_by(column, "change").len().iter_rows()}  # fmt: skip
        for value in sorted({*totals["a"], *totals["b"]}):
            rows_of = {change: tallies.get((value, change), 0) for change in ("added", "removed", "changed")}
            alike = totals["b"].get(value, 0) - rows_of["added"] - rows_of["changed"]
            yield Group(column=column, value=value, counts=Counts(**rows_of, unchanged=alike))


def _totals(cells: pl.DataFrame | None, column: str) -> dict[str, int]:
    if cells is None or column not in cells.columns:
        return {}
    counted = cells.filter(pl.col(column).is_not_null()).group_by(column).agg(pl.col("len").sum())
    return {str(value).lower() if isinstance(value, bool) else value: rows for value, rows in counted.iter_rows()}


def _causes(frame: pl.DataFrame) -> list[CauseCount]:
    names = ["cause", "change", "detail"]
    counted = frame.group_by(names).len().sort("len", *names, descending=[True, False, False, False])
    return [
        CauseCount(cause=cause, change=how, detail=words, rows=rows) for cause, how, words, rows in counted.iter_rows()
    ]


def _shifts(cells: dict[str, pl.DataFrame | None]) -> Iterator[Shift]:
    """Shares of all rows, and keep rates by source, label kind and truth too."""
    for column, (what, value) in SHARES.items():
        yield from _shift(cells, column, what, value, "all", pl.lit(True))
        if column == "known":
            for by in GROUPED_BY:
                names = sorted({*_totals(cells["a"], by), *_totals(cells["b"], by)})
                for name in names:
                    where = pl.col(by).cast(pl.String) == name
                    yield from _shift(cells, column, what, value, f"{by} {name}", where)


def _shift(
    cells: dict[str, pl.DataFrame | None], column: str, what: str, value: object, of: str, where: pl.Expr
) -> Iterator[Shift]:
    sides: dict[str, tuple[float | None, int]] = {}
    for side, side_cells in cells.items():
        if side_cells is None or column not in side_cells.columns:
            sides[side] = (None, 0)
            continue
        rows = side_cells.filter(where & pl.col(column).is_not_null())
        total = int(rows["len"].sum())
        counted = int(rows.filter(pl.col(column) == value)["len"].sum())
        sides[side] = (counted / total if total else None, total)
    if sides["a"][1] or sides["b"][1]:
        yield Shift(what=what, of=of, share_a=sides["a"][0], share_b=sides["b"][0],
                    rows_a=sides["a"][1], rows_b=sides["b"][1])  # fmt: skip


def _kept(
    cells: dict[str, pl.DataFrame | None], candidates: dict[str, View | None], table: TableRecord
) -> Iterator[Shift]:
    """For a training set: which share of the candidates it holds, over all and by source."""
    if table.schema_name != "released/train" or table.split != "train":
        return
    pools = {side: cells_of_sources(view) for side, view in candidates.items()}
    totals = {side: _totals(counts, "source") for side, counts in cells.items()}
    names = sorted({*pools["a"], *pools["b"]})
    for of, sources in [("all", names), *((f"source {name}", [name]) for name in names)]:
        rows = {side: sum(pool.get(name, 0) for name in sources) for side, pool in pools.items()}
        kept = {side: sum(counts.get(name, 0) for name in sources) for side, counts in totals.items()}
        share = {side: kept[side] / rows[side] if rows[side] and cells[side] is not None else None for side in "ab"}
        yield Shift(what="share of candidates", of=of, share_a=share["a"], share_b=share["b"],
                    rows_a=rows["a"], rows_b=rows["b"])  # fmt: skip


def cells_of_sources(view: View | None) -> dict[str, int]:
    return {} if view is None else dict(view.counted(["source"]).iter_rows())
