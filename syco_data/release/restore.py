"""Puts the texts back into a release that was published without them.

The release carries ids, draws, personas, settings and templates; the sources carry the texts. Claims, prompts and
probes are built again by the same code, and every text is taken over only where the row's `text_id` says that it
is the very same. The result is a release of its own with the same content digests, written whole or not at all.
"""

import copy
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from syco_data import files, ownership, probes, settings, tables
from syco_data.claims import claims
from syco_data.errors import SycoError
from syco_data.hub.client import RETRY
from syco_data.prompts import prompts
from syco_data.release import cards, configs, manifest
from syco_data.release import tables as released
from syco_data.release.manifest import CARD, File, Manifest, TableRecord
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_TRAIN
from syco_data.release.tables import Place, with_text_id
from syco_data.schemas import Schema
from syco_data.select import alone_id
from syco_data.settings import Settings
from syco_data.sources import SOURCES
from syco_data.words import counted

_LEFT_OUT, _INCLUDED = "| left out |", "| included |"
"""A cell of the card's licence table (`cards`)."""
REPEATED, FEW = 2, 10_000
"""How many made rows one probe may stand for, and how many rows are made without asking."""
GROUPS = ("seed", "acquire", "sources", "claims", "prompts", "probes")


@dataclass(frozen=True)
class Places:
    """Folders of this machine: of sources (null: the origin that the release was built from) and of surveys."""

    sources: str | None
    surveys: str | None


@dataclass(frozen=True)
class Texts:
    """Every text that a release can hold, rebuilt: columns as in the schemas, each with its `text_id`."""

    candidates: pl.DataFrame
    probes: pl.DataFrame

    def of(self, schema: Schema) -> pl.DataFrame:
        """The texts of one released table, by its key."""
        columns = (*schema.key, *released.TEXTS[schema.name])
        if schema is RELEASED_TRAIN:
            beside = self.probes.select(prompt_id="probe_id", prompt="prompt")
            alone = self.candidates.select(alone_id(), prompt="stripped_prompt")
            return pl.concat([self.candidates.select("prompt_id", "prompt"), alone, beside])
        return (self.candidates if schema is RELEASED_CANDIDATES else self.probes).select(columns)


def recipe(release: Manifest, folder: Path, places: Places) -> Settings:
    """The settings that a release was built with, at the revisions it was built from, with the places of this machine.

    Only the groups that restoring needs are there.
    """
    try:
        values = {name: copy.deepcopy(release.settings[name]) for name in GROUPS}
        values["acquire"] = {**values["acquire"], "directory": places.sources}
        if places.sources:
            values["acquire"]["origin"] = "directory"
        values["prompts"] = {**values["prompts"], "template_folder": str(folder / "recipe" / "templates")}
        surveys = {**values["probes"]["surveys"], "directory": places.surveys}
        values["probes"] = {**values["probes"], "surveys": surveys}
        for key, record in release.sources.items():
            choice = values["sources"][key]
            values["sources"][key] = {**choice, "revision": record.get("revision") or choice["revision"]}
    except (KeyError, TypeError) as error:
        raise SycoError(f"the manifest's settings cannot be read: {error}", "Get the release again") from error
    recipe_settings = settings.parse_groups(values, "the manifest's settings")
    _check_sizes(recipe_settings, release)
    return recipe_settings.model_copy(update={"hub": RETRY})


def _check_sizes(settings: Settings, release: Manifest) -> None:
    """Refuses settings that make more rows than the release has: what is made for it is in its tables, or dropped.

    Some rows of a survey or an instruction are made twice and kept once, so there may be more of them.
    """
    candidates, probed, dropped = (
        release.table(place.config, place.split).as_table.rows
        for place in (configs.CANDIDATES, configs.PROBES, configs.DROPPED)
    )
    rows, surveys = settings.acquire.synthetic_rows, settings.probes.surveys
    rows_by_key = {
        "acquire.synthetic_rows": (rows.train + rows.held_out)
        * len(release.sources)
        * (settings.acquire.origin == "synthetic"),
        "probes.surveys.rows": surveys.rows * len(surveys.sets) * (surveys.origin == "synthetic"),
        "probes.instructions": settings.probes.instructions,
    }
    stated = {"acquire.synthetic_rows": candidates + probed + dropped}
    for key, count in rows_by_key.items():
        most = stated.get(key, REPEATED * probed + FEW)
        if count > most:
            raise SycoError(
                f"the manifest's settings: '{key}' makes {counted(count, 'row')}, "
                f"a release of its size can have {most:,}",
                "Get the release again",
            )


def texts(raw: Mapping[str, pl.DataFrame], materials: probes.Materials, settings: Settings) -> Texts:
    """Claims, prompts and probes once more; `raw` holds the training rows of each source (`schemas.raw`)."""
    claims_built = claims.build(raw, settings.claims, settings.seed)
    questions = pl.concat(list(prompts.build(claims_built.kept, settings.prompts, settings.seed).chunks()))
    worded = questions.join(claims_built.kept.select("claim_id", "claim"), on="claim_id", how="left")
    items = probes.build(materials, settings).probes
    return Texts(worded.select("prompt_id", "claim", "prompt", "stripped_prompt"), items)


def check_target(folder: Path, target: Path, release: Manifest) -> None:
    """Refuses what can be refused before any text is rebuilt; a release is never written into the one it is read from.

    `release` is the manifest of `folder`.
    """
    if release.text == "full":
        raise SycoError(f"{folder} holds all its texts already", "Use it as it is")
    try:
        if target.exists():
            raise SycoError(f"{target} is there already", "Name a folder that does not exist yet")
        source, place = folder.resolve(), target.resolve()
    except (OSError, RuntimeError) as error:
        raise SycoError(f"restore: {target} cannot be looked at: {error}", "Name another folder") from error
    if source.is_relative_to(place) or place.is_relative_to(source):
        raise SycoError(
            f"restore: {target} must not lie in, or hold, {folder}, which is read", "Name a folder outside of it"
        )


def restore(folder: Path, target: Path, rebuilt: Texts) -> Manifest:
    """Writes the whole release to `target`. Raises `SycoError` where a text that belongs to it cannot be found."""
    release = manifest.read(folder)
    check_target(folder, target, release)
    with ownership.replacing(target, "Name a folder that does not exist yet", _nothing) as draft:
        entries = [_restored(folder, draft, file, rebuilt) for file in release.files if file.path != CARD]
        card = cards.read(folder / CARD)
        files.write(draft / CARD, _card(card, entries))
        entries.append(manifest.file_record(draft, CARD))
        whole = release.model_copy(update={"text": "full", "files": sorted(entries, key=lambda file: file.path)})
        files.write(draft / manifest.NAME, whole.to_json())
    return whole


def _nothing(_: Path) -> None:
    """Whatever a target holds, it is not replaced."""


def _restored(folder: Path, draft: Path, file: File, rebuilt: Texts) -> File:
    """One file of the new release: the same bytes, or the table with its texts."""
    if file.table is None or file.table.withheld_rows == 0:
        (draft / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file.path, draft / file.path)
        return file
    schema = released.SCHEMAS[file.table.schema_name]
    place = Place(file.table.config, file.table.split)
    table = released.write_table(_filled(folder / file.path, schema, rebuilt), schema, place, draft, [])
    _check_content(file, table)
    return manifest.file_record(draft, file.path, table)


def _filled(path: Path, schema: Schema, rebuilt: Texts) -> Iterator[pl.DataFrame]:
    """A table's rows with their texts; each must give the row's own `text_id`."""
    names = released.TEXTS[schema.name]
    texts = rebuilt.of(schema)
    with pq.ParquetFile(path.absolute()) as file:
        for batch in file.iter_batches(batch_size=tables.ROWS_PER_GROUP):
            rows = pl.DataFrame(batch)
            joined = rows.join(texts, on=schema.key, how="left", maintain_order="left", suffix="_rebuilt")
            whole = joined.with_columns(pl.coalesce(name, f"{name}_rebuilt").alias(name) for name in names)
            whole = with_text_id(whole.rename({"text_id": "wanted"}), schema)
            wrong = whole.filter(pl.col("text_id") != pl.col("wanted"))
            if len(wrong):
                raise SycoError(
                    f"restore: {len(wrong):,} of {len(whole):,} rows of {path.name} get other texts than the release "
                    f"had, the first is {wrong[schema.key[0]][0]} from source '{wrong['source'][0]}'",
                    "Check that the sources are those of the manifest's revisions: python -m syco_data sources check",
                )
            yield whole.select(schema.names)


def _check_content(file: File, table: TableRecord) -> None:
    if table.content != file.as_table.full_content:
        raise SycoError(
            f"restore: {file.path} has content digest {table.content}, the release had {file.as_table.full_content}",
            "Check that the sources are those of the manifest's revisions: python -m syco_data sources check",
        )


def _card(card: str, files: list[File]) -> str:
    """The card without any word on missing texts, sizes set to the new files'."""
    parts = cards.split(card)
    sizes = {(file.table.config, file.table.split): file.bytes for file in files if file.table is not None}
    try:
        for info in parts.values["dataset_info"]:
            for split in info["splits"]:
                split["num_bytes"] = sizes[info["config_name"], split["name"]]
            info["download_size"] = info["dataset_size"] = sum(split["num_bytes"] for split in info["splits"])
        body = cards.without_text_note(parts.body)
    except (KeyError, TypeError, ValueError) as error:
        raise SycoError(f"{CARD}: its head or its note on texts is not that of a release ({error!r})") from error
    return cards.joined(parts.values, _with_texts(body))


def _with_texts(body: str) -> str:
    """The licence table, which is in the last section of that name, says of every source that its texts are there."""
    before, title, rest = body.rpartition("\n## Licence\n")
    table, end, after = rest.partition("\n## ")
    rows = (line.replace(_LEFT_OUT, _INCLUDED, 1) if line.startswith("|") else line for line in table.split("\n"))
    return before + title + "\n".join(rows) + end + after


def raw_rows(release: Manifest, settings: Settings) -> dict[str, pl.DataFrame]:
    """All rows of every source that the release was built from, fetched again (`schemas.raw`)."""
    from syco_data.acquire import acquire

    return {
        source.key: acquire.acquire(source, settings).rows for source in acquire.chosen(list(release.sources), settings)
    }


def materials(raw: Mapping[str, pl.DataFrame], settings: Settings) -> probes.Materials:
    """What probes are made of, from all rows of the sources."""
    from syco_data.probes import survey_files
    from syco_data.reference import instructions

    held_out = {key: rows.filter(pl.col("split") == SOURCES[key].held_out) for key, rows in raw.items()}
    trained = claims.build(training(raw), settings.claims, settings.seed).kept.select("input")
    return probes.Materials(
        held_out=held_out,
        training_inputs=trained.lazy(),
        surveys=survey_files.load(settings.probes.surveys, settings.seed, settings.hub),
        instructions=instructions.rows(settings.probes.instructions, settings.seed, "held_out"),
    )


def training(raw: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The rows of the training splits."""
    return {key: rows.filter(pl.col("split") == SOURCES[key].train) for key, rows in raw.items()}
