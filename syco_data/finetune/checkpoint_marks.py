"""When a checkpoint is complete, and whether it still is.

The mark of a checkpoint names its run, itself and each of its files with size and SHA-256. It is written last, once
everything else is on disk. A trainer that finds a file missing goes on without it, so nothing is loaded before the
whole list is checked: names and sizes first, then digests, at some 2 GB per second and CPU.
"""

import os
import re
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from syco_data import files
from syco_data.errors import SycoError, printable
from syco_data.formats import documents

MARK = "complete"
_FORMAT = 1
_LARGEST = 1 << 24  # bytes of a mark: some 100,000 files
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KINDS = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}


def mark(checkpoint: Path) -> None:
    """Says that a checkpoint is complete; raises `OSError` or `SycoError` where it cannot be written."""
    kinds = _kinds(checkpoint)
    for name, kind in kinds.items():
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise SycoError(f"{checkpoint / name} is {_KINDS.get(kind, 'a device')}, which no checkpoint holds")
        _sync(checkpoint / name)
    names = [name for name, kind in kinds.items() if kind == stat.S_IFREG]
    digests = dict(zip(names, _digests(checkpoint, names), strict=True))
    entries = {name: _entry(checkpoint / name, digests[name]) if name in digests else None for name in kinds}
    files.write_json(checkpoint / MARK, {**_identity(checkpoint), "entries": entries})
    _sync(checkpoint)


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint: which file, and what. None: it is what was marked, byte for byte."""
    try:
        reason = _damage(checkpoint)
    except OSError as error:
        reason = f"{Path(error.filename or checkpoint).name} cannot be read: {(error.strerror or str(error)).lower()}"
    except SycoError as error:
        reason = error.what
    return None if reason is None else printable(reason)


def _damage(checkpoint: Path) -> str | None:
    if not stat.S_ISDIR(checkpoint.lstat().st_mode):
        return f"it is {_kind(checkpoint)}, not a folder"
    if not os.path.lexists(checkpoint / MARK):
        return "it was not completed"
    return _difference(checkpoint, _marked(checkpoint))


def _marked(checkpoint: Path) -> dict[str, Any]:
    """The entries of a mark: null for a folder, size and digest for a file."""
    path = checkpoint / MARK
    if not stat.S_ISREG(path.lstat().st_mode):
        raise SycoError(f"its mark '{MARK}' is {_kind(path)}")
    value = documents.parse_json(files.read(path, _LARGEST) or b"null", f"its mark '{MARK}'")
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise SycoError(f"its mark '{MARK}' is not one of this version")
    identity = {name: value.get(name) for name in _identity(checkpoint)}
    if identity != _identity(checkpoint):
        raise SycoError(f"it was written as {identity['name']!r:.40} of run {identity['run']!r:.40}")
    entries = value.get("entries")
    if not isinstance(entries, dict) or not all(_is_entry(entry) for entry in entries.values()):
        raise SycoError(f"its mark '{MARK}' holds no list of files")
    return entries


def _difference(checkpoint: Path, entries: dict[str, Any]) -> str | None:
    kinds = _kinds(checkpoint)
    for name, entry in entries.items():
        if name not in kinds:
            return f"{name} is missing"
        if kinds[name] != (stat.S_IFDIR if entry is None else stat.S_IFREG):
            return f"{name} is {_kind(checkpoint / name)}"
        size = 0 if entry is None else (checkpoint / name).lstat().st_size
        if entry is not None and size != entry["size"]:
            return f"{name} has {size:,} bytes, {entry['size']:,} were written"
    extra = min(kinds.keys() - entries.keys(), default=None)
    if extra is not None:
        return f"{extra} is not one of its files"
    names = [name for name, entry in entries.items() if entry is not None]
    digests = zip(names, _digests(checkpoint, names), strict=True)
    changed = next((name for name, digest in digests if digest != entries[name]["sha256"]), None)
    return f"{changed} holds other bytes than were written" if changed else None


def _identity(checkpoint: Path) -> dict[str, Any]:
    return {"format": _FORMAT, "run": checkpoint.parent.name, "name": checkpoint.name}


def _entry(path: Path, digest: str) -> dict[str, Any]:
    return {"size": path.lstat().st_size, "sha256": digest}


def _is_entry(entry: Any) -> bool:
    if entry is None:
        return True
    shape = isinstance(entry, dict) and entry.keys() == {"size", "sha256"}
    return shape and type(entry["size"]) is int and _DIGEST.fullmatch(str(entry["sha256"])) is not None


def _kinds(checkpoint: Path) -> dict[str, int]:
    """Everything below a checkpoint but its mark: its name and type of file; links are not followed."""
    kinds = {path.relative_to(checkpoint).as_posix(): stat.S_IFMT(path.lstat().st_mode) for path in _walk(checkpoint)}
    return {name: kind for name, kind in kinds.items() if name != MARK}


def _walk(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        for entry in sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name):
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))


def _digests(checkpoint: Path, names: list[str]) -> Iterator[str]:
    """Digests in the order of the names; large files are read side by side."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as readers:
        yield from readers.map(lambda name: files.sha256(checkpoint / name), names)


def _kind(path: Path) -> str:
    return _KINDS.get(stat.S_IFMT(path.lstat().st_mode), "a device")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
