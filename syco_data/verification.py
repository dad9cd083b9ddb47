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
import pyarrow.parquet as pq

from syco_data import configs, laws_of_release, manifest, released, tables
from syco_data.errors import CheckFailed, SycoError
from syco_data.manifest import File, Manifest

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


def verify(folder: Path) -> Verified:
    """Checks a release. Raises `SycoError` where there is no readable manifest to check it against."""
    found = manifest.read(folder)
    present = _walk(folder)
    problems = [Problem(path, "a link, not a file; links are never followed") for path in present.links]
    named = {file.path: file for file in found.files}
    problems += [Problem(path, "not named by the manifest") for path in sorted(present.files - named.keys())]
    for path, file in named.items():
        if path not in present.files:
            if path not in present.links:
                problems.append(Problem(path, "missing"))
        else:
            problems += _check_file(folder, file)
    problems += _check_templates(found)
    if not problems:
        # Laws are only readable from tables that are what the manifest says.
        problems += _check_laws(folder, found)
    return Verified(found, tuple(sorted(problems, key=lambda one: one.path)), sum(f.table.rows for f in found.tables))


def require(folder: Path) -> Verified:
    """Checks a release and raises `CheckFailed` with the first problem if there is one."""
    done = verify(folder)
    if done.problems:
        first = done.problems[0]
        raise CheckFailed(
            f"{folder}: {len(done.problems)} problems, the first: {first.path}: {first.what}",
            "Get it again: python -m syco_data pull",
        )
    return done


@dataclass(frozen=True)
class _Present:
    files: set[str]
    links: set[str]


def _walk(folder: Path) -> _Present:
    files, links = set(), set()
    for place, folders, names in os.walk(folder, followlinks=False):
        for name in [*folders, *names]:
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if inside in NOT_OURS or f"{inside}/".startswith(NOT_OURS_BELOW):
                continue
            if path.is_symlink():
                links.add(inside)
            elif name in names and inside != manifest.NAME:
                files.add(inside)
    return _Present(files, links)


def _check_file(folder: Path, file: File) -> Iterator[Problem]:
    """Bytes first; a file whose bytes are right is still read as the table that it claims to be."""
    path = folder / file.path
    size = path.stat().st_size
    if size != file.bytes:
        yield Problem(file.path, f"{size:,} bytes, the manifest says {file.bytes:,}")
    elif manifest.digest_of(path) != file.sha256:
        yield Problem(file.path, "other bytes than the manifest says (sha256 differs)")
    elif file.table is not None:
        yield from _check_table(path, file)


def _check_table(path: Path, file: File) -> Iterator[Problem]:
    table = file.table
    schema = released.SCHEMAS.get(table.schema_name)
    if schema is None:
        yield Problem(file.path, f"unknown schema {table.schema_name!r}")
        return
    try:
        columns, rows = _columns(path), pq.ParquetFile(path).metadata.num_rows
        content = tables.digest(path)
        keys = pl.read_parquet(path, columns=list(schema.key), glob=False)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, SycoError) as error:
        yield Problem(file.path, f"no readable Parquet table: {str(error).splitlines()[0]}")
        return
    if columns != table.columns or columns != {name: str(kind) for name, kind in schema.columns.items()}:
        yield Problem(file.path, f"columns differ from the schema '{schema.name}'")
    if rows != table.rows:
        yield Problem(file.path, f"{rows:,} rows, the manifest says {table.rows:,}")
    if content != table.content:
        yield Problem(file.path, "other rows than the manifest says (content digest differs)")
    if (table.content == table.full_content) != (table.withheld_rows == 0):
        yield Problem(file.path, "the manifest contradicts itself about texts that are left out")
    if not keys.equals(keys.unique().sort(schema.key)):
        yield Problem(file.path, f"rows are not in the order of {', '.join(schema.key)}, or one occurs twice")


def _columns(path: Path) -> dict[str, str]:
    """Names and types as polars reads them."""
    return {name: str(kind) for name, kind in pl.read_parquet_schema(path).items()}


def _check_templates(found: Manifest) -> Iterator[Problem]:
    files = {file.path: file.sha256 for file in found.files}
    for name, digest in found.templates.items():
        if files.get(f"recipe/templates/{name}.jinja") != digest:
            yield Problem(f"recipe/templates/{name}.jinja", "not the template that the manifest names")


def _check_laws(folder: Path, found: Manifest) -> Iterator[Problem]:
    """Laws that a manifest alone cannot vouch for: whoever writes a release can write its digests too."""
    if configs.CANDIDATES.path not in {file.path for file in found.tables}:
        yield Problem(configs.CANDIDATES.path, "not named by the manifest, and every release has it")
        return
    for law in laws_of_release.of_release(folder, found):
        broken = law.offenders.select("id").collect(engine="streaming")["id"].sort()
        if len(broken):
            yield Problem(
                law.table, f"law '{law.name}' ({law.says}) is broken {len(broken):,} times, first: {broken[0]}"
            )
