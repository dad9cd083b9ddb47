"""Rows of two tables, matched by stable ids and compared column by column.

No text is ever joined on: the ids are matched once, and then each column of both sides is read, hashed (64 bits,
within one process) and compared by position. One column is in memory at a time, so that memory follows the number
of rows and not the length of the texts. Texts are read only where their `text_id` differs or where one side
withholds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from syco_data.errors import SycoError
from syco_data.releasing import released
from syco_data.releasing.manifest import Table

JOINED_ON = {"released/train": ("claim_id",), "released/candidates": ("claim_id",)}
"""Ids that survive new draws, by schema: each input has one claim and at most one prompt. Others: the own key."""

POSITION = "__position"
MOST_COLUMNS = 64
"""One bit each."""
ASKED = ("template", "opinion", "option_order")
PAIRED_ON = {
    "released/train": ("claim_id", *ASKED),
    "released/probes": ("probe", "variant", "item", "case", *ASKED, "instruction"),
    "released/dropped": ("stage", "model", "arm", "prompt_id"),
    "verdicts": ("prompt_id",),
}
"""What pairs the rows that the ids leave alone, where it names one row on each side: an id that covers a text or a
draw changes with it, and the row is the same row."""


@dataclass(frozen=True)
class View:
    """One side of a table: columns are read one at a time, and only when asked for."""

    side: str
    path: Path
    table: Table

    @property
    def columns(self) -> list[str]:
        return list(self.table.columns)

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Whole columns in the order of the file; a damaged file is one line."""
        return self._collect(pl.scan_parquet(self.path, glob=False).select(columns))

    def column(self, name: str) -> pl.Series:
        return self.read([name]).to_series()

    def rows(self, positions: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
        """The rows at these positions, in their order; a null position gives a row of nulls."""
        wanted = positions.drop_nulls().unique().sort()
        scan = pl.scan_parquet(self.path, glob=False, row_index_name=POSITION, parallel="prefiltered")
        found = scan.head((wanted.max() or 0) + 1).filter(pl.col(POSITION).is_in(wanted.implode()))
        rows = self._collect(found.select(POSITION, *columns))
        asked = positions.cast(pl.UInt32).alias(POSITION).to_frame()
        rows = rows.with_columns(pl.col(POSITION).cast(pl.UInt32))
        return asked.join(rows, on=POSITION, how="left", maintain_order="left").drop(POSITION)

    def kind(self, name: str) -> pl.DataType:
        """The column's type in the file."""
        try:
            return pl.read_parquet_schema(self.path)[name]
        except (pl.exceptions.PolarsError, OSError, KeyError) as error:
            raise self._damaged(str(error).splitlines()[0]) from error

    def hashed(self, name: str, as_text: bool) -> np.ndarray:
        """64 bits per row; equal values of one process give equal bits."""
        value, kind = pl.col(name), self.kind(name)
        if isinstance(kind, pl.List):
            value = pl.concat_str(value.list.len().cast(pl.String), value.list.join("\x1f"), separator="\x1e")
        elif as_text:
            value = value.cast(pl.String)
        return self._collect(pl.scan_parquet(self.path, glob=False).select(value.hash())).to_series().to_numpy()

    def hashed_rows(self, names: Sequence[str], positions: np.ndarray) -> pl.DataFrame:
        """64 bits per value of text columns, for the rows at these positions and in their order."""
        wanted = pl.Series(np.unique(positions).astype(np.uint32))
        scan = pl.scan_parquet(self.path, glob=False, row_index_name=POSITION, parallel="prefiltered")
        found = self._collect(
            scan.filter(pl.col(POSITION).is_in(wanted.implode())).select(
                POSITION, *(pl.col(name).cast(pl.String).hash() for name in names)
            )
        )
        return found.sort(POSITION)[np.searchsorted(wanted.to_numpy(), positions)].drop(POSITION)

    def _collect(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        try:
            return lazy.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._damaged(str(error).splitlines()[0]) from error

    def _damaged(self, reason: str) -> SycoError:
        place = f"{self.table.config}/{self.table.split}"
        return SycoError(f"{self.side}: table {place} cannot be read: {reason}", "Pull or build the release again")


@dataclass(frozen=True)
class Pairs:
    """Where each row of two tables stands in their files.

    `both_a[i]` and `both_b[i]` are the positions of the i-th common row, `only_a` and `only_b` those of rows that
    one side has (uint32 each). `moved`: some pairs were found by other columns than the ids.
    """

    both_a: np.ndarray
    both_b: np.ndarray
    only_a: np.ndarray
    only_b: np.ndarray
    moved: bool = False


@dataclass(frozen=True)
class Matched:
    """Two tables row by row: bit j of `flags[i]` is set where column `columns[j]` of the i-th common row differs."""

    a: View
    b: View
    joined_on: tuple[str, ...]
    pairs: Pairs
    columns: tuple[str, ...]
    flags: np.ndarray

    @property
    def changed(self) -> np.ndarray:
        """Positions in `pairs.both_a`, `pairs.both_b` and `flags` of the rows that differ."""
        return np.flatnonzero(self.flags)

    def differs(self, *names: str) -> np.ndarray:
        """For each changed row, whether any of these columns differs (booleans)."""
        mask = sum(1 << self.columns.index(name) for name in names if name in self.columns)
        return (self.flags[self.changed] & np.uint64(mask)) != 0

    def column_counts(self) -> dict[str, int]:
        """Changed rows by column, for columns that differ anywhere."""
        counts = {name: int(self.differs(name).sum()) for name in self.columns}
        return {name: count for name, count in counts.items() if count}

    def names_of(self, flags: int) -> list[str]:
        """The columns that a row's flags name."""
        return [name for j, name in enumerate(self.columns) if flags >> j & 1]


def match(a: View, b: View, withheld_alike: bool, moved_ids: pl.DataFrame | None = None) -> Matched:
    """Matches and compares two tables.

    `withheld_alike`: both sides withhold the texts of the same sources. `moved_ids` (`prompt_id_a`, `prompt_id_b`)
    are prompts that are one row under two ids.
    """
    joined_on = _joined_on(a, b)
    pairs = _pair_rest(a, b, _pair(a, b, joined_on), moved_ids)
    compared = tuple(name for name in a.columns if name in b.columns and (pairs.moved or name not in joined_on))
    if len(compared) > MOST_COLUMNS:
        place = f"{a.table.config}/{a.table.split}"
        raise SycoError(f"{place} has {len(compared)} columns; up to {MOST_COLUMNS} can be compared")
    matched = Matched(a, b, joined_on, pairs, compared, np.zeros(len(pairs.both_a), dtype=np.uint64))
    texts = released.TEXTS.get(a.table.schema_name, ()) if "text_id" in compared and withheld_alike else ()
    for name in compared:
        if name not in texts:
            _compare(matched, name)
    _compare_texts(matched, [name for name in texts if name in compared])
    return matched


def _joined_on(a: View, b: View) -> tuple[str, ...]:
    wanted = JOINED_ON.get(a.table.schema_name, tuple(a.table.key))
    # A claim has many rows in a held-out split: there the row's own id counts.
    if a.table.split != "train":
        wanted = tuple(a.table.key)
    missing = [name for name in wanted if name not in a.columns or name not in b.columns]
    if missing:
        place = f"{b.table.config}/{b.table.split}"
        raise SycoError(f"{place}: {missing[0]!r} is not a column of both {a.side} and {b.side}: nothing to join on")
    return wanted


def _pair(a: View, b: View, names: Sequence[str]) -> Pairs:
    keys_a, keys_b = a.read(names), b.read(names)
    for view, keys in ((a, keys_a), (b, keys_b)):
        _check_unique(view, keys)
    if keys_a.equals(keys_b):
        whole = np.arange(len(keys_a), dtype=np.uint32)
        return Pairs(whole, whole, whole[:0], whole[:0])
    keys_a, keys_b = keys_a.with_row_index("index_a"), keys_b.with_row_index("index_b")
    return _positions(keys_a.join(keys_b, on=names, how="full", nulls_equal=True).select("index_a", "index_b"))


def _positions(joined: pl.DataFrame) -> Pairs:
    both = joined.drop_nulls().sort("index_a")
    only_a = joined.filter(pl.col("index_b").is_null())["index_a"].sort()
    only_b = joined.filter(pl.col("index_a").is_null())["index_b"].sort()
    return Pairs(both["index_a"].to_numpy(), both["index_b"].to_numpy(), only_a.to_numpy(), only_b.to_numpy())


def _check_unique(view: View, keys: pl.DataFrame) -> None:
    if keys.n_unique() != len(keys):
        row, named = keys.filter(keys.is_duplicated()).row(0), ", ".join(keys.columns)
        raise SycoError(
            f"{view.side}: table {view.table.config}/{view.table.split} holds {named} {row[0]!r} twice",
            "Check it: python -m syco_data verify DIR",
        )


def _pair_rest(a: View, b: View, pairs: Pairs, moved_ids: pl.DataFrame | None) -> Pairs:
    """Pairs rows that the ids left alone on both sides, where other columns name just one row on each."""
    names = list(PAIRED_ON.get(a.table.schema_name, ()))
    usable = (
        names and set(names) != set(JOINED_ON.get(a.table.schema_name, ())) and {*names} <= {*a.columns} & {*b.columns}
    )
    if not usable or not len(pairs.only_a) or not len(pairs.only_b):
        return pairs
    rest_a = a.read(names).with_row_index("index_a")[pairs.only_a]
    rest_b = b.read(names).with_row_index("index_b")[pairs.only_b]
    if "prompt_id" in names:
        if moved_ids is None or moved_ids.is_empty():
            return pairs
        renamed = moved_ids.rename({"prompt_id_a": "prompt_id"})
        rest_a = rest_a.join(renamed, on="prompt_id").drop("prompt_id").rename({"prompt_id_b": "prompt_id"})
    rest_a, rest_b = (rest.filter(~rest.select(names).is_duplicated()) for rest in (rest_a, rest_b))
    found = rest_a.join(rest_b, on=names, nulls_equal=True).select("index_a", "index_b")
    return _with(pairs, found)


def _with(pairs: Pairs, found: pl.DataFrame) -> Pairs:
    more_a, more_b = found["index_a"].to_numpy(), found["index_b"].to_numpy()
    both_a, both_b = np.concatenate([pairs.both_a, more_a]), np.concatenate([pairs.both_b, more_b])
    order = np.argsort(both_a, kind="stable")
    only_a = np.setdiff1d(pairs.only_a, more_a, assume_unique=True)
    only_b = np.setdiff1d(pairs.only_b, more_b, assume_unique=True)
    return Pairs(both_a[order], both_b[order], only_a, only_b, moved=len(found) > 0 or pairs.moved)


def _compare(matched: Matched, name: str) -> None:
    """Sets the column's bit where the two sides differ."""
    as_text = matched.a.table.columns[name] != matched.b.table.columns[name]
    values_a = matched.a.hashed(name, as_text)[matched.pairs.both_a]
    values_b = matched.b.hashed(name, as_text)[matched.pairs.both_b]
    bit = np.uint64(1 << matched.columns.index(name))
    np.bitwise_or(matched.flags, bit, out=matched.flags, where=values_a != values_b)


def _compare_texts(matched: Matched, names: list[str]) -> None:
    """Sets the bits of texts; a row with the same `text_id` on both sides has the same texts."""
    rows = matched.changed[matched.differs("text_id").nonzero()]
    if not len(rows) or not names:
        return
    hashed_a = matched.a.hashed_rows(names, matched.pairs.both_a[rows])
    hashed_b = matched.b.hashed_rows(names, matched.pairs.both_b[rows])
    for name in names:
        bit = np.uint64(1 << matched.columns.index(name))
        matched.flags[rows] |= np.where((hashed_a[name] != hashed_b[name]).to_numpy(), bit, np.uint64(0))
