"""What is sent to the Hub: the files of one version with their digests, and how they differ from a commit's."""

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from syco_data import files
from syco_data.errors import SycoError
from syco_data.hub.addresses import NUMBER, tag_of
from syco_data.hub.client import Blob
from syco_data.release import cards, links, manifest, verification

KEPT = frozenset({".gitattributes"})
"""Files that the Hub itself puts into a repository."""
MOST_FILES = 10_000
"""Of one version; a tuned model has some ten, and a folder with more of them was hardly meant."""


@dataclass(frozen=True)
class Item:
    """One file: its path in the repository, where it lies, and its digest."""

    path: str
    source: Path
    bytes: int
    sha256: str

    def is_at(self, blob: Blob) -> bool:
        """Whether the Hub's file has the same content: by sha256, or by git blob id where it states no other."""
        if blob.sha256 is None:
            return blob.bytes == self.bytes and blob.git_id == git_id(self.source)
        return blob.bytes == self.bytes and blob.sha256 == self.sha256


@dataclass(frozen=True)
class Differences:
    """What a commit has to change: `new` and `changed` items, and `to_delete` paths to delete."""

    new: tuple[Item, ...]
    changed: tuple[Item, ...]
    to_delete: tuple[str, ...]

    @property
    def none(self) -> bool:
        return not (self.new or self.changed or self.to_delete)

    def first(self) -> str:
        return next(iter([*(item.path for item in (*self.new, *self.changed)), *self.to_delete]))


@dataclass(frozen=True)
class Upload:
    """One version: `digest` names its content for good (for a release, the sha256 of its manifest)."""

    version: str
    digest: str
    items: tuple[Item, ...]

    @property
    def tag(self) -> str:
        return tag_of(self.version)

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)

    def differences(self, tree: Mapping[str, Blob]) -> Differences:
        paths = {item.path for item in self.items}
        return Differences(
            tuple(item for item in self.items if item.path not in tree),
            tuple(item for item in self.items if item.path in tree and not item.is_at(tree[item.path])),
            tuple(sorted(path for path in tree if path not in paths | KEPT)),
        )

    def card(self) -> str:
        """The text of the card; empty where there is none."""
        sources = [item.source for item in self.items if item.path == manifest.CARD]
        return files.read_text(sources[0], cards.LARGEST) if sources else ""


def verified_release(folder: Path) -> Upload:
    """A release folder, verified to be what its manifest says."""
    verification.require(folder)
    return of_release(folder)


def of_release(folder: Path) -> Upload:
    """A release folder, as its manifest describes it."""
    record = manifest.read(folder)
    itself = Item(
        manifest.NAME, folder / manifest.NAME, (folder / manifest.NAME).stat().st_size, manifest.identity(folder)
    )
    items = [Item(file.path, folder / file.path, file.bytes, file.sha256) for file in record.files]
    return Upload(record.version, itself.sha256, (*items, itself))


def of_folder(
    folder: Path, version: str, instead: Mapping[str, Path] = MappingProxyType({}), without: str | None = None
) -> Upload:
    """Any other folder, such as a tuned model: every file that is not hidden; `version` is like 1.2.0.

    `without` names a subfolder that is left out, whatever lies there.

    `instead` names files that take the place of the folder's, or are added. Raises `SycoError` for what cannot be
    published: links out of the folder and the caches (see `links`), pipes, odd names, too many files.
    """
    if not folder.is_dir():
        raise SycoError(f"there is no folder {folder}")
    if not NUMBER.fullmatch(version):
        raise SycoError(f"{version!r} is not a version", "Give one like 1.2.0")
    paths = {*islice(_below(folder, without), MOST_FILES + 1), *instead}
    if len(paths) > MOST_FILES:
        raise SycoError(f"{folder} holds more than {MOST_FILES:,} files", "Name the folder of the model alone")
    items = [_item(folder, path, instead.get(path)) for path in sorted(paths, key=PurePosixPath)]
    if not items:
        raise SycoError(f"{folder} holds nothing to publish")
    listing = "".join(f"{item.sha256}  {item.path}\n" for item in items)
    return Upload(version, hashlib.sha256(listing.encode()).hexdigest(), tuple(items))


def _below(folder: Path, without: str | None) -> Iterator[str]:
    """Every path below a folder that is not hidden and no folder; linked folders are named, not entered."""

    def stop(error: OSError) -> None:
        raise SycoError(f"{error.filename} cannot be read: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=stop):
        left_out = without if Path(place) == folder else None
        folders[:] = [name for name in folders if not name.startswith(".") and name != left_out]
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for name in [*names, *linked]:
            if not name.startswith("."):
                yield Path(place, name).relative_to(folder).as_posix()


def _item(folder: Path, path: str, instead: Path | None) -> Item:
    if not path.isprintable():
        raise SycoError(f"{folder}: {path!r} is not a name that a file can have on the Hub", "Rename it")
    try:
        source = instead or links.file(folder, path)
        return Item(path, source, source.stat().st_size, manifest.digest_of(source))
    except OSError as error:
        raise SycoError(f"{folder / path} cannot be read: {error.strerror or error}") from error


def git_id(path: Path) -> str:
    """The id that git gives a file's content."""
    running = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            running.update(piece)
    return running.hexdigest()


def card_changes(before: str, after: str) -> list[str]:
    """The change of a card as a unified diff, without the names of files."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
