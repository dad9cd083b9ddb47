"""Folders that the project makes and replaces: each is known to be its own, and nothing else is ever removed.

A folder is ours when it carries a mark that lists the files we put there, or when another file of ours does so (a
release's manifest). One that holds anything else, be it a single note, is refused and left as it is. The mark of pages
says that they are pages: their folder is named in the params, and a slip there must not cost a model.
"""

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents

MARK, OLD = ".syco-data", "old"
_LARGEST_MARK = 16 << 20

Listing = Callable[[Path], Collection[str] | None]
"""The files of a folder that are ours, as POSIX paths below it; None for a folder that we did not make."""


def write_mark(folder: Path, kind: str | None = None) -> None:
    """Declares every file that lies below `folder` now to be ours; `kind` says what they are."""
    paths = sorted(path.relative_to(folder).as_posix() for path in _below(folder))
    about = {"kind": kind} if kind else {}
    files.write_json(folder / MARK, {**about, "files": [path for path in paths if path != MARK]})


def marked_files(folder: Path, kind: str | None = None) -> Collection[str] | None:
    """The listing of a folder's mark; None where it is the mark of another kind of folder."""
    try:
        value = documents.read_json(folder / MARK, _LARGEST_MARK)
    except (OSError, SycoError):
        return None
    listed = value.get("files") if isinstance(value, dict) and value.get("kind") == kind else None
    return {MARK, *map(str, listed)} if isinstance(listed, list) else None


def require(target: Path, hint: str, listing: Listing = marked_files) -> None:
    """Refuses a target that is anything but absent, empty, or a folder that holds our files alone.

    `hint` says what to do about it, such as which key of params.yaml names another folder.
    """
    if target.is_symlink():
        raise SycoError(f"{target} is a link, and a folder that is replaced cannot be one. Nothing was removed", hint)
    if target.exists() and not target.is_dir():
        raise SycoError(f"{target} is a file, and a folder is needed there. Nothing was removed", hint)
    if (foreign := first_foreign(target, listing)) is not None:
        raise SycoError(f"{target} holds {foreign}, which this project did not put there. Nothing was removed", hint)


def first_foreign(folder: Path, listing: Listing = marked_files) -> str | None:
    """The first file below a folder that is not ours; an empty subfolder of somebody's counts as well."""
    below = sorted(_below(folder), key=str)
    if not below:
        return None
    own = listing(folder) or ()
    return next((name for path in below if (name := path.relative_to(folder).as_posix()) not in own), None)


def _below(folder: Path) -> Iterator[Path]:
    """Every file, link and empty folder below a folder; links are not followed."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in (*names, *links))
        if not names and not folders and here != folder:
            yield here


@contextmanager
def replacing(target: Path, hint: str, listing: Listing | None = None, kind: str | None = None) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `target` when the block ends well.

    The new folder is complete before the old one goes; where anything fails, the old one stays and the new one is
    removed. Without a `listing` the new folder gets a mark, and one of another `kind` is not replaced. Raises
    `SycoError` where `target` is not ours (before the block and after it) and for a write that the system refuses.
    """
    marks = listing is None
    listing = listing or partial(marked_files, kind=kind)
    require(target, hint, listing)
    work = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        with (work / MARK).open("w", encoding="utf-8") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            fresh = work / "new"
            fresh.mkdir()
            with files.disk_errors(target):
                yield fresh
            if marks:
                write_mark(fresh, kind)
            require(target, hint, listing)
            _swap(fresh, target, work / OLD)
    except OSError as error:
        raise files.unwritable(target, error) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def _swap(fresh: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _clear_leftovers(target: Path) -> None:
    """What a killed run left: folders of our naming with our mark, whose lock nobody holds any more.

    Where it was killed between taking the old folder away and putting the new one there, the old one comes back.
    """
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with suppress(OSError):
            if leftover.is_symlink() or not (leftover / MARK).is_file():
                continue
            with (leftover / MARK).open("r+", encoding="utf-8") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (leftover / OLD).is_dir() and not os.path.lexists(target):
                    (leftover / OLD).rename(target)
                shutil.rmtree(leftover)
