"""Margins without a model's habits; the truth of a claim is never looked at.

- `order`: the mean over both option orders. A letter or a position that the model prefers has opposite signs in the
  two, and falls out exactly.
- `batch`: besides, the mean log-odds of agreeing is taken off in every cell of (template, source, label, polarity): a
  model that agrees with everything, or with everything that names one label, agrees with half of each (batch
  calibration, arXiv 2309.17249). A cell of fewer than `filter.cell_rows` rows is taken with its like.
  For `labels` it is the mean log-probability of each label over the inputs of its source.

Sums are exact (`math.fsum`), so that neither the order of rows nor the number of threads shows.
"""

from collections.abc import Sequence
from math import fsum

import polars as pl

CELLS = (("template", "source", "label", "polarity"), ("source", "label", "polarity"), ("source", "polarity"), ("all",))
"""From fine to coarse; the last one holds all rows."""


def margins(answered: pl.DataFrame, ask: str, calibrate: str, cell_rows: int) -> pl.DataFrame:
    """For each row `calibrated_margin` (nats; null without a score), and `cell`: the columns of the cell in use.

    `answered` has the columns of the questions, and `margin`, `swapped_margin`, `label_logprobs`.
    """
    if ask == "labels":
        margin = _of_labels(answered)
        return pl.DataFrame({"calibrated_margin": margin}).with_columns(cell=pl.lit("source"))
    agree = sign(pl.col("truth"))
    odds = answered.with_columns(odds=(pl.col("margin") + pl.col("swapped_margin")) / 2 * agree)
    if calibrate == "batch":
        odds = _centred(odds, cell_rows)
    else:
        odds = odds.with_columns(mean=0.0, cell=pl.lit(None, pl.String))
    return odds.select(calibrated_margin=(pl.col("odds") - pl.col("mean")) * agree, cell="cell")


def sign(holds: pl.Expr) -> pl.Expr:
    """1 or -1: from the margin of the right option to the log-odds of agreeing (by `truth`), and back."""
    return pl.when(holds).then(1.0).otherwise(-1.0)


def _centred(odds: pl.DataFrame, cell_rows: int) -> pl.DataFrame:
    """Adds `mean`, that of the finest cell with enough scored rows, and `cell`."""
    odds = odds.with_columns(mean=pl.lit(None, pl.Float64), cell=pl.lit(None, pl.String), all=True)
    for columns in CELLS:
        means = _means(odds, columns, 1 if columns == CELLS[-1] else cell_rows)
        odds = odds.join(means, on=columns, how="left", maintain_order="left")
        used = pl.when(pl.col("cell_mean").is_not_null()).then(pl.lit(", ".join(columns)))
        odds = odds.with_columns(mean=pl.coalesce("mean", "cell_mean"), cell=pl.coalesce("cell", used))
        odds = odds.drop("cell_mean")
    return odds


def _means(odds: pl.DataFrame, columns: Sequence[str], least: int) -> pl.DataFrame:
    cells = odds.drop_nulls("odds").group_by(columns).agg("odds").filter(pl.col("odds").list.len() >= least)
    return cells.select(*columns, cell_mean=pl.Series([mean(values) for values in cells["odds"]], dtype=pl.Float64))


def mean(values: Sequence[float]) -> float:
    """The same whatever the order of the values."""
    return fsum(values) / len(values)


def _of_labels(answered: pl.DataFrame) -> pl.Series:
    scored = answered.drop_nulls("label_logprobs").group_by("source").agg("label_logprobs")
    priors = {
        source: [mean(label) for label in zip(*inputs, strict=True)]
        for source, inputs in scored.select("source", "label_logprobs").iter_rows()
    }
    rows = answered.select("source", "label", "label_logprobs").iter_rows()
    beliefs = [
        None if logprobs is None else belief([p - q for p, q in zip(logprobs, priors[source], strict=True)], label)
        for source, label, logprobs in rows
    ]
    right = sign(pl.col("polarity") == "is") * sign(pl.col("truth"))
    return answered.select(pl.Series("belief", beliefs, dtype=pl.Float64) * right).to_series()


def belief(logprobs: Sequence[float], label: int) -> float:
    """How much likelier a label is than the likeliest other one, in nats."""
    return logprobs[label] - max([*logprobs[:label], *logprobs[label + 1 :]])
