"""Output to whatever terminal, pipe or file there is: a sign it cannot show is escaped, a closed pipe ends quietly."""

import codecs
import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CLOSED = 141
"""The exit code of a program whose reader went away, as a shell reports it (128 + SIGPIPE)."""


@contextmanager
def safe() -> Iterator[None]:
    """Around a command or a stage: what it prints never ends in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="syco_data.escape")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _is_closed():
            raise
        # What is left in the buffers goes nowhere; Python would report it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CLOSED)
    except BaseException as error:
        if not _is_damaged_table(error):
            raise
        reason = " ".join(str(error).split())
        print(f"error: a table is damaged: {reason:.200}. Build it again: dvc repro", file=sys.stderr)
        sys.exit(2)


def _is_damaged_table(error: BaseException) -> bool:
    """What polars raises while it reads a Parquet file that is not whole; by name, as loading polars takes a while."""
    return type(error).__name__ == "PanicException" or (
        type(error).__module__.startswith("polars") and str(error).startswith("parquet: ")
    )


def _is_closed() -> bool:
    """Whether it was the reader of the output that went away, and no other pipe."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""`\uXXXX` as JSON has it, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return json.dumps(signs)[1:-1], error.end


codecs.register_error("syco_data.escape", _escape)
