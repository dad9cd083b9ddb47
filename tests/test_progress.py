"""Progress: a bar on a terminal, one plain line a minute elsewhere."""

import io
import os
import pty
from collections.abc import Iterator
from contextlib import suppress

from syco_data import progress
from syco_data.progress import Progress


def test_elsewhere_one_line_a_minute_and_one_at_the_end():
    now, out = [0.0], io.StringIO()
    with progress._lines("scoring", 400, out, lambda: now[0]) as counter:
        for _ in range(4):
            now[0] += 40
            counter.advance(100)
    assert out.getvalue().splitlines() == [
        "scoring: 200 of 400 (50%), 2/s, 0:01:20 left",
        "scoring: 400 of 400 (100%), 2/s, 0:00:00 left",
        "scoring: 400 done in 160 s",
    ]


def parts(reader: int) -> Iterator[str]:
    """What a terminal was sent, which comes piece by piece, until its other end is closed."""
    with suppress(OSError):
        while part := os.read(reader, 100_000):
            yield part.decode(errors="replace")


def test_on_a_terminal_a_bar_with_rate():
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, progress.progress("scoring", 10, terminal) as counter:
        counter.advance(10)
    shown = "".join(parts(reader))
    os.close(reader)
    assert "scoring" in shown and "10/10" in shown and "/s" in shown


def test_a_line_before_anything_is_done_promises_no_time():
    assert Progress("x", 5, print, lambda: 0.0).line() == "x: 0 of 5 (0%), 0/s, unknown time left"
