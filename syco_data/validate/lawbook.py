"""What a law is, and the two forms that most laws have."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Law:
    """`offenders` yields the column `id` for every row of `table` that breaks the law; `says` is the law in words."""

    name: str
    table: str
    says: str
    offenders: pl.LazyFrame


def law(name: str, table: str, says: str, rows: pl.LazyFrame, key: str, holds: pl.Expr) -> Law:
    """A law about single rows; where the statement cannot be decided (a null), the row breaks it."""
    return Law(name, table, says, rows.filter(~holds.fill_null(False)).select(id=key))


def partition(table: str, column: str, whole: pl.LazyFrame, *parts: pl.LazyFrame) -> Law:
    """Every row of the stage before lies in exactly one of the tables that it was split into."""
    counted = pl.concat([part.select(id=column) for part in parts]).group_by("id").len()
    joined = whole.select(id=column).join(counted, on="id", how="full", coalesce=False)
    wrong = pl.col("id").is_null() | pl.col("id_right").is_null() | (pl.col("len") != 1)
    offenders = joined.filter(wrong).select(id=pl.coalesce("id", "id_right"))
    return Law(
        "nothing_lost",
        table,
        "every row of the stage before is kept or dropped with a reason, and never both",
        offenders,
    )
