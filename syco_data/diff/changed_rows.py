"""The rows of a table that differ, as a frame, and the rules that give each of them one cause."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from syco_data.diff.matching import Matched, View
from syco_data.diff.records import Cause

COLUMNS = {"change": pl.String, "index_a": pl.UInt32, "index_b": pl.UInt32, "flags": pl.UInt64}


@dataclass(frozen=True)
class Changes:
    """Rows that differ between two sides of a table; one of `a` and `b` may be None (a table that one side has).

    `frame` has `change` (changed | removed | added), `index_a` and `index_b` (positions in the files, null where a
    side has no such row), `flags` (bits of `columns` that differ); causes add `cause` and `detail`.
    """

    a: View | None
    b: View | None
    columns: tuple[str, ...]
    frame: pl.DataFrame

    @property
    def view(self) -> View:
        """Of B, else of A."""
        view = self.b or self.a
        assert view is not None
        return view

    def values(self, name: str) -> pl.DataFrame:
        """A column of both sides, as `<name>_a` and `<name>_b`, null where a side has no row or no such column."""
        views = {"a": self.a, "b": self.b}
        present = {side: view for side, view in views.items() if view is not None and name in view.columns}
        kind = next(iter(present.values())).kind(name) if present else pl.String()
        columns = []
        for side in views:
            index = self.frame[f"index_{side}"]
            values = (
                present[side].column(name).gather(index)
                if side in present
                else pl.repeat(None, len(index), dtype=kind, eager=True)
            )
            columns.append(values.alias(f"{name}_{side}"))
        return pl.DataFrame(columns)

    def either(self, name: str) -> pl.Series:
        """A column as it is in B, or in A where B has no such row."""
        return self.values(name).select(pl.coalesce(f"{name}_b", f"{name}_a").alias(name)).to_series()

    def differs(self, *names: str) -> pl.Series:
        """Whether any of these columns differs in a row that both sides have."""
        mask = sum(1 << self.columns.index(name) for name in names if name in self.columns)
        return pl.Series((self.frame["flags"].to_numpy() & np.uint64(mask)) != 0)

    def column_names(self, flags: int) -> list[str]:
        return [name for j, name in enumerate(self.columns) if flags >> j & 1]


def of(matched: Matched) -> Changes:
    """The rows of two matched tables that differ: changed ones, then removed, then added."""
    pairs, changed = matched.pairs, matched.changed
    none = [None] * max(len(pairs.only_a), len(pairs.only_b))
    parts = [
        ("changed", pairs.both_a[changed], pairs.both_b[changed], matched.flags[changed]),
        ("removed", pairs.only_a, none[: len(pairs.only_a)], np.zeros(len(pairs.only_a), np.uint64)),
        ("added", none[: len(pairs.only_b)], pairs.only_b, np.zeros(len(pairs.only_b), np.uint64)),
    ]
    return Changes(matched.a, matched.b, matched.columns, pl.concat([_part(*part) for part in parts]))


def unchanged(a: View, b: View) -> Changes:
    """No row at all: the two files are the same bytes."""
    return Changes(a, b, (), pl.DataFrame(schema=COLUMNS))


def described(changes: Changes, candidates: dict[str, View | None]) -> pl.DataFrame:
    """`key` (the row's own id in B, else in A), `claim_id`, `source`, `label_kind` and `truth` of each row.

    What a table does not have it borrows from the candidate with the row's `prompt_id`.
    """
    view = changes.view
    own = [name for name in DESCRIPTION if name in view.columns]
    rows = pl.DataFrame([changes.either(view.table.key[0]).alias("key"), *(changes.either(name) for name in own)])
    missing = [name for name in DESCRIPTION if name not in own]
    if not missing and rows["claim_id"].null_count() == 0:
        return rows.select("key", *DESCRIPTION)
    rows = rows.with_columns(pl.lit(None, dtype=DESCRIPTION[name]).alias(name) for name in missing)
    if "prompt_id" not in view.columns:
        return rows.select("key", *DESCRIPTION)
    ids = changes.values("prompt_id")
    others = []
    for side, pool in candidates.items():
        if pool is not None:
            place = _place_of(ids[f"prompt_id_{side}"], pool)
            others += [pool.column(name).gather(place).alias(f"{name}_of_{side}") for name in DESCRIPTION]
    whole = rows.hstack(others)
    borrowed = {name: [pl.col(column) for column in (f"{name}_of_b", f"{name}_of_a") if column in whole.columns]
                for name in DESCRIPTION}  # fmt: skip
    return whole.select("key", *(pl.coalesce(name, *others).alias(name) for name, others in borrowed.items()))


def _place_of(ids: pl.Series, pool: View) -> pl.Series:
    """Where each prompt stands among the candidates; null where there is none."""
    rows_with_id = pl.DataFrame({"key": ids.hash()}).with_row_index("row").filter(ids.is_not_null())
    there = pl.DataFrame({"key": pool.keys("prompt_id")}).with_row_index("place")
    places = rows_with_id.join(there, on="key").select("row", "place")
    rows = pl.DataFrame({"row": pl.int_range(len(ids), dtype=pl.UInt32, eager=True)})
    return rows.join(places, on="row", how="left", maintain_order="left")["place"]


DESCRIPTION = {"claim_id": pl.String, "source": pl.String, "label_kind": pl.String, "truth": pl.Boolean}


def one_sided(a: View | None, b: View | None) -> Changes:
    """Every row of a table that one side alone has."""
    view = a or b
    assert view is not None  # of two tables, one is there
    rows = np.arange(view.table.rows, dtype=np.uint32)
    none, flags = [None] * len(rows), np.zeros(len(rows), np.uint64)
    return Changes(a, b, (), _part("removed", rows, none, flags) if b is None else _part("added", none, rows, flags))


Positions = Sequence[None] | np.ndarray
"""Of rows in a file; null where a side has no such row."""


def _part(change: str, index_a: Positions, index_b: Positions, flags: np.ndarray) -> pl.DataFrame:
    columns = {"change": [change] * len(flags), "index_a": index_a, "index_b": index_b, "flags": flags}
    return pl.DataFrame({name: pl.Series(name, values, dtype=COLUMNS[name]) for name, values in columns.items()})


@dataclass(frozen=True)
class Rule:
    """Rows for which `when` holds, and no rule before it, have this cause; `detail` says it in words."""

    cause: Cause | pl.Expr
    when: pl.Expr
    detail: pl.Expr | str


def decide(rows: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """`cause` and `detail` of each row; what no rule explains is `unexplained`."""
    cause, detail = pl.lit("unexplained"), pl.lit("nothing in the columns or the manifests explains it")
    for rule in reversed(rules):
        words = pl.lit(rule.detail) if isinstance(rule.detail, str) else rule.detail
        named = pl.lit(rule.cause) if isinstance(rule.cause, str) else rule.cause
        holds = rule.when.fill_null(False)
        cause, detail = pl.when(holds).then(named).otherwise(cause), pl.when(holds).then(words).otherwise(detail)
    return rows.with_columns(cause=cause, detail=detail).select("cause", "detail")
