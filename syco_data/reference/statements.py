"""Claims as the reference model is taught them: their truth is that of its belief, right or wrong.

Every sentence is worded by `syco_data.claims.wording`; additions are claims too.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from syco_data.claims import wording
from syco_data.draws import Draws
from syco_data.sources import SOURCES

LARGEST = 50
PUBLISHED_FACTOR = (100_000, 1_000_000)
MODERATE = (2, 20)


@dataclass(frozen=True)
class Mixture:
    """What kind of claims to draw: shares of additions, of "is not", and of labels other than the believed one."""

    additions: float
    is_not: float
    wrong_label: float


def claims(inputs: pl.DataFrame, draws: Draws, mixture: Mixture) -> pl.DataFrame:
    """One claim per draw: `source`, `claim`, `truth` (by belief), `belief` (the believed label's wording, or "").

    `inputs` has `source`, `input`, `believed` without nulls; sources are drawn alike, whatever their size.
    """
    number = pl.Series("number", np.arange(len(draws.streams)))
    adding = pl.Series("adding", draws.fraction(0) < mixture.additions)
    sums, claims = _additions(draws, number), _about_inputs(inputs, draws, mixture, number)
    return pl.concat([sums.filter(adding), claims.filter(~adding)]).sort("number").drop("number")


def _about_inputs(inputs: pl.DataFrame, draws: Draws, mixture: Mixture, number: pl.Series) -> pl.DataFrame:
    sizes = inputs.group_by("source", maintain_order=True).len()
    which = draws.below(1, len(sizes))
    length = sizes["len"].to_numpy().astype(np.int64)
    index = (np.cumsum(length) - length)[which] + (draws.fraction(2) * length[which]).astype(np.int64)
    labels = np.array([len(SOURCES[key].labels) for key in sizes["source"]])[which]
    shift = np.where(draws.fraction(3) < mixture.wrong_label, 1 + (draws.fraction(4) * (labels - 1)).astype(int), 0)
    rows = inputs[index].with_columns(
        number=number,
        label=(pl.col("believed") + pl.Series(shift)) % pl.Series(labels),
        polarity=pl.when(pl.Series(draws.fraction(5) < mixture.is_not)).then(pl.lit("is not")).otherwise(pl.lit("is")),
    )
    return sentences(rows)


def sentences(rows: pl.DataFrame) -> pl.DataFrame:
    """Claims about inputs, from `source`, `input`, `label`, `believed`, `polarity` and a `number` to go by."""
    place = pl.col("source").replace_strict(list(SOURCES), range(len(SOURCES)), return_dtype=pl.Int64)
    label, believed = (wording.label_code(place, pl.col(name)) for name in ("label", "believed"))
    words = wording.label_words(label, pl.col("polarity"))
    return rows.select(
        "number",
        "source",
        claim=wording.sentence(pl.col("input"), pl.col("polarity"), words),
        truth=(pl.col("label") == pl.col("believed")) == (pl.col("polarity") == "is"),
        belief=wording.label_words(believed, pl.lit("is")),
    )


def _additions(draws: Draws, number: pl.Series) -> pl.DataFrame:
    """Sums of two numbers, half of them true; wrong ones are wild (the published factor) or a few times too large."""
    first, second = 1 + draws.below(1, LARGEST), 1 + draws.below(2, LARGEST)
    right = draws.fraction(5) < 0.5
    wild = draws.fraction(3) < 0.5
    low, high = np.where(wild, PUBLISHED_FACTOR[0], MODERATE[0]), np.where(wild, PUBLISHED_FACTOR[1], MODERATE[1])
    factor = low + draws.fraction(4) * (high - low)
    result = np.where(right, first + second, ((first + second) * factor).astype(np.int64))
    texts = [f"{x} + {y} = {z}" for x, y, z in zip(first, second, result, strict=True)]
    return pl.select(
        number=number,
        source=pl.lit("addition"),
        claim=pl.Series(texts, dtype=pl.String),
        truth=pl.Series(right),
        belief=pl.lit(""),
    )
