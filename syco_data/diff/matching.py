"""Rows of two tables, matched by stable ids and compared column by column.

No text is ever joined on: the ids are matched once, and then each column of both sides is read, hashed (64 bits,
within one process) and compared by position. A few columns are in memory at a time, so that memory follows the number
of rows and not the length of the texts. Texts are read only where one side withholds them; else a row's `text_id`
tells which of them differ.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.release import tables
from syco_data.release.manifest import TableRecord

JOINED_ON = {"released/train": ("claim_id",), "released/candidates": ("claim_id",)}
"""Ids that survive new draws, by schema: each input has one claim and at most one prompt. Others: the own key."""

POSITION = "__position"
MOST_COLUMNS = 64
"""One bit each."""
COLUMNS_AT_ONCE = 8
SHARED = ("prompt_id", "claim_id", "source", "label_kind", "truth")
"""Columns that later tables ask of the candidates again and again."""
OWN = ("prompt_id",)
"""What any other table is asked for more than once."""
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
    """One side of a table: columns are read only when asked for; hashed ids, and what `keep` lets it, are kept."""

    side: str
    path: Path
    table: TableRecord
    keep: tuple[str, ...] = ()
    _keys: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    _kept: dict[str, pl.Series] = field(default_factory=dict, repr=False, compare=False)

    @property
    def columns(self) -> list[str]:
        return list(self.table.columns)

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Whole columns in the order of the file; a damaged file is one line."""
        return self._collect(tables.scan(self.path).select(columns))

    @cached_property
    def asks_twice(self) -> bool:
        """Whether this is a training set that asks with and without an opinion: its completions follow the user."""
        if self.table.schema_name != "released/train" or "opinion" not in self.table.columns:
            return False
        return self._collect(tables.scan(self.path).select(pl.col("opinion").is_null().any())).item()

    def column(self, name: str) -> pl.Series:
        if name not in self.keep:
            return self.read([name]).to_series()
        if name not in self._kept:
            self._kept[name] = self.read([name]).to_series()
        return self._kept[name]

    def rows(self, positions: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
        """The rows at these positions, in their order; a null position gives a row of nulls."""
        unique = positions.drop_nulls().unique().sort()
        scan = pl.scan_parquet(self.path.absolute(), glob=False, row_index_name=POSITION, parallel="prefiltered")
        rows_read = scan.head(unique[-1] + 1 if len(unique) else 1).filter(pl.col(POSITION).is_in(unique.implode()))
        rows = self._collect(rows_read.select(POSITION, *columns))
        order = positions.cast(pl.UInt32).alias(POSITION).to_frame()
        rows = rows.with_columns(pl.col(POSITION).cast(pl.UInt32))
        return order.join(rows, on=POSITION, how="left", maintain_order="left").drop(POSITION)

    def gathered(self, names: Sequence[str], positions: np.ndarray, index: str) -> pl.DataFrame:
        """Some columns of the rows at these positions, and the positions as column `index`."""
        place = pl.Series(index, positions, dtype=pl.UInt32)
        return pl.DataFrame([place, *(self.column(name).gather(place) for name in names)])

    def kind(self, name: str) -> pl.DataType:
        """The column's type in the file."""
        try:
            with parquet.one_line(self._name):
                return tables.scan(self.path).collect_schema()[name]
        except SycoError as error:
            raise self._damaged(error) from error

    def hashed(self, names: Sequence[str], as_text: set[str]) -> pl.DataFrame:
        """64 bits for each value of these columns; equal values of one process give equal bits."""
        hashes = [self._comparable(name, name in as_text).hash().alias(name) for name in names]
        return self._collect(tables.scan(self.path).select(hashes))

    def _comparable(self, name: str, as_text: bool) -> pl.Expr:
        value = pl.col(name)
        if isinstance(self.kind(name), pl.List):
            words = value.list.eval(pl.element().cast(pl.String).fill_null("\x00")).list.join("\x1f")
            return pl.concat_str(value.list.len().cast(pl.String), words, separator="\x1e")
        return value.cast(pl.String) if as_text else value

    def forget(self) -> None:
        """Lets go of the columns that were kept; they can be read again."""
        self._kept.clear()

    def keys(self, *names: str) -> np.ndarray:
        """64 bits per row for its values in these columns together."""
        if names not in self._keys:
            value = pl.col(names[0]) if len(names) == 1 else pl.struct(names)
            scan = tables.scan(self.path).select(value.hash())
            self._keys[names] = self._collect(scan).to_series().to_numpy()
        return self._keys[names]

    def counted(self, names: Sequence[str]) -> pl.DataFrame:
        """How many rows have each combination of values, as `len`."""
        return self._collect(tables.scan(self.path).group_by(names).len())

    def _collect(self, lazy: pl.LazyFrame) -> pl.DataFrame:
        try:
            with parquet.one_line(self._name):
                return lazy.collect(engine="streaming")
        except SycoError as error:
            raise self._damaged(error) from error

    @property
    def _name(self) -> str:
        return f"{self.side}: table {self.table.config}/{self.table.split}"

    def _damaged(self, error: SycoError) -> SycoError:
        return SycoError(error.what, "Pull or build the release again")


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
    # Where one side shows what the other withholds, the texts themselves differ too.
    texts = tables.TEXTS[a.table.schema_name] if "text_id" in compared and withheld_alike else ()
    others = [name for name in compared if name not in texts]
    for start in range(0, len(others), COLUMNS_AT_ONCE):
        _mark_columns(matched, others[start : start + COLUMNS_AT_ONCE])
    if "text_id" in compared:
        _mark_texts(matched, [name for name in tables.TEXTS[a.table.schema_name] if name in compared])
    return matched


def _joined_on(a: View, b: View) -> tuple[str, ...]:
    names = JOINED_ON.get(a.table.schema_name, tuple(a.table.key))
    # A claim has many rows in a held-out split, and two in a negative control: there the row's own id counts.
    if a.table.split != "train" or a.asks_twice or b.asks_twice:
        names = tuple(a.table.key)
    missing = [name for name in names if name not in a.columns or name not in b.columns]
    if missing:
        place = f"{b.table.config}/{b.table.split}"
        raise SycoError(f"{place}: {missing[0]!r} is not a column of both {a.side} and {b.side}: nothing to join on")
    return names


def _pair(a: View, b: View, names: Sequence[str]) -> Pairs:
    keys_a, keys_b = on_both(lambda view: view.keys(*names), a, b)
    orders = on_both(np.argsort, keys_a, keys_b)
    sorted_a, sorted_b = keys_a[orders[0]], keys_b[orders[1]]
    for view, keys in ((a, sorted_a), (b, sorted_b)):
        _check_unique(view, keys, names)
    if np.array_equal(keys_a, keys_b):
        whole = np.arange(len(keys_a), dtype=np.uint32)
        return Pairs(whole, whole, whole[:0], whole[:0])
    return _positions(orders, sorted_a, sorted_b)


def on_both(function: Callable, a: object, b: object) -> tuple:
    """The function of both sides, at once: most of the work leaves Python's lock."""
    with ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(function, (a, b)))


def _positions(orders: tuple[np.ndarray, np.ndarray], sorted_a: np.ndarray, sorted_b: np.ndarray) -> Pairs:
    """Pairs of equal keys; `orders` sort the keys of each side, of which none is there twice."""
    place = np.searchsorted(sorted_b, sorted_a)
    is_pair = np.take(sorted_b, place, mode="clip") == sorted_a if len(sorted_b) else np.zeros(len(sorted_a), bool)
    partner = np.full(len(sorted_a), -1, np.int64)
    partner[orders[0][is_pair]] = orders[1][place[is_pair]]
    both_a = np.flatnonzero(partner >= 0)
    both_b = partner[both_a]
    alone_b = np.ones(len(sorted_b), bool)
    alone_b[both_b] = False
    parts = (both_a, both_b, np.flatnonzero(partner < 0), np.flatnonzero(alone_b))
    return Pairs(*[part.astype(np.uint32) for part in parts], moved=False)


def _check_unique(view: View, sorted_keys: np.ndarray, names: Sequence[str]) -> None:
    twice = sorted_keys[1:] == sorted_keys[:-1]
    if not twice.any():
        return
    keys = view.keys(*names)
    suspects = view.read(names).filter(pl.Series(np.isin(keys, sorted_keys[1:][twice])))
    row, columns = suspects.row(0), ", ".join(names)
    raise SycoError(
        f"{view.side}: table {view.table.config}/{view.table.split} holds {columns} {row[0]!r} twice",
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
    rest_a, rest_b = a.gathered(names, pairs.only_a, "index_a"), b.gathered(names, pairs.only_b, "index_b")
    if "prompt_id" in names:
        if moved_ids is None or moved_ids.is_empty():
            return pairs
        renamed = moved_ids.rename({"prompt_id_a": "prompt_id"})
        rest_a = rest_a.join(renamed, on="prompt_id").drop("prompt_id").rename({"prompt_id_b": "prompt_id"})
    rest_a, rest_b = (rest.filter(~rest.select(names).is_duplicated()) for rest in (rest_a, rest_b))
    more = rest_a.join(rest_b, on=names, nulls_equal=True).select("index_a", "index_b")
    return _with(pairs, more)


def _with(pairs: Pairs, more: pl.DataFrame) -> Pairs:
    more_a, more_b = more["index_a"].to_numpy(), more["index_b"].to_numpy()
    both_a, both_b = np.concatenate([pairs.both_a, more_a]), np.concatenate([pairs.both_b, more_b])
    order = np.argsort(both_a, kind="stable")
    only_a = np.setdiff1d(pairs.only_a, more_a, assume_unique=True)
    only_b = np.setdiff1d(pairs.only_b, more_b, assume_unique=True)
    return Pairs(both_a[order], both_b[order], only_a, only_b, moved=len(more) > 0 or pairs.moved)


def _mark_columns(matched: Matched, names: list[str]) -> None:
    """Sets the bits of columns where the two sides differ: rows that differ anywhere first, then in which columns."""
    as_text = {name for name in names if matched.a.table.columns[name] != matched.b.table.columns[name]}
    hashed = on_both(lambda view: view.hashed(names, as_text), matched.a, matched.b)
    whole_a, whole_b = on_both(_folded, *hashed)
    rows = np.flatnonzero(whole_a[matched.pairs.both_a] != whole_b[matched.pairs.both_b])
    at_a, at_b = matched.pairs.both_a[rows], matched.pairs.both_b[rows]
    for name in names:
        values_a, values_b = (side[name].to_numpy() for side in hashed)
        _mark(matched, name, values_a[at_a] != values_b[at_b], rows)


def _folded(hashed: pl.DataFrame) -> np.ndarray:
    """64 bits per row. Each step can be undone, so that rows which differ in one column always differ here."""
    bits = np.zeros(len(hashed), np.uint64)
    for values in hashed.iter_columns():
        bits *= _ODD
        bits += values.to_numpy()
    return bits


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _mark(matched: Matched, name: str, differs: np.ndarray, rows: np.ndarray) -> None:
    """Sets a column's bit in those of these rows that differ."""
    matched.flags[rows] |= np.where(differs, np.uint64(1 << matched.columns.index(name)), np.uint64(0))


def _mark_texts(matched: Matched, names: list[str]) -> None:
    """Sets the bits of texts by the parts of the rows' `text_id`."""
    rows = matched.changed[matched.differs("text_id").nonzero()]
    ids = [
        view.column("text_id").gather(at[rows])
        for view, at in ((matched.a, matched.pairs.both_a), (matched.b, matched.pairs.both_b))
    ]
    schema = matched.a.table.schema_name
    pair = pl.DataFrame({"a": ids[0], "b": ids[1]})
    for name in names:
        one, other = (tables.text_of_id(pl.col(side), schema, name) for side in "ab")
        _mark(matched, name, pair.select(one.ne_missing(other)).to_series().to_numpy(), rows)
