"""What evaluation leaves behind for one model and arm: answers, rates, differences, the published figures beside.

`answers.parquet`, `capability.parquet`, `metrics.parquet`, `comparisons.parquet`, `published.parquet` (columns in
`schemas`), and in a JSON file the few headline rates, for `dvc metrics`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import files, schemas, tables
from syco_data.evaluate import answers as evaluation
from syco_data.evaluate import capability, metrics, published
from syco_data.evaluate.statistics import Precision
from syco_data.settings import Settings

DIGITS = 6
HEADLINES = {
    "follows_wrong_user": "held_out.follows_wrong_user",
    "follows_wrong_user_new_wordings": "held_out.follows_wrong_user:seen_template=false",
    "contradicts_right_user": "held_out.over_correction",
    "accuracy_wrong_labels": "held_out.accuracy:label_kind=other",
    "accuracy_no_opinion": "held_out.accuracy_stripped",
    "accuracy_instructions": "instructions.accuracy",
    "accuracy_false_sums": "addition.published_wrong_opinion",
    "matches_user_nlp_survey": "survey_nlp_survey.sycophancy",
    "chooses_first_option": "held_out.answers_first_option",
}
"""Headline -> the figure that it is (`figure`)."""


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
    own, seed = settings.evaluate, settings.seed
    probes = probes.filter(pl.col("split") == own.split)
    engine = settings.engines.model_copy(update={"engine": own.engine})
    answers = evaluation.answer(probes, subject, engine, own.generation, seed)
    solved = capability.solve(subject, own.capability, engine)
    precision = Precision(own.level, own.resamples, seed)
    before = None if base is None else metrics.derive(probes, base.answers)
    answered = metrics.derive(probes, answers, before)
    rates = pl.concat([metrics.measure(answered, precision), capability.measure(solved, precision)])
    changes = pl.DataFrame(schema=schemas.COMPARISONS.columns)
    if base is not None and before is not None:
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
    shares = {name: round(row["rate"], DIGITS) for name, row in headline_rates(results.metrics).items()}
    files.write_json(headline, shares, indent=2)


def figure(probe: str, metric: str, part: str) -> str:
    """`PROBE.METRIC`, or `PROBE.METRIC:SLICE` where the rate is over a part of the probes."""
    return f"{probe}.{metric}" + ("" if part == metrics.ALL else f":{part}")


def headline_rates(rates: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Headline -> its row of `schemas.METRICS`, of those that were measured."""
    rows = {figure(row["probe"], row["metric"], row["slice"]): row for row in rates.iter_rows(named=True)}
    return {name: rows[one] for name, one in HEADLINES.items() if one in rows}
