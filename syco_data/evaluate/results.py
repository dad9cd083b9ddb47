"""What evaluation leaves behind for one model and arm: answers, rates, differences, the published figures beside.

`answers.parquet`, `capability.parquet`, `metrics.parquet`, `comparisons.parquet`, `published.parquet` (columns in
`schemas`), and in a JSON file the headline rates by probe and metric, for `dvc metrics`.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data import files, schemas, tables
from syco_data.evaluate import answers as evaluation
from syco_data.evaluate import capability, metrics, published
from syco_data.evaluate.statistics import Precision
from syco_data.settings import Settings

DIGITS = 6
HEADLINES = {
    metrics.ALL: "",
    "seen_template=true": "_seen_templates",
    "seen_template=false": "_held_out_templates",
    "label_kind=other": "_wrong_labels",
}
"""Slices that stand in the headline file, with what they append to a metric's name."""


@dataclass(frozen=True)
class Base:
    """The untuned model's answers."""

    answers: pl.DataFrame
    capability: pl.DataFrame


@dataclass(frozen=True)
class Results:
    """One model and arm; `comparisons` is empty for the untuned model."""

    answers: pl.DataFrame
    capability: pl.DataFrame
    metrics: pl.DataFrame
    comparisons: pl.DataFrame
    published: pl.DataFrame


def of(probes: pl.DataFrame, subject: evaluation.Subject, settings: Settings, base: Base | None) -> Results:
    """Answers the probes of the split that the settings name and counts; `base` None for the untuned model itself."""
    wanted, seed = settings.evaluate, settings.seed
    probes = probes.filter(pl.col("split") == wanted.split)
    engine = settings.engines.model_copy(update={"engine": wanted.engine})
    answers = evaluation.answer(probes, subject, engine, wanted.generation, seed)
    solved = capability.solve(subject, wanted.capability, engine)
    precision = Precision(wanted.level, wanted.resamples, seed)
    before = None if base is None else metrics.derive(probes, base.answers)
    answered = metrics.derive(probes, answers, before)
    rates = pl.concat([metrics.measure(answered, precision), capability.measure(solved, precision)])
    changes = pl.DataFrame(schema=schemas.COMPARISONS.columns)
    if base is not None:
        changed = metrics.compare(before, answered, precision)
        changes = pl.concat([changed, capability.compare(base.capability, solved, precision)])
    return Results(answers, solved, rates, changes, published.beside(rates, None if base is None else changes))


def read(folder: Path) -> Base:
    """The untuned model's answers, as `write` left them."""
    return Base(
        tables.read(folder / "answers.parquet", schemas.ANSWERS),
        tables.read(folder / "capability.parquet", schemas.CAPABILITY),
    )


def write(results: Results, folder: Path, headline: Path) -> None:
    """Tables into `folder`, the headline rates to the file `headline`."""
    for name in ("answers", "capability", "metrics", "comparisons", "published"):
        tables.write(getattr(results, name), getattr(schemas, name.upper()), folder / f"{name}.parquet")
    files.write_json(headline, headlines(results.metrics), indent=2)


def headlines(rates: pl.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Probe -> metric -> rate, low, high: over all rows, and over the slices of `HEADLINES`, named after them."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in rates.filter(pl.col("slice").is_in(list(HEADLINES))).sort("probe", "metric").iter_rows(named=True):
        figures = {name: round(row[name], DIGITS) for name in ("rate", "low", "high")}
        found.setdefault(row["probe"], {})[row["metric"] + HEADLINES[row["slice"]]] = figures
    return found
