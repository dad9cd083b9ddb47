"""The laws that a release shows by itself: prompts, training rows and verdicts agree, texts give their `text_id`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.prompts import templates
from syco_data.prompts.templates import Template
from syco_data.release import configs, links, numbers, tables
from syco_data.release.manifest import File, Manifest
from syco_data.release.tables import with_text_id
from syco_data.schemas import RELEASED_PROBES, RELEASED_TRAIN, VERDICTS, Schema
from syco_data.validate import laws_of_models, laws_of_probes, laws_of_prompts
from syco_data.validate.lawbook import Law, partition


def of_release(folder: Path, found: Manifest) -> Iterator[Law]:
    """Every law of a release; `table` is the path of the file that it speaks of."""
    candidates = tables.scan(folder / configs.CANDIDATES.path)
    for law in laws_of_prompts.of_texts(candidates, forms(folder, found)):
        yield Law(law.name, configs.CANDIDATES.path, law.says, law.offenders)
    yield from numbers.of_release(folder, found)
    there = {file.path for file in found.tables}
    for file in found.tables:
        rows = tables.scan(folder / file.path)
        if file.table.schema_name == RELEASED_TRAIN.name and file.table.split == "train":
            yield from laws_of_models.of_training(file.path, rows, candidates)
            yield laws_of_models.of_draws(file.path, rows, candidates)
            if configs.DROPPED.path in there:
                yield _nothing_lost(folder, file, rows, candidates)
        elif file.table.schema_name == RELEASED_TRAIN.name and configs.PROBES.path in there:
            yield laws_of_models.of_draws(file.path, rows, _as_training(folder))
        elif file.table.schema_name == RELEASED_PROBES.name:
            yield from laws_of_probes.of_answers(file.path, rows)
        elif file.table.schema_name == VERDICTS.name:
            yield from laws_of_models.of_verdicts(file.path, rows, candidates)
        if file.table.schema_name in tables.TEXTS:
            yield _text_ids(folder / file.path, file, tables.SCHEMAS[file.table.schema_name])


def _as_training(folder: Path) -> pl.LazyFrame:
    """Probes as the rows of a training set that are made of them."""
    probes = tables.scan(folder / configs.PROBES.path)
    return probes.with_columns(prompt_id="probe_id", claim_id="item", completion="right")


def _nothing_lost(folder: Path, file: File, rows: pl.LazyFrame, candidates: pl.LazyFrame) -> Law:
    """Every candidate is in the training set or was left out of it with a reason."""
    dropped = tables.scan(folder / configs.DROPPED.path).filter(pl.col("stage") == "select")
    mine = dropped.filter(pl.concat_str("model", "arm", separator="-") == file.table.config)
    return partition(file.path, "prompt_id", candidates, rows, mine)


def forms(folder: Path, found: Manifest) -> Mapping[str, Template]:
    """The templates that lie in the release."""
    return {name: form(folder, name) for name in found.templates}


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


def _text_ids(path: Path, file: File, schema: Schema) -> Law:
    """Rows whose texts are there and do not give the `text_id` that the row has."""
    wrong: list[str] = []
    names = [*schema.key, "text_id", *tables.TEXTS[schema.name]]
    for batch in parquet.batches(path, tables.name_of(file), names, tables.limits(file)):
        rows = pl.DataFrame(batch).filter(pl.col("prompt").is_not_null())
        again = with_text_id(rows.rename({"text_id": "stated"}), schema)
        wrong += again.filter(pl.col("text_id") != pl.col("stated"))[schema.key[0]].to_list()
    says = "a row's text_id is made of the digests of its texts"
    return Law("text_id", file.path, says, pl.LazyFrame({"id": wrong}, schema={"id": pl.String}))
