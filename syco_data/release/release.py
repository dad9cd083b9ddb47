"""A release: exactly what the Hub will show, as a folder.

    README.md                             the card: YAML head, text, hand-written part between two fences
    manifest.json                         `release.manifest.Manifest`; names every other file with its digests
    <model>-<arm>/train.parquet           training set of an arm       RELEASED_TRAIN               key prompt_id
    <model>-<arm>/held_out.parquet        same columns, from held-out rows and seen templates (where probes have any)
    candidates/train.parquet              every prompt, unfiltered     RELEASED_CANDIDATES          key prompt_id
    verdicts-<model>/train.parquet        one verdict per candidate    schemas.VERDICTS             key prompt_id
    probes/test.parquet                   evaluation items             RELEASED_PROBES              key probe_id
    dropped/train.parquet                 all dropped rows, reasons    RELEASED_DROPPED             key dropped_id
    reports/checks.json, audit.json       what stage validate found
    recipe/templates/<name>.jinja         the templates that the prompts were written with

The folder is the config, the file's stem the split: the manifest says so for every table (`files[].table`),
which is what readers should go by. Tables are sorted by their key; ids are stable over versions (`claim_id` is
unique among candidates and joins versions; `prompt_id` covers the claim and all draws; `text_id` holds a
digest of each of the row's texts, so equal `text_id` means equal texts, and it is there when the texts are not).

Strings stay strings in the files (pandas, polars, DuckDB read words); the card's `dataset_info` makes
`datasets` read closed vocabularies as `ClassLabel`. Texts are null in rows whose text may not be released
(`release.text: none`, or a source's `licence: no_text`); `python -m syco_data restore` fills them in again.

manifest.json, keys sorted, schema 2 (all digests hex):

    schema        1; a reader refuses a greater number
    version       "1.2.0"
    change        first | major | minor | patch | none, against `previous`
    previous      null, or {version, manifest: sha256 of its manifest.json}
    text          full | partial | none: whether texts are there in all, some or no rows from the sources
    files         sorted by path, README.md included, manifest.json not: {path, bytes, sha256, table}
                  table: null, or {config, split, schema, key, columns: {name: type}, rows, content, full_content,
                  withheld_rows}; `content` is the digest of the rows as they lie there (`tables.digest`),
                  `full_content` the digest with all texts filled in (equal when withheld_rows is 0)
    settings      params.yaml's groups that shape a release; paths of this machine are null
    sources       {key: provenance record of stage acquire, and release: allow | no_text}
    models        {name: {source, revision, digest, tokenizer, engine, version, device, dtype, style, path, scoring}}
    templates     {name: sha256 of recipe/templates/<name>.jinja}
    environment   {python, system, machine, packages: {name: version}}; no host, user or path
    git           {commit, dirty}: the last commit that touched what the stages up to `release` declare as code
                  and settings, and whether those files differ from it; null outside a repository. A commit to
                  anything else changes nothing here, so that a release stays the same bytes.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from syco_data import files, ownership
from syco_data.acquire.provenance import Provenance
from syco_data.build import Tables
from syco_data.errors import SycoError
from syco_data.filter.model_record import portable_source
from syco_data.formats import documents, parquet
from syco_data.prompts import templates
from syco_data.release import cardfacts, cards, configs, licences, links, manifest, verification
from syco_data.release import tables as released
from syco_data.release.environment import environment
from syco_data.release.manifest import CARD, File, Git, Manifest, Previous
from syco_data.settings import Settings

REPORTS = ("checks.json", "audit.json")
# The params groups that shape a release; a key that names a place on this machine is left out of it.
GROUPS = (
    "seed", "acquire", "sources", "claims", "prompts", "probes", "build", "models", "arms", "engines", "filter",
    "reference",
    "select", "validate", "release",
)  # fmt: skip
PLACES = {"directory", "template_folder", "folder", "previous", "card", "docs", "store"}
FIRST = "1.0.0"

Compare = Callable[[Path, Path], str]
"""The change from one release folder to another: major | minor | patch | none (`diff.diffing.bump`)."""


@dataclass(frozen=True)
class FinishedBuild:
    """A finished build: tables, reports of stage validate, provenance by source, model records by name."""

    tables: Tables
    reports: Path
    provenance: dict[str, Provenance]
    models: dict[str, dict[str, Any]]
    git: Git


@dataclass(frozen=True)
class VersionStep:
    """The version of a release and how it follows from the one before."""

    version: str
    change: str
    previous: Previous | None


def write_release(build: FinishedBuild, settings: Settings, target: Path, compare: Compare) -> Manifest:
    """Writes a release of a finished build to `target`, whole or not at all, and returns its manifest."""
    grants = licences.grants(settings, build.provenance)
    with ownership.replacing(target, "Move it away, then: dvc repro release", _own_files) as draft:
        _require_passed(build.reports)
        draft_manifest = _write_files(build, settings, grants, draft)
        step = _step(settings, draft, compare)
        if step.change != "none":
            return _finish(draft_manifest, build, settings, grants, step, draft)
        assert settings.release.previous is not None  # of nothing, nothing can be unchanged
        before = Path(settings.release.previous)
        shutil.rmtree(draft)
        _copy_release(before, draft)
        return manifest.read(draft)


def _own_files(folder: Path) -> set[str] | None:
    """The files of a release that may be replaced, as its manifest names them, be it of an earlier schema."""
    try:
        values = documents.read_json(folder / manifest.NAME, manifest.LARGEST)
        return {manifest.NAME, *(str(file["path"]) for file in values["files"])}
    except (OSError, SycoError, KeyError, TypeError):
        return None


def _require_passed(reports: Path) -> None:
    """A stage that failed leaves its report behind; nothing is released of it."""
    path = reports / "checks.json"
    if not path.is_file():
        raise SycoError(f"release: there is no {path}, so this build was not checked", "dvc repro validate")
    if not documents.read_json(path, documents.LARGEST_REPORT)["passed"]:
        raise SycoError("release: the checks of this build failed, so it is not released", "dvc repro validate")


def _write_files(build: FinishedBuild, settings: Settings, grants: licences.Grants, draft: Path) -> Manifest:
    """Everything but the card, and a manifest of it that has no version yet."""
    _check_names(build.tables)
    entries = []
    for part in configs.parts(build.tables, settings.arms):
        table = released.write_table(part.chunks, part.schema, part.place, draft, grants.withheld)
        entries.append(manifest.file_record(draft, part.place.path, table))
    for name in REPORTS:
        entries.append(_copy(build.reports / name, draft, f"reports/{name}"))
    recipe = _write_templates(settings, draft)
    entries += recipe
    draft_manifest = Manifest(
        schema=manifest.SCHEMA, version="0.0.0", change="first", previous=None, text=grants.extent,
        files=sorted(entries, key=lambda file: file.path), settings=portable(settings),
        sources={key: _source(grant) for key, grant in grants.by_source.items()}, models=build.models,
        templates={Path(file.path).stem: file.sha256 for file in recipe}, environment=environment(), git=build.git,
    )  # fmt: skip
    files.write(draft / manifest.NAME, draft_manifest.to_json())
    return draft_manifest


def _check_names(tables: Tables) -> None:
    """Refuses models or arms that would share a folder on a disk that knows no upper case."""
    folders = [f"{model}-{arm}" for model, arm in tables.train] + [f"verdicts-{model}" for model in tables.verdicts]
    if twice := manifest.same_names(folders):
        raise SycoError(
            f"release: {' and '.join(twice)} differ only in upper and lower case, one folder on many disks",
            "Rename a model or an arm in params.yaml",
        )


def _finish(
    draft_manifest: Manifest,
    build: FinishedBuild,
    settings: Settings,
    grants: licences.Grants,
    step: VersionStep,
    draft: Path,
) -> Manifest:
    """Card and final manifest, now that the version is known."""
    before = manifest.read(Path(settings.release.previous)) if settings.release.previous else None
    audit, leaks = cardfacts.audit(build.reports / "audit.json")
    facts = cards.Facts(
        version=step.version,
        change=step.change,
        previous=before.version if before else None,
        changes=cardfacts.changes(before, draft_manifest) if before else (),
        files=tuple(draft_manifest.tables),
        grants=grants,
        sources=cardfacts.source_counts(build.tables, list(grants.by_source)),
        keep_rates=cardfacts.keep_rates(build.tables, settings.filter),
        guessing=cardfacts.guessing(settings.filter),
        audit=audit,
        leaks=leaks,
        folds=settings.checks.audit.folds,
        confidence=settings.checks.audit.confidence,
        built=cardfacts.built(settings, build.git.commit, build.models),
        surveys=cardfacts.surveys(settings.probes.surveys),
        default=f"{settings.build.models[0]}-{settings.build.arms[0]}",
        controls=cardfacts.controls(settings),
    )
    by_hand = _by_hand(settings)
    files.write(draft / CARD, cards.render(facts if by_hand is None else replace(facts, hand_written=by_hand)))
    whole = draft_manifest.model_copy(
        update={
            "version": step.version,
            "change": step.change,
            "previous": step.previous,
            "files": sorted([*draft_manifest.files, manifest.file_record(draft, CARD)], key=lambda file: file.path),
        }
    )
    files.write(draft / manifest.NAME, whole.to_json())
    _check_own(draft)
    return whole


def _check_own(draft: Path) -> None:
    """Refuses to release what readers of its manifest and tables would refuse."""
    hint = None
    try:
        whole = manifest.read(draft)
        hint = "Take shorter templates, or a lower claims.max_characters"
        for file in whole.tables:
            parquet.check(draft / file.path, released.name_of(file), released.limits(file))
    except SycoError as error:
        raise SycoError(f"release: this build cannot be released: {error.what}", hint or error.hint) from error


def _step(settings: Settings, draft: Path, compare: Compare) -> VersionStep:
    """The version that follows from the change, or the greater one that the settings ask for."""
    requested = settings.release.version
    if settings.release.previous is None:
        return VersionStep(requested or FIRST, "first", None)
    folder = Path(settings.release.previous)
    before = manifest.read(folder)
    verification.require(folder)
    change = compare(folder, draft)
    if change == "none" and _has_new_words(settings, folder):
        change = "patch"
    least = next_version(before.version, change)
    if requested is not None and _numbers(requested) < _numbers(least):
        raise SycoError(
            f"release.version asks for {requested}, a {change} change since {before.version} makes it at least {least}",
            f"Set release.version to null or to {least} or more",
        )
    if requested is not None and change == "none" and requested != before.version:
        change = "patch"
    return VersionStep(requested or least, change, Previous(version=before.version, manifest=manifest.identity(folder)))


def _copy_release(folder: Path, draft: Path) -> None:
    """The files of a verified release, without what else lies in its folder; files in the place of links."""
    for path in (*(file.path for file in manifest.read(folder).files), manifest.NAME):
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(links.file(folder, path), draft / path)


def _has_new_words(settings: Settings, previous: Path) -> bool:
    """Whether the card's hand-written part, of which a comparison of data sees nothing, is another one."""
    words = _by_hand(settings)
    return words is not None and words != cards.hand_written(cards.read(previous / CARD))


def next_version(version: str, change: str) -> str:
    """Major, minor and patch as usual; no change leaves the version as it is."""
    major, minor, patch = _numbers(version)
    steps = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
        "none": (major, minor, patch),
    }
    return ".".join(str(number) for number in steps[change])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def portable(settings: Settings) -> dict[str, Any]:
    """The groups of settings that shape a release, without places on this machine."""
    values = settings.model_dump(mode="json", by_alias=True)
    groups = {name: _portable(values[name]) for name in GROUPS if name in values}
    for model in groups["models"].values():
        model["source"] = portable_source(model["source"])
    return groups


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: None if key in PLACES else _portable(item) for key, item in value.items()}
    return value


def _source(grant: licences.Grant) -> dict[str, Any]:
    from dataclasses import asdict

    record = asdict(grant.record)
    return {**record, "label_names": list(record["label_names"]), "splits": list(record["splits"])} | {
        "release": grant.licence
    }


def _write_templates(settings: Settings, draft: Path) -> list[File]:
    """The templates as they were read, so that `restore` needs nothing but the release and the sources."""
    folder = Path(settings.prompts.template_folder)
    names = sorted({*settings.prompts.templates, *settings.probes.held_out.templates})
    return [_copy(templates.find(name, folder), draft, f"recipe/templates/{name}.jinja") for name in names]


def _by_hand(settings: Settings) -> str | None:
    """The hand-written part of the card that the settings name, or of the previous release's."""
    card, previous = settings.release.card, settings.release.previous
    path = Path(card) if card else Path(previous) / CARD if previous else None
    if path is None:
        return None
    try:
        return cards.hand_written(cards.read(path))
    except SycoError as error:
        raise SycoError(f"release: the card {path}: {error.what}", error.hint or "Check release.card") from error


def _copy(source: Path, draft: Path, path: str) -> File:
    (draft / path).parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, draft / path)
    except FileNotFoundError as error:
        raise SycoError(f"release: there is no {source}", "Build it: dvc repro") from error
    return manifest.file_record(draft, path)
