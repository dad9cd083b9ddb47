"""Whether a release has as many prompts and training rows as the settings in its manifest ask for."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from syco_data.release import configs, manifest, tables
from syco_data.release.manifest import Manifest
from syco_data.release.tables import Place
from syco_data.schemas import RELEASED_TRAIN
from syco_data.settings import Arm
from syco_data.settings.records import Rows
from syco_data.validate import numbers
from syco_data.validate.lawbook import Law

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


def of_release(folder: Path, found: Manifest) -> Iterator[Law]:
    """The numbers of the candidates and of every training set."""
    try:
        asked = _Asked.model_validate(found.settings)
        sets = _training_sets(found, asked.build)
        arms = {name: _arm(asked.arms.get(name, {})) for name in asked.build.arms}
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        yield _broken("the settings name numbers of rows, models and arms", what)
        return
    except ValueError as error:
        yield _broken("there is a training set for every model and arm of the settings, and no other", str(error))
        return
    candidates = tables.scan(folder / configs.CANDIDATES.path)
    yield numbers.of_prompts(configs.CANDIDATES.path, candidates, asked.prompts.rows)
    for model in asked.build.models:
        rows = _training_rows(model, folder, arms, asked.select.rows)
        for path in sets[model]:
            yield numbers.of_training(path, tables.scan(folder / path), rows)


def _training_sets(found: Manifest, build: _Build) -> dict[str, list[str]]:
    """The paths of the training sets by model; `ValueError` where a table is missing or there is one too many."""
    there = {(file.table.config, file.table.schema_name) for file in found.tables if file.table.split == "train"}
    trained = sum(schema == RELEASED_TRAIN.name for _, schema in there)
    if trained != len(build.models) * len(build.arms):  # before long lists of a stranger are multiplied
        raise ValueError(f"{trained} sets for {len(build.models)} models and {len(build.arms)} arms")
    for model, arm in product(build.models, build.arms):
        if (f"{model}-{arm}", RELEASED_TRAIN.name) not in there:
            raise ValueError(f"none for model {model!r} and arm {arm!r}")
    for model in build.models:
        if _verdicts(model).path not in {file.path for file in found.tables}:
            raise ValueError(f"no verdicts of model {model!r}")
    return {model: [Place(f"{model}-{arm}", "train").path for arm in build.arms] for model in build.models}


def _arm(values: dict[str, Any]) -> Arm:
    """By way of JSON, which has lists and no tuples."""
    return Arm.model_validate_json(TypeAdapter(dict).dump_json(values))


def _verdicts(model: str) -> Place:
    return Place(f"verdicts-{model}", "train")


def _training_rows(model: str, folder: Path, arms: Mapping[str, Arm], rows: int | str) -> int:
    """How many rows each training set of one model should have."""
    drawn = tables.scan(folder / configs.CANDIDATES.path).select("prompt_id", *numbers.COLUMNS)
    judged = tables.scan(folder / _verdicts(model).path).select("prompt_id", "reason")
    return numbers.training_rows(drawn.join(judged, on="prompt_id", how="inner"), arms.values(), rows)


def _broken(says: str, what: str) -> Law:
    return Law("settings", manifest.NAME, says, pl.LazyFrame({"id": [what]}))
