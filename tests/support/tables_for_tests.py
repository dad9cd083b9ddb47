"""A small, sound build made by the real code from the synthetic rows, for tests of what stands behind it.

Verdicts come from a made-up model that knows four claims in five, by an addressed draw.
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import polars as pl
import yaml

from syco_data import draws, probes, schemas, select, settings, tables
from syco_data.acquire import acquire, provenance
from syco_data.build import Tables
from syco_data.claims import claims
from syco_data.diff import diffing
from syco_data.probes import survey_files
from syco_data.prompts import prompts
from syco_data.reference import instructions
from syco_data.release import release
from syco_data.release.manifest import Git
from syco_data.release.release import FinishedBuild
from syco_data.settings import Settings
from syco_data.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("sst2", "tweet_offensive", "qqp", "snli", "trec", "wnli")
MODEL = "tiny"
KNOWN_SHARE = 0.8


@dataclass(frozen=True)
class Made:
    """A build below `folder`, laid out like `data/`."""

    folder: Path
    settings: Settings

    @property
    def tables(self) -> Tables:
        return Tables.below(self.folder, self.sources, [MODEL], self.settings.build.arms)

    @property
    def sources(self) -> list[str]:
        return self.settings.participating()

    @property
    def build(self) -> FinishedBuild:
        return FinishedBuild(
            tables=self.tables,
            reports=self.folder / "reports/checks",
            provenance={key: provenance.read(self.folder / f"raw/{key}/provenance.json") for key in self.sources},
            models={MODEL: {"source": "reference", "revision": None, "digest": "0" * 32}},
            git=Git(commit="c" * 40, dirty=False),
        )


def small_settings(**changes: dict) -> Settings:
    """The project's own params with fewer sources and rows; `changes` are merged group by group."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["sources"] = {key: {"revision": "main", "licence": "allow"} for key in KEYS}
    values["acquire"]["synthetic_rows"] = {"train": 500, "held_out": 60}
    values["prompts"].update(rows=2000, sampling="balanced", templates=["professor", "plain"])
    values["models"] = {MODEL: dict(next(iter(values["models"].values())), source="reference")}
    values["build"] = {"models": [MODEL], "arms": ["balanced", "published", "unfiltered"]}
    small = {"items": 60, "templates": ["professor", "afterthought"]}
    values["probes"].update(held_out=small, pressure=10, preference=10, instructions=20)
    values["probes"]["addition"].update(sums=20, crossed=5)
    values["probes"]["surveys"]["rows"] = 20
    for group, keys in changes.items():
        values[group] = {**values[group], **keys} if isinstance(values[group], dict) else keys
    return settings.parse(values)


@cache
def shared_build() -> Made:
    """One sound build for all tests of a run: read it, copy it, never write to it."""
    folder = Path(tempfile.mkdtemp(prefix="syco-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    build = make(folder / "data", small_settings())
    plain_reports(build.folder / "reports/checks")
    return build


@cache
def shared_release() -> Path:
    """A release of the shared build: read it, copy it, never write to it."""
    build = shared_build()
    target = build.folder.parent / "release"
    release.write_release(build.build, build.settings, target, diffing.bump)
    return target


def copy_of_release(target: Path) -> Path:
    """A release that a test may damage."""
    return Path(shutil.copytree(shared_release(), target))


def make(folder: Path, settings: Settings, rows: Mapping[str, pl.DataFrame] | None = None) -> Made:
    """Runs acquire, claims, prompts, probes, verdicts and select below `folder`; `rows` stand in for the origin's."""
    raw = {key: _acquire(key, folder, settings, rows) for key, choice in settings.sources.items()}
    built = claims.build({key: _split(key, rows, "train") for key, rows in raw.items()}, settings.claims, settings.seed)
    tables.write(built.kept, schemas.CLAIMS, folder / "claims/claims.parquet")
    tables.write(built.dropped, schemas.DROPPED_ROWS, folder / "claims/dropped.parquet")
    requests = prompts.build(built.kept, settings.prompts, settings.seed)
    with tables.writer(schemas.PROMPTS, folder / "prompts/prompts.parquet") as out:
        for chunk in requests.chunks():
            out.append(chunk)
    tables.write(requests.dropped, schemas.NOT_SAMPLED, folder / "prompts/dropped.parquet")
    _probes(raw, built.kept, folder, settings)
    tables.write(
        verdicts(requests.candidates, settings.seed), schemas.VERDICTS, folder / f"verdicts/{MODEL}/verdicts.parquet"
    )
    build = Made(folder, settings)
    _select(build)
    return build


def _acquire(key: str, folder: Path, settings: Settings, rows: Mapping[str, pl.DataFrame] | None) -> pl.DataFrame:
    acquired = acquire.acquire(SOURCES[key], settings)
    if rows is not None:
        acquired = replace(acquired, rows=rows[key])
    acquire.write(acquired, folder / "raw" / key)
    return acquired.rows


def _split(key: str, rows: pl.DataFrame, side: str) -> pl.DataFrame:
    return rows.filter(pl.col("split") == getattr(SOURCES[key], side))


def _probes(raw: dict[str, pl.DataFrame], trained: pl.DataFrame, folder: Path, settings: Settings) -> None:
    materials = probes.Materials(
        held_out={key: _split(key, table, "held_out") for key, table in raw.items()},
        training_inputs=trained.lazy(),
        surveys=survey_files.load(settings.probes.surveys, settings.seed, settings.hub),
        instructions=instructions.rows(settings.probes.instructions, settings.seed, "held_out"),
    )
    built = probes.build(materials, settings)
    tables.write(built.probes, schemas.PROBES, folder / "probes/probes.parquet")
    tables.write(built.dropped, schemas.UNUSED_ROWS, folder / "probes/dropped.parquet")


def verdicts(candidates: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`schemas.VERDICTS` of a model that knows a fixed share of all claims, asked in both orders."""
    knows = pl.Series(draws.draw(candidates["claim_id"], seed, "tests/knows").fraction(0) < KNOWN_SHARE)
    rows = candidates.select("prompt_id", right_is_a=pl.col("answer") == "(A)").with_columns(known=knows)
    chooses_a = pl.col("right_is_a") == pl.col("known")
    near, far = pl.lit(-0.1), pl.lit(-2.4)
    letters = {True: "(A)", False: "(B)"}
    margin = pl.when("known").then(2.3).otherwise(-2.3)
    return rows.with_columns(
        logprob_a=pl.when(chooses_a).then(near).otherwise(far),
        logprob_b=pl.when(chooses_a).then(far).otherwise(near),
        choice=chooses_a.replace_strict(letters, return_dtype=pl.String),
        margin=margin,
        correct="known",
        swapped_logprob_a=pl.when(chooses_a).then(far).otherwise(near),
        swapped_logprob_b=pl.when(chooses_a).then(near).otherwise(far),
        swapped_choice=(~chooses_a).replace_strict(letters, return_dtype=pl.String),
        swapped_margin=margin,
        swapped_correct="known",
        label_logprobs=pl.lit(None, pl.List(pl.Float64)),
        calibrated_margin=pl.lit(None, pl.Float64),
        reason=pl.when(~pl.col("known")).then(pl.lit("unknown")),
    ).select(schemas.VERDICTS.names)


def _select(build: Made) -> None:
    places, settings = build.tables, build.settings
    rows = tables.read(places.prompts, schemas.PROMPTS)
    pool = select.pool(
        rows,
        tables.read(places.claims, schemas.CLAIMS),
        tables.read(places.verdicts[MODEL], schemas.VERDICTS),
        settings.seed,
    )
    arms = [settings.arms[name] for name in settings.build.arms]
    size = select.matched_size(pool, arms, settings.select.rows)
    for name in settings.build.arms:
        taken = select.select(pool, settings.arms[name], size)
        tables.write(select.train_rows(taken.kept, rows, settings.arms[name]), schemas.TRAIN, places.train[MODEL, name])
        tables.write(taken.dropped, schemas.DROPPED_PROMPTS, places.dropped_prompts[MODEL, name])


def plain_reports(folder: Path) -> None:
    """Reports of stage validate for tests of a release that are not about checks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checks.json").write_text(json.dumps({"schema": 1, "passed": True, "checks": []}), encoding="utf-8")
    (folder / "audit.json").write_text(json.dumps({"schema": 1, "arms": []}), encoding="utf-8")
