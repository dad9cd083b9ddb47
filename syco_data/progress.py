"""How far long work is: a bar with rate and time left on a terminal, one plain line a minute elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TextIO

MINUTE = 60.0


def counted(count: int, noun: str) -> str:
    """`1 row`, `1,983 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass
class Progress:
    """Counts `done` of `total`; `show` is called after every advance."""

    name: str
    total: int
    show: Callable[["Progress"], None]
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def restart(self) -> None:
        """Rate and time left count from now."""
        self.started = self.clock()

    def advance(self, count: int = 1) -> None:
        self.done += count
        self.show(self)

    @property
    def rate(self) -> float:
        """Items a second since the start."""
        return self.done / max(self.clock() - self.started, 1e-9)

    def line(self) -> str:
        """`scoring: 1,200 of 4,000 (30%), 310/s, 0:00:09 left`."""
        share = self.done / self.total if self.total else 1.0
        line = f"{self.name}: {self.done:,} of {self.total:,} ({share:.0%})"
        if not self.done:
            return line
        return f"{line}, {self.rate:,.0f}/s, {timedelta(seconds=round((self.total - self.done) / self.rate))} left"


@contextmanager
def keeping(words: Callable[[], str]) -> Iterator[None]:
    """Around work that Ctrl-C may stop: `words` says what is kept, for the line that the user sees then."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(words())
        raise


@contextmanager
def progress(name: str, total: int, stream: TextIO | None = None) -> Iterator[Progress]:
    """A counter that shows itself on `stream` (standard error)."""
    stream = stream or sys.stderr
    with _bar(name, total, stream) if stream.isatty() else _lines(name, total, stream) as counter:
        yield counter


@contextmanager
def _bar(name: str, total: int, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    with Bar(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task(name, total=total, rate="")
        yield Progress(name, total, lambda now: bar.update(task, completed=now.done, rate=f"{now.rate:,.0f}/s"))


@contextmanager
def _lines(name: str, total: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    counter, ended = Progress(name, total, lambda now: None, clock), threading.Event()
    begun = clock()

    def show() -> None:
        while not ended.wait(MINUTE):
            print(counter.line(), file=stream, flush=True)

    # A thread: what is counted may take longer than a minute.
    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield counter
    finally:
        ended.set()
        thread.join()
    print(f"{name}: {counter.done:,} done in {clock() - begun:,.0f} s", file=stream, flush=True)
