"""One run at a time writes to an out folder: a lock that its processes hold until they end, however they end.

Where only the launcher of several processes is killed, the others live on and go on writing. A second start has to
see them: it asks for an exclusive lock, and theirs are shared.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syco_data.errors import SycoError

READINGS = 5


@dataclass(frozen=True)
class Hold:
    """A lock on a folder; processes that are given `descriptor` hold it too."""

    descriptor: int

    def share(self) -> None:
        """Lets the processes of this run take part."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)


@contextmanager
def exclusive(out: Path) -> Iterator[Hold]:
    """Holds a folder for one run; raises `SycoError` while a process of another run holds it."""
    with _open(out, fcntl.LOCK_EX) as hold:
        yield hold


@contextmanager
def shared(out: Path) -> Iterator[Hold]:
    """Holds a folder as one of several processes of a run."""
    with _open(out, fcntl.LOCK_SH) as hold:
        yield hold


@contextmanager
def _open(out: Path, kind: int) -> Iterator[Hold]:
    # Beside the folder, whose content counts as the stage's output; it stays, since removing a lock is a race.
    lock = out.with_name(f".{out.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, kind, out, lock)
        yield Hold(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, out: Path, lock: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pids = _holders(lock)
        processes = f" (process {', '.join(pids)})" if pids else ""
        raise SycoError(
            f"finetune: a run that was started before still writes to {out}{processes}. Nothing was changed",
            "Wait until it has ended, or end it" + (f": kill {' '.join(pids)}" if pids else ""),
        ) from error


def _holders(lock: Path) -> list[str]:
    """Process ids from the kernel's list of locks; empty where there is no such list."""
    try:
        # The kernel lists piece by piece, and leaves an entry out where others come and go meanwhile.
        lines = [line for _ in range(READINGS) for line in Path("/proc/locks").read_text("utf-8").splitlines()]
    except OSError:
        return []
    ending = f":{lock.stat().st_ino}"
    locks = [words for line in lines if (words := line.split())[1] == "FLOCK" and words[5].endswith(ending)]
    return sorted({words[4] for words in locks if words[4].isdigit() and words[4] != "0"}, key=int)
