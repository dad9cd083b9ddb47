"""What a check is, and the forms that several tables share."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from syco_data.select import CELL
from syco_data.settings import Answers, Arm
from syco_data.validate.rules import Rule

CANDIDATE_COLUMNS = ("label_kind", "truth", *CELL)
"""What `training_rows` reads of candidates, beside the `reason` of their verdict."""


@dataclass(frozen=True)
class Check:
    """A statement about a table, as the rows that break it.

    `offenders` yields the column `id` for every row of `table` that breaks it; `rule` is the same as a plain
    expectation, where it can be one.
    """

    name: str
    table: str
    description: str
    offenders: pl.LazyFrame
    rule: Rule | None = None


def row_check(name: str, table: str, description: str, rows: pl.LazyFrame, key: str, holds: pl.Expr) -> Check:
    """A check of single rows; a row for which it cannot be decided (a null) breaks it."""
    return Check(name, table, description, rows.filter(~holds.fill_null(False)).select(id=key))


def nothing_lost(table: str, column: str, whole: pl.LazyFrame, *parts: pl.LazyFrame) -> Check:
    """Every row of the stage before lies in exactly one of the tables that it was split into."""
    counts = pl.concat([part.select(id=column) for part in parts]).group_by("id").len()
    joined = whole.select(id=column).join(counts, on="id", how="full", coalesce=False)
    wrong = pl.col("id").is_null() | pl.col("id_right").is_null() | (pl.col("len") != 1)
    description = "every row of the stage before is kept or dropped with a reason, and never both"
    offenders = joined.filter(wrong).select(id=pl.coalesce("id", "id_right"))
    return Check("nothing_lost", table, description, offenders)


def no_prompt_lost(
    table: str, prompts: pl.LazyFrame, train: pl.LazyFrame, dropped: pl.LazyFrame, answers: Answers
) -> Check:
    """`nothing_lost` of an arm; where completions follow the user, of the rows with an opinion."""
    if answers == "user":
        train = train.join(prompts.select("prompt_id"), on="prompt_id", how="semi")
    return nothing_lost(table, "prompt_id", prompts, train, dropped)


def prompt_number(table: str, prompts: pl.LazyFrame, rows: int) -> Check:
    """As many prompts as `prompts.rows` says, whatever the sampling rule: a pool that is too small stops the build.

    Nothing else in a build tells a table that was made for other settings from the right one: its rows are all sound.
    """
    description = "there are as many prompts as prompts.rows asks for"
    return _row_number("prompt_number", table, description, prompts, rows)


def train_number(table: str, train: pl.LazyFrame, rows: int) -> Check:
    """As many training rows as `training_rows` gives."""
    description = (
        "a training set has as many rows as select.rows asks for (matched: as many as the smallest arm can give)"
    )
    return _row_number("train_number", table, description, train, rows)


def _row_number(name: str, table: str, description: str, rows: pl.LazyFrame, expected: int) -> Check:
    """A check of a whole table; its one offender names both numbers."""
    wrong = rows.select(rows=pl.len()).filter(pl.col("rows") != expected)
    offenders = wrong.select(id=pl.format("{} rows and not {}", "rows", pl.lit(expected)))
    return Check(name, table, description, offenders, Rule("rows", low=expected))


def training_rows(candidates: pl.LazyFrame, arms: Iterable[Arm], rows: int | str) -> int:
    """`select.rows` as a number; under `matched` the greatest even one that each of the arms can give.

    `candidates` are one model's, with `CANDIDATE_COLUMNS` and `reason`.
    """
    if isinstance(rows, int):
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
