"""The checks that a release shows by itself: prompts, training rows and verdicts agree, texts give their `text_id`."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.prompts import templates
from syco_data.prompts.templates import Template
from syco_data.release import configs, links, manifest, tables
from syco_data.release.manifest import File, Manifest
from syco_data.release.schemas import RELEASED_PROBES, RELEASED_TRAIN
from syco_data.release.tables import Place, with_text_id
from syco_data.schemas import VERDICTS, Schema
from syco_data.select import asked
from syco_data.settings import Answers, Arm
from syco_data.settings.records import Rows
from syco_data.validate import model_checks, probe_checks, prompt_checks
from syco_data.validate.check import (
    CANDIDATE_COLUMNS,
    Check,
    no_prompt_lost,
    prompt_number,
    train_number,
    training_rows,
)


def of_release(folder: Path, release: Manifest) -> Iterator[Check]:
    """Every check of a release; `table` is the path of the file that it speaks of."""
    candidates = tables.scan(folder / configs.CANDIDATES.path)
    for check in prompt_checks.of_texts(candidates, forms(folder, release)):
        yield Check(check.name, configs.CANDIDATES.path, check.description, check.offenders)
    yield from _row_numbers(folder, release)
    there = {file.path for file in release.tables}
    for file in release.tables:
        rows = tables.scan(folder / file.path)
        if file.as_table.schema_name == RELEASED_TRAIN.name and file.as_table.split == "train":
            answers: Answers = "user" if file.as_table.config in release.controls else "truth"
            yield from model_checks.of_training(file.path, rows, candidates, answers)
            yield model_checks.of_draws(file.path, rows, asked(candidates, answers))
            if configs.DROPPED.path in there:
                yield _nothing_lost(folder, file, rows, candidates, answers)
        elif file.as_table.schema_name == RELEASED_TRAIN.name and configs.PROBES.path in there:
            yield model_checks.of_draws(file.path, rows, _as_training(folder))
        elif file.as_table.schema_name == RELEASED_PROBES.name:
            yield from probe_checks.of_answers(file.path, rows)
        elif file.as_table.schema_name == VERDICTS.name:
            yield from model_checks.of_verdicts(file.path, rows, candidates)
        if file.as_table.schema_name in tables.TEXTS:
            yield _text_ids(folder / file.path, file, tables.SCHEMAS[file.as_table.schema_name])


def _as_training(folder: Path) -> pl.LazyFrame:
    """Probes as the rows of a training set that are made of them."""
    probes = tables.scan(folder / configs.PROBES.path)
    return probes.with_columns(prompt_id="probe_id", claim_id="item", completion="right")


def _nothing_lost(folder: Path, file: File, rows: pl.LazyFrame, candidates: pl.LazyFrame, answers: Answers) -> Check:
    """Every candidate is in the training set or was left out of it with a reason."""
    dropped = tables.scan(folder / configs.DROPPED.path).filter(pl.col("stage") == "select")
    mine = dropped.filter(pl.concat_str("model", "arm", separator="-") == file.as_table.config)
    return no_prompt_lost(file.path, candidates, rows, mine, answers)


def forms(folder: Path, release: Manifest) -> Mapping[str, Template]:
    """The templates that lie in the release."""
    return {name: form(folder, name) for name in release.templates}


def template_path(name: str) -> str:
    """Where a template lies in a release."""
    return f"recipe/templates/{name}.jinja"


def form(folder: Path, name: str) -> Template:
    """A template of a release; raises `SycoError` where it is none."""
    try:
        return templates.parse(name, templates.text_of(links.file(folder, template_path(name))))
    except SycoError:
        raise
    except Exception as error:  # a stranger's template is run, in a sandbox, and may fail in any way
        raise SycoError(f"template '{name}': {type(error).__name__}: {error}") from error


def _text_ids(path: Path, file: File, schema: Schema) -> Check:
    """Rows whose texts are there and do not give the `text_id` that the row has."""
    wrong: list[str] = []
    names = [*schema.key, "text_id", *tables.TEXTS[schema.name]]
    for batch in parquet.batches(path, tables.name_of(file), names, tables.limits(file)):
        rows = pl.DataFrame(batch).filter(pl.col("prompt").is_not_null())
        again = with_text_id(rows.rename({"text_id": "stated"}), schema)
        wrong += again.filter(pl.col("text_id") != pl.col("stated"))[schema.key[0]].to_list()
    description = "a row's text_id is made of the digests of its texts"
    return Check("text_id", file.path, description, pl.LazyFrame({"id": wrong}, schema={"id": pl.String}))


Names = Annotated[list[str], Field(min_length=1)]


class _Part(BaseModel):
    """Of a stranger's settings: what is not looked into may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Prompts(_Part):
    rows: Rows


class _Select(_Part):
    rows: Rows | Literal["matched"]


class _Build(_Part):
    models: Names
    arms: Names


class _Asked(_Part):
    """The groups that say how many rows there should be; `arms` are read one by one, by the names of `build`."""

    prompts: _Prompts
    select: _Select
    build: _Build
    arms: dict[str, dict[str, Any]]


def _row_numbers(folder: Path, release: Manifest) -> Iterator[Check]:
    """The numbers of the candidates and of every training set."""
    try:
        groups = _Asked.model_validate(release.settings)
        sets = _training_sets(release, groups.build)
        arms = {name: _arm(groups.arms.get(name, {})) for name in groups.build.arms}
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        yield _broken("the settings name numbers of rows, models and arms", what)
        return
    except ValueError as error:
        yield _broken("there is a training set for every model and arm of the settings, and no other", str(error))
        return
    candidates = tables.scan(folder / configs.CANDIDATES.path)
    yield prompt_number(configs.CANDIDATES.path, candidates, groups.prompts.rows)
    for model in groups.build.models:
        rows = _training_rows(model, folder, arms, groups.select.rows)
        for path, arm in zip(sets[model], arms.values(), strict=True):
            yield train_number(path, tables.scan(folder / path), rows * arm.rows_per_prompt)


def _training_sets(release: Manifest, build: _Build) -> dict[str, list[str]]:
    """The paths of the training sets by model; `ValueError` where a table is missing or there is one too many."""
    there = {
        (file.as_table.config, file.as_table.schema_name) for file in release.tables if file.as_table.split == "train"
    }
    trained = sum(schema == RELEASED_TRAIN.name for _, schema in there)
    if trained != len(build.models) * len(build.arms):  # before long lists of a stranger are multiplied
        raise ValueError(f"{trained} sets for {len(build.models)} models and {len(build.arms)} arms")
    for model, arm in product(build.models, build.arms):
        if (f"{model}-{arm}", RELEASED_TRAIN.name) not in there:
            raise ValueError(f"none for model {model!r} and arm {arm!r}")
    for model in build.models:
        if _verdicts(model).path not in {file.path for file in release.tables}:
            raise ValueError(f"no verdicts of model {model!r}")
    return {model: [Place(f"{model}-{arm}", "train").path for arm in build.arms] for model in build.models}


def _arm(values: dict[str, Any]) -> Arm:
    """By way of JSON, which has lists and no tuples."""
    return Arm.model_validate_json(TypeAdapter(dict).dump_json(values))


def _verdicts(model: str) -> Place:
    return Place(f"verdicts-{model}", "train")


def _training_rows(model: str, folder: Path, arms: Mapping[str, Arm], rows: int | str) -> int:
    """How many prompts each training set of one model should hold."""
    candidates = tables.scan(folder / configs.CANDIDATES.path).select("prompt_id", *CANDIDATE_COLUMNS)
    judged = tables.scan(folder / _verdicts(model).path).select("prompt_id", "reason")
    return training_rows(candidates.join(judged, on="prompt_id", how="inner"), arms.values(), rows)


def _broken(description: str, what: str) -> Check:
    return Check("settings", manifest.NAME, description, pl.LazyFrame({"id": [what]}))
