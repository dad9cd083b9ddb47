"""Whether there are as many prompts and training rows as the settings ask for.

Nothing else in a build tells a table that was made for other settings from the right one: each of its rows is sound.
"""

from collections.abc import Iterable

import polars as pl

from syco_data.select import CELL
from syco_data.settings import Arm
from syco_data.validate.lawbook import Law

COLUMNS = ("label_kind", "truth", *CELL)
"""Of candidates, beside the `reason` of their verdict."""


def of_prompts(table: str, prompts: pl.LazyFrame, rows: int) -> Law:
    """As many prompts as `prompts.rows` says, whatever the sampling rule: a pool that is too small stops the build."""
    return _number("prompt_number", table, "there are as many prompts as prompts.rows asks for", prompts, rows)


def of_training(table: str, train: pl.LazyFrame, rows: int) -> Law:
    """As many training rows as `training_rows` gives."""
    says = "a training set has as many rows as select.rows asks for (matched: as many as the smallest arm can give)"
    return _number("train_number", table, says, train, rows)


def training_rows(candidates: pl.LazyFrame, arms: Iterable[Arm], rows: int | str) -> int:
    """`select.rows` as a number; under `matched` the greatest even one that each of the arms can give.

    `candidates` are one model's, with `COLUMNS` and `reason`.
    """
    if rows != "matched":
        return rows
    counts = pl.concat([_available(candidates, arm) for arm in arms])
    return counts.select(pl.col("rows").min() // 2 * 2).collect(engine="streaming").item()


def _available(candidates: pl.LazyFrame, arm: Arm) -> pl.LazyFrame:
    """How many rows one arm can give: all that count, or of each cell twice the rarer of true and false claims."""
    usable = pl.col("reason").is_null() if arm.filtered else pl.col("reason").ne_missing("too_long")
    rows = candidates.filter(pl.col("label_kind").is_in(list(arm.label_kinds)) & usable)
    if not arm.balanced:
        return rows.select(rows=pl.len().cast(pl.Int64))
    true = pl.col("truth").sum().cast(pl.Int64)
    pairs = rows.group_by(CELL).agg(pairs=pl.min_horizontal(true, pl.len().cast(pl.Int64) - true))
    return pairs.select(rows=2 * pl.col("pairs").sum())


def _number(name: str, table: str, says: str, rows: pl.LazyFrame, expected: int) -> Law:
    """A law about a whole table; its one offender says both numbers."""
    counted = rows.select(rows=pl.len())
    wrong = counted.filter(pl.col("rows") != expected)
    return Law(name, table, says, wrong.select(id=pl.format("{} rows and not {}", "rows", pl.lit(expected))))
