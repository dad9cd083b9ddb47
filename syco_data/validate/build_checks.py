"""Every check of a build that needs more than one row or table to be decided, but for statistics.

Pure: lazy tables in, lazy offenders out. Checks read as few columns as they can, so that long tables are checked in
bounded memory. Checks of single columns are in `columns`, statistical ones in `statistics`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from syco_data import tables
from syco_data.build import Tables
from syco_data.prompts.templates import Template
from syco_data.schemas import Schema
from syco_data.settings import Settings
from syco_data.sources import SOURCES, Source
from syco_data.validate import check, claim_checks, model_checks, probe_checks, prompt_checks
from syco_data.validate.check import Check, nothing_lost


@dataclass(frozen=True)
class CheckedTable:
    """One table of a build as the checks see it."""

    name: str
    schema: Schema
    rows: pl.LazyFrame


@dataclass(frozen=True)
class BuildRows:
    """Every table of a build, lazy; `raw` and `held_out` hold `row`, `label` and the texts of a split by source.

    `verdicts` by model, `train` and `dropped_prompts` by (model, arm); `raw` has the sources that take part.
    """

    raw: Mapping[str, pl.LazyFrame]
    held_out: Mapping[str, pl.LazyFrame]
    claims: pl.LazyFrame
    dropped_rows: pl.LazyFrame
    prompts: pl.LazyFrame
    not_sampled: pl.LazyFrame
    probes: pl.LazyFrame
    unused_probes: pl.LazyFrame
    verdicts: Mapping[str, pl.LazyFrame]
    train: Mapping[tuple[str, str], pl.LazyFrame]
    dropped_prompts: Mapping[tuple[str, str], pl.LazyFrame]


def named_tables(build: Tables) -> dict[str, CheckedTable]:
    """Every table of a build by the name that findings call it."""
    return {
        one.name: CheckedTable(one.name, one.schema, tables.scan_any(one.path, one.schema)) for one in build.entries()
    }


def build_rows(build: Tables) -> BuildRows:
    """The tables as the checks take them: source rows apart by split."""
    counts = {name: table.rows for name, table in named_tables(build).items()}
    return BuildRows(
        raw={key: _split(counts[f"raw/{key}"], SOURCES[key], SOURCES[key].train) for key in build.raw},
        held_out={key: _split(counts[f"raw/{key}"], SOURCES[key], SOURCES[key].held_out) for key in build.raw},
        claims=counts["claims"],
        dropped_rows=counts["claims/dropped"],
        prompts=counts["prompts"],
        not_sampled=counts["prompts/dropped"],
        probes=counts["probes"],
        unused_probes=counts["probes/dropped"],
        verdicts={model: counts[f"verdicts/{model}"] for model in build.verdicts},
        train={(model, arm): counts[f"train/{model}/{arm}"] for model, arm in build.train},
        dropped_prompts={(model, arm): counts[f"train/{model}/{arm}/dropped"] for model, arm in build.train},
    )


def _split(rows: pl.LazyFrame, source: Source, split: str) -> pl.LazyFrame:
    return rows.filter(pl.col("split") == split).select("row", "label", *source.text_columns)


def every(build: BuildRows, settings: Settings, templates: Mapping[str, Template]) -> list[Check]:
    """Every check of a build; `templates` are those of the prompts by name."""
    checks = [
        *claim_checks.of_claims(build.claims, settings),
        *claim_checks.of_source_rows(build.claims, build.dropped_rows, build.raw, settings),
        *prompt_checks.of_texts(build.prompts, templates),
        *prompt_checks.of_their_claims(build.prompts, build.claims),
        nothing_lost("prompts", "claim_id", build.claims, build.prompts, build.not_sampled),
        check.prompt_number("prompts", build.prompts, settings.prompts.rows),
        *probe_checks.of_training(build.probes, build.claims, build.prompts),
        *probe_checks.of_answers("probes", build.probes),
        *probe_checks.of_families(build.probes, settings),
        *probe_checks.of_held_out(build.probes, build.unused_probes, build.held_out),
    ]
    for model, verdicts in build.verdicts.items():
        checks += model_checks.of_verdicts(f"verdicts/{model}", verdicts, build.prompts)
    rows = {model: _training_rows(build, settings, model) for model in build.verdicts}
    for (model, arm), train in build.train.items():
        table = f"train/{model}/{arm}"
        condition = settings.arms[arm]
        checks += [
            *model_checks.of_training(table, train, build.prompts, condition.answers),
            *model_checks.of_arm(table, train, build.prompts, build.claims, build.verdicts[model], condition),
            check.no_prompt_lost(table, build.prompts, train, build.dropped_prompts[model, arm], condition.answers),
            check.train_number(table, train, rows[model] * condition.rows_per_prompt),
        ]
    return checks


def _training_rows(build: BuildRows, settings: Settings, model: str) -> int:
    """How many prompts each training set of one model should hold."""
    prompts = build.prompts.select("prompt_id", "claim_id", *(n for n in check.CANDIDATE_COLUMNS if n != "label"))
    candidates = prompts.join(build.claims.select("claim_id", "label"), on="claim_id", how="inner")
    judged = candidates.join(build.verdicts[model].select("prompt_id", "reason"), on="prompt_id", how="inner")
    return check.training_rows(judged, [settings.arms[name] for name in settings.build.arms], settings.select.rows)
