"""The manifest of a release: its record, reading, writing and the checks on what it names.

`syco_data.release.release` lists the keys and what they mean.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.formats.textfiles import POINTER
from syco_data.git import COMMIT
from syco_data.release import links
from syco_data.settings.names import with_new_names
from syco_data.settings.release import VERSION

NAME = "manifest.json"
CARD = "README.md"
SCHEMA = 2
"""2: a `text_id` has a digest for each text of a row; in 1 it was one of all of them."""
LARGEST = 4 << 20
"""Bytes; the release of 17 sources, one model and three arms has 28,000, and each model with its arms 8,000 more."""
DEEPEST = 32
"""Levels of nesting; a release has six."""
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")


def safe_path(path: str) -> str:
    """A path inside a release folder; anything that could lead out of it is refused."""
    parts = path.split("/")
    if not all(_SEGMENT.match(part) for part in parts) or path == NAME or str(PurePosixPath(path)) != path:
        raise ValueError(f"{path!r} is not a plain path inside a release")
    return path


def _source(record: dict[str, Any]) -> dict[str, Any]:
    """A source's record (`provenance.Provenance` and `release`): what readers look up in it is text."""
    for name in ("origin", "revision", "content_digest", "release"):
        if not isinstance(record.get(name), str | None):
            raise ValueError(f"{name} is {record[name]!r}, and should be text")
    return record


def _settings(groups: dict[str, Any]) -> dict[str, Any]:
    """Groups of params.yaml by the names of now; those that readers look into hold names."""
    arms, release = groups.get("arms", {}), groups.get("release", {})
    if not all(isinstance(group, dict) for group in (arms, release)):
        raise ValueError("'arms' and 'release' should be groups of settings")
    if wrong := [name for name, arm in arms.items() if not isinstance(arm, dict)]:
        raise ValueError(f"arm {wrong[0]!r} should be a group of settings")
    return with_new_names(groups)


SafePath = Annotated[str, AfterValidator(safe_path)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{32,128}$")]
Count = Annotated[int, Field(ge=0)]
Version = Annotated[str, Field(pattern=VERSION)]
Source = Annotated[dict[str, Any], AfterValidator(_source)]
Settings = Annotated[dict[str, Any], AfterValidator(_settings)]
Change = Literal["first", "major", "minor", "patch", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TableRecord(_Part):
    """What a Parquet file of a release holds."""

    config: str
    split: str
    schema_name: Annotated[str, Field(alias="schema")]
    key: list[str]
    columns: dict[str, str]
    rows: Count
    content: Hex
    full_content: Hex
    withheld_rows: Count

    @model_validator(mode="after")
    def _agree(self) -> "TableRecord":
        if not self.key or len(set(self.key)) != len(self.key) or not set(self.key) <= self.columns.keys():
            raise ValueError(f"the key {self.key} does not name columns of the table")
        if self.withheld_rows > self.rows:
            raise ValueError("more rows withheld than there are")
        return self


class File(_Part):
    path: SafePath
    bytes: Count
    sha256: Hex
    table: TableRecord | None

    @property
    def as_table(self) -> TableRecord:
        """What it holds; only for the files of `Manifest.tables`."""
        assert self.table is not None, self.path
        return self.table

    @model_validator(mode="after")
    def _in_place(self) -> "File":
        # Whoever writes a table goes by config and split: they must not lead elsewhere than the checked path.
        if self.table and self.path != f"{self.table.config}/{self.table.split}.parquet":
            raise ValueError(
                f"{self.path} is not the place of config {self.table.config!r}, split {self.table.split!r}"
            )
        return self


class Previous(_Part):
    version: Version
    manifest: Hex


class Environment(_Part):
    python: str
    system: str
    machine: str
    packages: dict[str, str]


class Git(_Part):
    commit: Annotated[str, Field(pattern=COMMIT)] | None
    dirty: bool | None


class Manifest(_Part):
    """Everything that a release says of itself."""

    schema_version: Annotated[int, Field(alias="schema")]
    version: Version
    change: Change
    previous: Previous | None
    text: Literal["full", "partial", "none"]
    files: list[File]
    settings: Settings
    sources: dict[str, Source]
    models: dict[str, dict[str, Any]]
    templates: dict[str, Hex]
    environment: Environment
    git: Git

    @property
    def tables(self) -> list[File]:
        return [file for file in self.files if file.table is not None]

    @property
    def configs(self) -> list[str]:
        return sorted({file.as_table.config for file in self.tables})

    @property
    def controls(self) -> list[str]:
        """The configs of training sets whose completions follow the user, as the settings name them."""
        arms = self.settings.get("arms", {})
        following = {name for name, arm in arms.items() if arm.get("answers") == "user"}
        sets = {file.as_table.config for file in self.tables if file.as_table.schema_name == "released/train"}
        return sorted(name for name in sets if name.partition("-")[2] in following)

    def table(self, config: str, split: str) -> File:
        """The file of one config and split."""
        for file in self.tables:
            if (file.as_table.config, file.as_table.split) == (config, split):
                return file
        raise SycoError(f"release {self.version} has no table {config}/{split}; it has {', '.join(self.configs)}")

    def to_json(self) -> str:
        return json.dumps(self.model_dump(by_alias=True), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read(folder: Path) -> Manifest:
    """The manifest of a release folder; a missing, damaged, future or tricky one is refused with one line."""
    content = _content(folder)
    try:
        return parse(content)
    except SycoError as error:
        raise SycoError(f"{folder / NAME}: {error.what}", error.hint) from error


def _content(folder: Path) -> bytes:
    hint = "Name a folder made by stage release (dvc repro release) or by pull"
    if not folder.is_dir():
        raise SycoError(f"there is no folder {folder}", hint)
    try:
        return files.read(links.file(folder, NAME), LARGEST)
    except FileNotFoundError as error:
        raise SycoError(f"{folder} is not a release: it has no {NAME}", hint) from error


def is_pointer(content: bytes) -> bool:
    """Whether a file begins as one that stands for another, which `git lfs pull` gets."""
    return content.startswith(POINTER)


def parse(content: bytes) -> Manifest:
    """A manifest from its bytes."""
    if is_pointer(content):
        raise SycoError("this is a Git LFS pointer, and not the file", "Get the files: git lfs pull")
    values = _values(content)
    number = values.get("schema") if isinstance(values, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise SycoError("this is not a manifest of a release: it has no number under 'schema'")
    if number < SCHEMA:
        raise SycoError(
            f"the manifest has schema {number}, of an earlier version of this program; this one reads {SCHEMA}",
            "Build the release again, or read it with the version that wrote it",
        )
    if number > SCHEMA:
        raise SycoError(
            f"the manifest has schema {number}, this program reads up to {SCHEMA}",
            "Install a newer one: pip install --upgrade syco-data",
        )
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SycoError(f"the manifest is damaged at {where}: {first['msg']}") from error
    if twice := same_names([file.path for file in manifest.files]):
        raise SycoError(f"the manifest is damaged: it names a file twice ({' and '.join(twice)})")
    return manifest


def same_names(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that are one on a disk that knows no upper case."""
    seen: dict[str, str] = {}
    for path in paths:
        if path.casefold() in seen:
            return seen[path.casefold()], path
        seen[path.casefold()] = path
    return None


def _values(content: bytes) -> Any:
    hint = "Get the release again: python -m syco_data pull"
    try:
        values = documents.parse_json(content, "the manifest", unique_keys=True)
        json.dumps(values, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
        _check_depth(values, DEEPEST)
    except SycoError as error:
        raise SycoError(error.what, hint) from error
    except (ValueError, RecursionError) as error:
        raise SycoError(f"the manifest is not valid JSON: {error}", hint) from error
    return values


def _check_depth(value: Any, levels: int) -> None:
    if levels == 0:
        raise ValueError("nested too deep")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _check_depth(item, levels - 1)


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    return files.sha256(path)


def file_record(folder: Path, path: str, table: TableRecord | None = None) -> File:
    """What the manifest says of a file that lies in a release folder."""
    place = folder / path
    return File(path=path, bytes=place.stat().st_size, sha256=digest_of(place), table=table)


def identity(folder: Path) -> str:
    """What names a release for good: the sha256 of its manifest."""
    return digest_of(folder / NAME)
