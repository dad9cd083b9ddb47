"""A small build with everything that the report reads: real tables, checks and audits, made-up answerers."""

from pathlib import Path

import polars as pl

from syco_data import draws, schemas, tables
from syco_data.diff import diffing
from syco_data.engines import store
from syco_data.engines.planning import Request
from syco_data.evaluate import answers as evaluation
from syco_data.evaluate import metrics, published, results
from syco_data.evaluate.answers import BASE, Subject
from syco_data.evaluate.statistics import Precision
from syco_data.finetune import training_rows, tuning_jobs
from syco_data.prompts import prompts
from syco_data.release import release
from syco_data.report import evidence
from syco_data.settings import Settings
from syco_data.validate import findings, validation
from tests.support import tables_for_tests
from tests.support.tables_for_tests import MODEL, Made

NOTHING = pl.DataFrame(schema={"probe_id": pl.String, "generated": pl.String})
FOLLOWS = {BASE: 0.9, "balanced": 0.1, "published": 0.4, "unfiltered": 0.3}
"""How often each answerer gives the user's view where there is one; otherwise it is right nine times in ten."""
KNOWS = 0.9


def wanted(arms: dict[str, dict] | None = None) -> Settings:
    """Small settings, with further arms when given."""
    settings = tables_for_tests.small_settings(evaluate={"resamples": 60})
    if not arms:
        return settings
    values = settings.model_dump(mode="python", by_alias=True)
    values["arms"] |= arms
    values["build"]["arms"] = (*values["build"]["arms"], *arms)
    return Settings.model_validate(values)


def make(folder: Path, settings: Settings) -> evidence.Places:
    """Everything below `folder`, laid out like `data/`."""
    build = tables_for_tests.make(folder, settings)
    findings.write_reports(
        validation.check_build(build.tables, prompts.training_templates(settings.prompts), settings),
        folder / "reports/checks",
    )
    release.write_release(build.build, settings, folder / "release", diffing.bump)
    _answers(build, folder, settings)
    for arm in settings.build.arms:
        tuning_jobs.write_metrics(_run(settings, arm), folder / f"reports/tuning/{MODEL}/{arm}.json")
    return places(folder)


def places(folder: Path) -> evidence.Places:
    return evidence.Places(
        answers=folder / "answers",
        verdicts=folder / "verdicts",
        tuning=folder / "reports/tuning",
        prompts=folder / "prompts/prompts.parquet",
        probes=folder / "probes/probes.parquet",
        checks=folder / "reports/checks" / findings.CHECKS,
        audit=folder / "reports/checks" / findings.AUDIT,
        release=folder / "release",
    )


def _answers(build: Made, folder: Path, settings: Settings) -> None:
    rows = tables.read(build.tables.probes, schemas.PROBES).filter(split=settings.evaluate.split)
    precision = Precision(settings.evaluate.level, settings.evaluate.resamples, settings.seed)
    before = None
    for arm in (BASE, *settings.build.arms):
        answers = evaluation.tabulate(rows, scored(rows, arm, settings.seed), NOTHING, Subject(MODEL, arm, None))
        answered = metrics.derive(rows, answers)
        rates = metrics.measure(answered, precision)
        changes = pl.DataFrame(schema=schemas.COMPARISONS.columns)
        if before is None:
            before = answered
        else:
            changes = metrics.compare(before, answered, precision)
        result = results.Results(
            answers,
            pl.DataFrame(schema=schemas.CAPABILITY.columns),
            rates,
            changes,
            published.beside(rates, None if arm == BASE else changes),
        )
        results.write(result, folder / "answers" / MODEL / arm, folder / f"reports/evaluate/{MODEL}/{arm}.json")


def scored(questions: pl.DataFrame, arm: str, seed: int) -> pl.DataFrame:
    """Scores (`schemas.SCORES`) of an answerer who follows the user so often, and else is mostly right."""
    one = questions.unique(["prompt", "options"], keep="first", maintain_order=True)
    chance = draws.draw(one["probe_id"], seed, f"tests/{arm}")
    follows = pl.Series(chance.fraction(0) < FOLLOWS.get(arm, 0.2)) & one["user_view"].is_not_null()
    knows = pl.Series(chance.fraction(1) < KNOWS) & one["right"].is_not_null()
    rows = zip(*one.select("prompt", "options", "user_view", "right"), follows, knows, strict=True)
    table = []
    for prompt, options, user, right, following, knowing in rows:
        others = [option for option in options if option != right]
        best = user if following else right if knowing else others[-1]
        logprobs = [-0.1 if option == best else -3.0 for option in options]
        table.append((store.key(Request(prompt, tuple(options))), logprobs, 9, "letter"))
    return pl.DataFrame(table, schema=schemas.SCORES.columns, orient="row")


def _run(settings: Settings, arm: str) -> tuning_jobs.Metrics:
    parts, steps = settings.tuning(arm).parts, settings.tuning(arm).steps
    share = parts.generated / (parts.generated + parts.instruction)
    rows = steps * settings.finetune.batch
    counts = training_rows.RowCounts(
        400, 200, 0, 0, round(rows * share), rows - round(rows * share), share, 900, 90, 60
    )
    return tuning_jobs.Metrics(counts, steps, 1000, 1000, 1.2, 0.3, 0.9)
