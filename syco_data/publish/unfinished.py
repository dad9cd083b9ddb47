"""The working folder of a pull, inside the folder that the release is for: `.pulling/`.

It holds a lock, which is the mark that a pull made the folder, and a folder per commit with what has arrived. It is
removed when the release is complete. A `.pulling/` without the mark is somebody else's and left alone.
"""

import errno
import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.hub.addresses import COMMIT

WORK = ".pulling"
MARK = "syco-data.lock"
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_TRIES = 10
_log = logging.getLogger(__name__)


def check(folder: Path) -> None:
    """Refuses a folder with anything of the user's in it; what an interrupted pull has left is not an obstacle."""
    work = folder / WORK
    if os.path.lexists(work):
        _check_ours(work)
    elif folder.exists() and not folder.is_dir():
        raise SycoError(f"{folder} is a file, and a release needs a folder", "Give another folder")
    elif folder.exists() and (first := next(folder.iterdir(), None)) and first.name != WORK:
        raise SycoError(f"{folder} is not empty (it holds {first.name}). Nothing was written", "Give a new folder")


def _check_ours(work: Path) -> None:
    if work.is_symlink() or not (work / MARK).is_file():
        _check_links(work)
    try:
        names = set(os.listdir(work))
    except FileNotFoundError:
        return  # another pull has just finished
    except NotADirectoryError as error:
        raise _not_ours(work, "it is not a folder") from error
    if names and MARK not in names:
        raise _not_ours(work, f"it holds {min(names)}, and no file {MARK}")
    if strange := sorted(name for name in names - {MARK} if not COMMIT.fullmatch(name)):
        raise _not_ours(work / strange[0], f"a pull puts only {MARK} and folders named by commits there")


def _check_links(work: Path) -> None:
    if link := next((path for path in (work, *work.rglob("*")) if path.is_symlink()), None):
        raise SycoError(f"{link} is a link, and could lead out of {work.parent}. Nothing was written", "Remove it")


def _not_ours(path: Path, why: str) -> SycoError:
    return SycoError(f"{path} was not made by `pull`: {why}. Nothing was removed", f"Move {path} away")


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """The working folder, made and held by this pull; raises `SycoError` while another one holds it.

    The lock goes with its process, however that ends.
    """
    work = folder / WORK
    descriptor = _lock(work)
    try:
        _check_links(work)
        yield work
    finally:
        os.close(descriptor)


def _lock(work: Path) -> int:
    for _ in range(_TRIES):
        work.mkdir(parents=True, exist_ok=True)
        descriptor = _open(work / MARK)
        if descriptor is None:
            continue  # a pull that has just finished removed the folder
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise _busy(work) from error
            _log.warning("%s: this file system has no locks; start only one pull into a folder", work)
        if _is(descriptor, work / MARK):
            return descriptor
        os.close(descriptor)
    raise _busy(work)


def _busy(work: Path) -> SycoError:
    hint = "Wait until it has ended, or give another folder"
    return SycoError(f"another pull is writing to {work.parent}. Nothing was changed", hint)


def _open(lock: Path) -> int | None:
    """The lock's descriptor; None where its folder is gone."""
    if os.path.lexists(lock) and not stat.S_ISREG(lock.lstat().st_mode):
        raise _not_ours(lock.parent, f"{lock.name} in it is not a plain file")
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        return None


def _is(descriptor: int, path: Path) -> bool:
    """Whether the open file still stands under its name: a finished pull removes its lock while it holds it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def clear(work: Path, kept: str | None) -> None:
    """Removes what earlier pulls have left, apart from the folder of the commit `kept`."""
    for path in list(work.iterdir()):
        if path.name != kept and COMMIT.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """A file, or a folder with all that it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def close(work: Path) -> None:
    """Removes the working folder, the mark last: without it, the rest would be nobody's. The pull must hold it."""
    clear(work, None)
    (work / MARK).unlink()
    with suppress(OSError):  # another pull may have come in between: it holds the folder now
        work.rmdir()
