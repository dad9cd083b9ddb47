"""What can be said of one table by itself, a column or a size: what a plain expectation can state."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

MOST_LISTED = 20
"""Allowed values that a description lists."""


@dataclass(frozen=True)
class Rule:
    """One rule about one table.

    `present`, `unique`, `among` (`values`), `pattern`, `between` and `characters` (`low` and `high`, inclusive) speak
    of `column`; `key` of the columns `values`, which together occur once; `columns` says that the table has the
    columns `values`, `rows` that it has `low` rows.
    """

    kind: Literal["present", "unique", "among", "pattern", "between", "characters", "key", "columns", "rows"]
    column: str = ""
    values: tuple[str, ...] = ()
    pattern: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        return f"{self.column or 'key'}_{'unique' if self.kind == 'key' else self.kind}"

    @property
    def description(self) -> str:
        """The rule in words."""
        ends = (("at least", self.low), ("at most", self.high))
        bounds = " and ".join(f"{words} {value:g}" for words, value in ends if value is not None)
        values = ", ".join(self.values)
        return {
            "present": f"{self.column} is never null",
            "unique": f"{self.column} occurs once",
            "among": f"{self.column} is one of {len(self.values):,} listed values"
            if len(self.values) > MOST_LISTED
            else f"{self.column} is one of: {values}",
            "pattern": f"{self.column} has the form {self.pattern}",
            "between": f"{self.column} is {bounds}",
            "characters": f"{self.column} has {bounds} characters",
            "key": f"{' and '.join(self.values)} together occur once",
            "columns": "the table has the columns of its schema, of the schema's types",
            "rows": f"the table has {self.low} rows",
        }[self.kind]

    def holds(self) -> pl.Expr:
        """Whether a rule about rows holds for each of them; a null breaks `present` alone."""
        column = pl.col(self.column or self.values[0])
        if self.kind == "present":
            return column.is_not_null()
        if self.kind == "unique":
            return column.is_unique() | column.is_null()
        if self.kind == "key":
            return pl.struct(self.values).is_unique()
        if self.kind == "among":
            fits = column.is_in(list(self.values))
        elif self.kind == "pattern":
            fits = column.str.contains(self.pattern)
        else:
            size = column.str.len_chars() if self.kind == "characters" else column
            fits = pl.lit(True)
            if self.low is not None:
                fits &= size >= self.low
            if self.high is not None:
                fits &= size <= self.high
        return fits.fill_null(True)
