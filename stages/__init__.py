"""Stages hold no logic: parse, call one function, write. Run one as `python -m stages.<name>`.

A stage returns a `Summary`, which is printed as its one line. Ctrl-C ends it with one line too, even while it still
imports: so the modules that take a while are imported inside the functions.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import active_children, parent_process
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import polars as pl

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as a shell reports it (128 + SIGINT)."""


@dataclass(frozen=True)
class Summary:
    """What a stage read (None: nothing to count) and made, in words, and the reason of every row that it dropped."""

    read: str | None
    made: str
    dropped: "pl.Series | None" = None

    def line(self, stage: str, seconds: float) -> str:
        """`claims: 10,200 rows in, 9,907 claims; dropped duplicate 190, conflict 92; 0.6 s`."""
        done = f"{self.read} in, {self.made}" if self.read else self.made
        parts = [done, *self._drops(), f"{seconds:,.1f} s"]
        return f"{stage}: {'; '.join(parts)}"

    def _drops(self) -> list[str]:
        if self.dropped is None or self.dropped.is_empty():
            return []
        counts = sorted(self.dropped.value_counts().iter_rows(), key=lambda row: (-row[1], row[0]))
        return [f"dropped {', '.join(f'{reason} {count:,}' for reason, count in counts)}"]


def run(main: Callable[..., Summary | None]) -> None:
    """Calls a stage with the settings and its arguments; an error is one line, not a traceback."""
    from syco_data import quiet, redaction, streams
    from syco_data.hub import limits

    limits.begin()
    with streams.safe(), redaction.guarded(), quiet.libraries():
        code = _code(main)
    if code == INTERRUPTED:
        _end_at_once()
    limits.leave(code)


def _code(main: Callable[..., Summary | None]) -> int | str | None:
    from syco_data import settings
    from syco_data.errors import CheckFailed, SycoError

    began = time.monotonic()
    try:
        summary = main(settings.load(), *sys.argv[1:])
    except CheckFailed as error:
        return _report(f"error: {error}", code=1)
    except SycoError as error:
        return _report(f"error: {error}", code=2)
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt as end:
        return _report(_interrupted(end), INTERRUPTED)
    return _report(summary.line(_name(), time.monotonic() - began), code=0) if summary else 0


def _report(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _name() -> str:
    """The stage and the item of its matrix: `select reference balanced`."""
    return " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])


def _interrupted(end: BaseException) -> str:
    """What is kept is known to the work that was stopped: it adds a note (`progress.keeping`)."""
    kept = "; ".join(getattr(end, "__notes__", ())) or "every finished stage is kept, this one begins again"
    return f"{_name()}: interrupted; {kept}. To go on: dvc repro"


def _end_at_once() -> NoReturn:
    """Without what Python does at its end: it would wait for threads and processes that still work."""
    for child in active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a script imports. A process that the stage started itself says nothing."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    if parent_process() is None:
        print(_interrupted(error), file=sys.stderr)
    _end_at_once()


sys.excepthook = _hook
