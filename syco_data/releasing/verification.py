"""Whether a release folder is what its manifest says: every file, every table, every law that can be checked.

Nothing is followed out of the folder: links are refused wherever they stand, and paths of a manifest are refused
by `manifest.read` before any file is opened.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from syco_data import tables
from syco_data.checking import laws_of_release
from syco_data.errors import SycoError
from syco_data.releasing import cards, configs, manifest, released
from syco_data.releasing.manifest import CARD, File, Manifest
from syco_data.schemas import Schema

# What the Hub and its client put beside the files of a release.
NOT_OURS = {".gitattributes"}
NOT_OURS_BELOW = ".cache/huggingface/"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `path` below the release folder, `what` in words."""

    path: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    found: Manifest
    problems: tuple[Problem, ...]
    rows: int

    def fault(self) -> str:
        """The first problem, and how many more there are; there must be one."""
        first, rest = self.problems[0], len(self.problems) - 1
        return f"{first.path}: {first.what}{f' (and {rest} more)' if rest else ''}"


def verify(folder: Path) -> Verified:
    """Checks a release. Raises `SycoError` where there is no readable manifest to check it against."""
    found = manifest.read(folder)
    present = _walk(folder)
    problems = [Problem(path, what) for path, what in present.strange.items()]
    named = {file.path: file for file in found.files}
    problems += [Problem(path, "not named by the manifest") for path in sorted(present.files - named.keys())]
    for path, file in named.items():
        if path not in present.files:
            if path not in present.strange:
                problems.append(Problem(path, "missing"))
        else:
            problems += _check_file(folder, file)
    problems += _check_parts(found)
    # What is made of files is only readable from files that are what the manifest says.
    for check in (_check_recipe, _check_card, _check_laws):
        if not problems:
            problems += check(folder, found)
    return Verified(found, tuple(sorted(problems, key=lambda one: one.path)), sum(f.table.rows for f in found.tables))


def require(folder: Path) -> Verified:
    """Checks a release that something is to be done with; raises `SycoError` with the first problem, if any."""
    done = verify(folder)
    if done.problems:
        raise SycoError(
            f"{folder}: {done.fault()}. Nothing was done",
            f"See what is wrong: python -m syco_data verify {folder}; then pull or build it again",
        )
    return done


@dataclass(frozen=True)
class _Present:
    files: set[str]
    strange: dict[str, str]


def _walk(folder: Path) -> _Present:
    files, strange = set(), {}
    for place, folders, names in os.walk(folder, followlinks=False):
        for name in [*folders, *names]:
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if inside in NOT_OURS or f"{inside}/".startswith(NOT_OURS_BELOW):
                continue
            if path.is_symlink():
                strange[inside] = "a link, not a file; links are never followed"
            elif name in names and not path.is_file():
                strange[inside] = "no plain file"
            elif name in names and inside != manifest.NAME:
                files.add(inside)
    return _Present(files, strange)


def _check_file(folder: Path, file: File) -> Iterator[Problem]:
    """Bytes first; a file whose bytes are right is still read as the table that it claims to be."""
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.bytes:
            yield Problem(file.path, f"{size:,} bytes, the manifest says {file.bytes:,}")
        elif manifest.digest_of(path) != file.sha256:
            yield Problem(file.path, "other bytes than the manifest says (sha256 differs)")
        elif file.table is not None:
            yield from _check_table(path, file)
    except OSError as error:
        yield Problem(file.path, f"cannot be read: {error.strerror or type(error).__name__}")


def _check_table(path: Path, file: File) -> Iterator[Problem]:
    table = file.table
    schema = released.SCHEMAS.get(table.schema_name)
    if schema is None:
        yield Problem(file.path, f"unknown schema {table.schema_name!r}")
        return
    try:
        header = released.header(path)
        faults = [*header.faults(table), *_strange_columns(header, table, schema)]
        yield from (Problem(file.path, fault) for fault in faults)
        if faults:
            return  # columns of a stranger's types are not read
        content = tables.digest(path)
        keys = pl.read_parquet(path, columns=list(schema.key), glob=False)
    except (pa.ArrowException, pl.exceptions.PolarsError, SycoError) as error:
        yield Problem(file.path, f"no readable Parquet table: {str(error).splitlines()[0]}")
        return
    if content != table.content:
        yield Problem(file.path, "other rows than the manifest says (content digest differs)")
    complete = table.withheld_rows == 0
    if (table.content == table.full_content) != complete or not (complete or schema.name in released.TEXTS):
        yield Problem(file.path, "the manifest contradicts itself about texts that are left out")
    if not keys.equals(keys.unique().sort(schema.key)):
        yield Problem(file.path, f"rows are not in the order of {', '.join(schema.key)}, or one occurs twice")


def _strange_columns(header: released.Header, table: manifest.Table, schema: Schema) -> Iterator[str]:
    expected = {name: str(kind) for name, kind in schema.columns.items()}
    if list(header.columns.items()) != list(expected.items()) or tuple(table.key) != tuple(schema.key):
        yield f"columns or key differ from those of the schema '{schema.name}'"


def _check_parts(found: Manifest) -> Iterator[Problem]:
    """What the manifest names must be among its files, and so must what every release has."""
    files = {file.path: file.sha256 for file in found.files}
    for path in (CARD, configs.CANDIDATES.path):
        if path not in files:
            yield Problem(path, "not named by the manifest, and every release has it")
    for name, digest in found.templates.items():
        if files.get(path := laws_of_release.template_path(name)) != digest:
            yield Problem(path, "not the template that the manifest names")


def _check_recipe(folder: Path, found: Manifest) -> Iterator[Problem]:
    for name in found.templates:
        try:
            laws_of_release.form(folder, name)
        except SycoError as error:
            yield Problem(laws_of_release.template_path(name), error.what)


def _check_card(folder: Path, found: Manifest) -> Iterator[Problem]:
    """A card says what `load_dataset` reads: it must name tables of this release, and nothing else."""
    tables_of = {(file.table.config, file.table.split): file.path for file in found.tables}
    try:
        for shown in cards.shown(cards.read(folder / CARD)):
            if tables_of.get((shown.config, shown.split)) != shown.path:
                yield Problem(CARD, f"config {shown.config!r} shows {shown.path!r}, which is no such table")
    except (SycoError, ValueError) as error:
        yield Problem(CARD, str(error))


def _check_laws(folder: Path, found: Manifest) -> Iterator[Problem]:
    """Laws that a manifest alone cannot vouch for: whoever writes a release can write its digests too."""
    for law in laws_of_release.of_release(folder, found):
        broken = law.offenders.select("id").collect(engine="streaming")["id"].sort()
        if len(broken):
            yield Problem(
                law.table, f"law '{law.name}' ({law.says}) is broken {len(broken):,} times, first: {broken[0]}"
            )
