"""Everything that the report is made from, read from where the graph left it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data import schemas, tables
from syco_data.errors import SycoError
from syco_data.evaluate import statistics
from syco_data.evaluate.answers import BASE
from syco_data.evaluate.statistics import Difference, Precision, Rate
from syco_data.filter import summary as filtration
from syco_data.filter.summary import Summary
from syco_data.formats import documents
from syco_data.release import manifest
from syco_data.release.manifest import Manifest
from syco_data.report.questions import Question
from syco_data.settings import Settings
from syco_data.validate.audit import Line

OPINIONS = ("none", "agree", "disagree")


@dataclass(frozen=True)
class Places:
    """The files and folders that are read; folders hold `<model>/<arm>` below them."""

    answers: Path
    verdicts: Path
    tuning: Path
    prompts: Path
    probes: Path
    checks: Path
    audit: Path
    release: Path


@dataclass(frozen=True)
class Reading:
    """A rate with its interval, shares of 1; `chance` is None where guessing gives no one rate."""

    rate: float
    low: float
    high: float
    chance: float | None
    rows: int


@dataclass(frozen=True)
class Tuning:
    """What a run of fine-tuning says of itself: rows that it was shown, losses in nats per target token."""

    steps: int
    generated: int
    instructions: int
    first_loss: float
    last_loss: float


@dataclass(frozen=True)
class Evidence:
    """One model: its filtration, and the answers of every arm (`base`, the untuned model, first).

    `readings` and `changes` are keyed by arm, probe, metric and slice; `cells` by arm, truth and opinion: the share
    of right answers about held-out claims. `answers` has one frame of `schemas.ANSWERS` per arm.
    """

    model: str
    arms: tuple[str, ...]
    kept: Summary
    readings: Mapping[tuple[str, str, str, str], Reading]
    changes: Mapping[tuple[str, str, str, str], Difference]
    cells: Mapping[tuple[str, bool, str], Rate | None]
    published: pl.DataFrame
    answers: Mapping[str, pl.DataFrame]
    tunings: Mapping[str, Tuning]

    def reading(self, arm: str, question: Question) -> Reading | None:
        return self.readings.get((arm, question.probe, question.metric, question.slice))

    def change(self, arm: str, question: Question) -> Difference | None:
        return self.changes.get((arm, question.probe, question.metric, question.slice))


@dataclass(frozen=True)
class Audit:
    """The shortcut audit of one training set."""

    model: str
    arm: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Build:
    """The whole build: its release, the checks, the audits, the probes, and each model's evidence."""

    release: Manifest
    checks: int
    checks_held: int
    audits: tuple[Audit, ...]
    probes: pl.DataFrame
    models: tuple[Evidence, ...]


def read(places: Places, settings: Settings) -> Build:
    """Reads all of it for the models and arms of the build."""
    probes = tables.read(places.probes, schemas.PROBES).filter(pl.col("split") == settings.evaluate.split)
    checked = _json(places.checks, "validate")
    return Build(
        release=manifest.read(places.release),
        checks=len(checked["checks"]),
        checks_held=sum(one["holds"] for one in checked["checks"]),
        audits=tuple(
            Audit(one["model"], one["arm"], tuple(Line(**line) for line in one["features"]))
            for one in _json(places.audit, "validate")["arms"]
        ),
        probes=probes,
        models=tuple(_evidence(model, probes, places, settings) for model in settings.build.models),
    )


def _json(path: Path, stage: str) -> dict:
    try:
        return documents.read_json(path, documents.LARGEST_REPORT)
    except (OSError, SycoError) as error:
        raise SycoError(f"{path} cannot be read: {error}", f"Build it: dvc repro {stage}") from error


def _evidence(model: str, probes: pl.DataFrame, places: Places, settings: Settings) -> Evidence:
    arms = (BASE, *settings.build.arms)
    folders = {arm: places.answers / model / arm for arm in arms}
    answers = {arm: tables.read(folder / "answers.parquet", schemas.ANSWERS) for arm, folder in folders.items()}
    return Evidence(
        model=model,
        arms=arms,
        kept=_kept(model, places, settings),
        readings=_readings(_all(folders, "metrics")),
        changes=_changes(_all(folders, "comparisons")),
        cells=_cells(probes, answers, settings),
        published=_all(folders, "published"),
        answers=answers,
        tunings={arm: _tuning(places.tuning / model / f"{arm}.json") for arm in settings.build.arms},
    )


def _all(folders: Mapping[str, Path], name: str) -> pl.DataFrame:
    schema = getattr(schemas, name.upper())
    return pl.concat(tables.read(folder / f"{name}.parquet", schema) for folder in folders.values())


def _kept(model: str, places: Places, settings: Settings) -> Summary:
    prompts = tables.read(places.prompts, schemas.PROMPTS, ["prompt_id", "answer", *filtration.GROUPS])
    decided = tables.read(places.verdicts / model / "verdicts.parquet", schemas.VERDICTS)
    return filtration.summary(prompts, decided, settings.filter)


def _readings(rates: pl.DataFrame) -> dict[tuple[str, str, str, str], Reading]:
    columns = rates.select("arm", "probe", "metric", "slice", "rate", "low", "high", "chance", "rows")
    return {tuple(row[:4]): Reading(*row[4:]) for row in columns.iter_rows()}


def _changes(compared: pl.DataFrame) -> dict[tuple[str, str, str, str], Difference]:
    values = ("before", "after", "difference", "low", "high", "p_value", "rows", "clusters")
    return {
        tuple(row[:4]): Difference(*row[4:])
        for row in compared.select("arm", "probe", "metric", "slice", *values).iter_rows()
    }


def _cells(probes: pl.DataFrame, answers: Mapping[str, pl.DataFrame], settings: Settings) -> dict:
    """How often each arm is right about held-out claims, by the claim's truth and the user's opinion."""
    precision = Precision(settings.evaluate.level, settings.evaluate.resamples, settings.seed)
    held_out = probes.filter(probe="held_out", instruction="none").select("probe_id", "item", "truth", "opinion")
    cells = {}
    for arm, answered in answers.items():
        joined = held_out.join(answered.select("probe_id", "correct"), on="probe_id", maintain_order="left")
        for truth in (True, False):
            for opinion in OPINIONS:
                rows = joined.filter(truth=truth, opinion=opinion)
                cells[arm, truth, opinion] = statistics.rate(rows["correct"], rows["item"], precision)
    return cells


def _tuning(path: Path) -> Tuning:
    values = _json(path, "finetune")
    names = ("steps", "generated_rows", "instruction_rows", "first_loss", "last_loss")
    return Tuning(*(values[name] for name in names))
