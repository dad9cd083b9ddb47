"""Whether a release folder is what its manifest says: every file, every table, every check that needs no build.

Digests come first, then the sizes that a file states, then its data: whoever writes a release can write its digests
too, so that none of what follows may trust them. Links are followed where `links` says so, and paths of a manifest
are refused by `manifest.read` before any file is opened.
"""

import os
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa

from syco_data import tables
from syco_data.errors import SycoError
from syco_data.formats import parquet
from syco_data.release import cards, checks, configs, links, manifest
from syco_data.release import tables as released
from syco_data.release.manifest import CARD, File, Manifest
from syco_data.schemas import Schema
from syco_data.words import counted

# What other programs put into a folder, and `load_dataset` never reads.
_LEFT_BY = {
    ".git": "git", ".gitattributes": "git or the Hub", ".gitignore": "git or DVC", ".dvc": "DVC", ".dvcignore": "DVC",
    ".cache/huggingface": "the Hub's client", ".ipynb_checkpoints": "Jupyter", ".DS_Store": "macOS",
    "__MACOSX": "macOS", "Thumbs.db": "Windows", "desktop.ini": "Windows",
}  # fmt: skip
_LFS = "is a Git LFS pointer, and not the file"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `path` below the release folder, `what` in words."""

    path: str
    what: str


@dataclass(frozen=True)
class Leftover:
    """What lies in the folder and is not part of the release: `path`, and which program leaves such a thing."""

    path: str
    left_by: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it; leftovers of other programs are nothing wrong."""

    release: Manifest
    problems: tuple[Problem, ...]
    rows: int
    leftovers: tuple[Leftover, ...] = ()

    def summary(self) -> str:
        """The first problem, and how many more there are; there must be one."""
        first, rest = self.problems[0], len(self.problems) - 1
        return f"{first.path}: {first.what}{f' (and {rest} more)' if rest else ''}"

    def hint(self) -> str:
        """What helps against the first problem."""
        return "git lfs pull" if self.problems[0].what == _LFS else "python -m syco_data pull"


def verify(folder: Path) -> Verified:
    """Checks a release. Raises `SycoError` where there is no readable manifest to check it against."""
    release = manifest.read(folder)
    by_path = {file.path: file for file in release.files}
    present = _walk(folder, by_path.keys())
    problems = [Problem(path, what) for path, what in present.strange.items()]
    problems += [Problem(path, "not named by the manifest") for path in sorted(present.files - by_path.keys())]
    for path, file in by_path.items():
        if path not in present.files:
            if path not in present.strange:
                problems.append(Problem(path, "missing"))
        else:
            problems += _check_file(folder, file)
    problems += _check_parts(release)
    # What is made of files is only readable from files that are what the manifest says.
    for check in (_check_recipe, _check_card, _check_rows):
        if not problems:
            problems += check(folder, release)
    ordered = tuple(sorted(problems, key=lambda one: one.path))
    return Verified(release, ordered, sum(file.as_table.rows for file in release.tables), tuple(present.leftovers))


def require(folder: Path) -> Verified:
    """Checks a release that something is to be done with; raises `SycoError` with the first problem, if any."""
    verified = verify(folder)
    if verified.problems:
        raise SycoError(
            f"{folder}: {verified.summary()}. Nothing was done",
            f"See what is wrong: python -m syco_data verify {folder}; then {verified.hint()}, or build it again",
        )
    return verified


@dataclass(frozen=True)
class _Present:
    files: set[str] = field(default_factory=set)
    strange: dict[str, str] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)


def _walk(folder: Path, paths: Set[str]) -> _Present:
    present = _Present()
    for place, folders, names in os.walk(folder, followlinks=False):
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if inside not in paths and (program := _left_by(inside)):
                present.leftovers.append(Leftover(inside, program))
                if name in folders:
                    folders.remove(name)
            elif name in names and inside != manifest.NAME:
                _sort_in(present, folder, inside)
            elif path.is_symlink() and name in folders:
                present.strange[inside] = "a link, not a folder"
    return present


def _left_by(inside: str) -> str | None:
    """The program that leaves a file or folder of this name behind."""
    name = inside.rsplit("/", 1)[-1]
    if name.startswith("._"):
        return "macOS"
    return "DVC" if name.endswith(".dvc") else _LEFT_BY.get(inside) or _LEFT_BY.get(name)


def _sort_in(present: _Present, folder: Path, inside: str) -> None:
    try:
        links.file(folder, inside)
        present.files.add(inside)
    except (SycoError, OSError) as error:
        reason = error.what if isinstance(error, SycoError) else error.strerror or type(error).__name__
        hint = f" ({error.hint})" if isinstance(error, SycoError) and error.hint else ""
        present.strange[inside] = reason.removeprefix(f"{folder / inside} ") + hint


def _check_file(folder: Path, file: File) -> Iterator[Problem]:
    """Bytes first; a file whose bytes are right is still read as the table that it claims to be."""
    try:
        path = links.file(folder, file.path)
        size = path.stat().st_size
        if size != file.bytes:
            yield Problem(file.path, _other_size(path, size, file))
        elif manifest.digest_of(path) != file.sha256:
            yield Problem(file.path, "other bytes than the manifest says (sha256 differs)")
        elif file.table is not None:
            yield from (Problem(file.path, what) for what in _table_errors(path, file))
    except OSError as error:
        yield Problem(file.path, f"cannot be read: {error.strerror or type(error).__name__}")


def _other_size(path: Path, size: int, file: File) -> str:
    with path.open("rb") as content:
        if manifest.is_pointer(content.read(len(manifest.POINTER))):
            return _LFS
    return f"{counted(size, 'byte')}, the manifest says {file.bytes:,}"


def _table_errors(path: Path, file: File) -> list[str]:
    schema = released.SCHEMAS.get(file.as_table.schema_name)
    if schema is None:
        return [f"unknown schema {file.as_table.schema_name!r}"]
    try:
        header = released.header(path, file)
        # Columns of a stranger's types are not read.
        errors = [*header.errors(file.as_table), *_strange_columns(header, file.as_table, schema)]
        return errors or list(_data_errors(path, file, schema))
    except SycoError as error:
        return [f"no readable Parquet table: {error.what}"]


def _data_errors(path: Path, file: File, schema: Schema) -> Iterator[str]:
    """Digest and order of the rows, read piece by piece; no more is read than shows that they are wrong."""
    table, name, limits = file.as_table, released.name_of(file), released.limits(file)
    complete = table.withheld_rows == 0
    if (table.content == table.full_content) != complete or not (complete or schema.name in released.TEXTS):
        yield "the manifest contradicts itself about texts that are left out"
    content, order = tables.ContentDigest(), released.Order(schema)
    content.update(parquet.empty(path, name, limits))
    for batch in parquet.batches(path, name, limits=limits):
        if error := order.error(cast(pl.DataFrame, pl.from_arrow(batch.select(list(schema.key))))):
            yield error
            return
        content.update(pa.Table.from_batches([batch]))
    if content.hexdigest() != table.content:
        yield "other rows than the manifest says (content digest differs)"


def _strange_columns(header: released.Header, table: manifest.TableRecord, schema: Schema) -> Iterator[str]:
    expected = {name: str(kind) for name, kind in schema.columns.items()}
    if list(header.columns.items()) != list(expected.items()) or tuple(table.key) != tuple(schema.key):
        yield f"columns or key differ from those of the schema '{schema.name}'"


def _check_parts(release: Manifest) -> Iterator[Problem]:
    """What the manifest names must be among its files, and so must what every release has."""
    files = {file.path: file.sha256 for file in release.files}
    for path in (CARD, configs.CANDIDATES.path):
        if path not in files:
            yield Problem(path, "not named by the manifest, and every release has it")
    for name, digest in release.templates.items():
        if files.get(path := checks.template_path(name)) != digest:
            yield Problem(path, "not the template that the manifest names")


def _check_recipe(folder: Path, release: Manifest) -> Iterator[Problem]:
    for name in release.templates:
        try:
            checks.form(folder, name)
        except SycoError as error:
            yield Problem(checks.template_path(name), error.what)


def _check_card(folder: Path, release: Manifest) -> Iterator[Problem]:
    """A card says what `load_dataset` reads: it must name tables of this release, and nothing else."""
    tables_of = {(file.as_table.config, file.as_table.split): file.path for file in release.tables}
    try:
        for shown in cards.shown(cards.read(links.file(folder, CARD))):
            if tables_of.get((shown.config, shown.split)) != shown.path:
                yield Problem(CARD, f"config {shown.config!r} shows {shown.path!r}; there is no such table")
    except (SycoError, ValueError) as error:
        yield Problem(CARD, str(error))


def _check_rows(folder: Path, release: Manifest) -> Iterator[Problem]:
    """Checks that a manifest alone cannot vouch for: whoever writes a release can write its digests too."""
    try:
        with parquet.one_line("a table"):
            for check in checks.of_release(folder, release):
                ids = check.offenders.select("id").collect(engine="streaming")["id"].sort()
                if len(ids):
                    times = counted(len(ids), "time")
                    what = f"check '{check.name}' ({check.description}) is broken {times}, first: {ids[0]}"
                    yield Problem(check.table, what)
    except SycoError as error:
        yield Problem(manifest.NAME, f"its tables cannot be checked: {error.what}")
