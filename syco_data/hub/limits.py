"""Limits of time for what is asked of the Hub: one total for a whole command, a word while it waits, and an end.

The client has no such limit: a call is made in a thread of its own, which is left behind when the time is over.
"""

import contextvars
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

from syco_data.progress import keeping
from syco_data.words import counted

Answer = TypeVar("Answer")

FIRST_WORD, LONGEST_SILENCE = 10.0, 300.0
"""Seconds without an end after which a call is spoken of, and at most between two such words (they double)."""
LAST_LOOK = 10.0
"""Seconds beyond the limit in which a publish may look for what has arrived."""
_current: contextvars.ContextVar["Deadline | None"] = contextvars.ContextVar("deadline", default=None)
_left_behind: list[Thread] = []
_log = logging.getLogger(__name__)


class OutOfTime(Exception):
    """The total time is over; `folder` is where files of a download arrive."""

    def __init__(self, total: float, folder: Path | None) -> None:
        here = "" if folder is None else f"; here by now: {arrived(folder) or 'nothing'}"
        super().__init__(f"the time limit of {total:,.10g} s is over{here}")


@dataclass
class Deadline:
    """The end of `total` seconds that began when this was made."""

    total: float
    began: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.total - self.spent


def deadline(total: float) -> Deadline:
    """The one of the command that runs; outside of a command a new one of `total` seconds."""
    return _current.get() or Deadline(total)


@contextmanager
def within(total: float) -> Iterator[None]:
    """All that is asked of the Hub inside takes `total` seconds at most; inside another limit, that one stands."""
    token = _current.set(deadline(total))
    try:
        yield
    finally:
        _current.reset(token)


def call(what: Callable[[], Answer], doing: str, limit: Deadline, folder: Path | None = None) -> Answer:
    """The answer of one call of the client. Raises what it raises, and `OutOfTime`; `folder` is where files arrive."""
    if limit.left <= 0:
        raise OutOfTime(limit.total, folder)
    results: SimpleQueue = SimpleQueue()

    def work() -> None:
        try:
            results.put((what(), None))
        except BaseException as error:
            results.put((None, error))

    thread = Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        with keeping(lambda: "what has arrived is kept"):
            answer, error = _awaited(results, doing, limit)
    except Empty:
        _abandon(thread)
        raise OutOfTime(limit.total, folder) from None
    except BaseException:  # Ctrl-C
        _abandon(thread)
        raise
    # It has nothing left to do: no thread of an ordinary call is alive when a process ends.
    thread.join(timeout=1.0)
    if error is not None:
        raise error
    return answer


def _awaited(results: SimpleQueue, doing: str, limit: Deadline) -> tuple:
    """What the thread has put there; `Empty` when the time is over."""
    began, silence = time.monotonic(), FIRST_WORD
    while True:
        word = began + silence - time.monotonic()
        try:
            return results.get(timeout=max(0.0, min(word, limit.left)))
        except Empty:
            if limit.left <= 0:
                raise
            _log.warning("waiting for the Hub: %s (%.0f s of %s s)", doing, limit.spent, f"{limit.total:,.10g}")
            silence += min(silence, LONGEST_SILENCE)


def _abandon(thread: Thread) -> None:
    """Ends what can be ended of a call: Xet's transfers, and connections as soon as another byte comes."""
    from huggingface_hub.utils._xet import abort_xet_session

    from syco_data.hub import session

    _left_behind.append(thread)
    session.cut()
    abort_xet_session()


def arrived(folder: Path | None) -> str:
    """Files and bytes below a folder, those of unfinished downloads included; empty where there is nothing."""
    sizes = [] if folder is None else [(path, path.lstat().st_size) for path in folder.rglob("*") if _is_content(path)]
    total = sum(size for _, size in sizes)
    complete = sum(not path.name.endswith(".incomplete") for path, _ in sizes)
    return f"{counted(complete, 'complete file')}, {counted(total, 'byte')} in all" if total else ""


def _is_content(path: Path) -> bool:
    """Whether a file is a downloaded one and none of the client's notes."""
    return path.is_file() and (".cache" not in path.parts or path.name.endswith(".incomplete"))


def begin() -> None:
    """A command or a stage begins: what calls of before left behind in this process is not its own."""
    _left_behind.clear()


def leave(code: int | str | None) -> NoReturn:
    """Ends the process; at once where the command left a thread behind, which native code may hold for long."""
    if any(thread.is_alive() for thread in _left_behind):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)
    sys.exit(code)
