"""Progress: a bar on a terminal, one plain line a minute elsewhere."""

import io
import os
import pty
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from syco_data import progress
from syco_data.progress import Progress


def test_elsewhere_one_line_a_minute_and_one_at_the_end(monkeypatch):
    """The lines come though nothing advances meanwhile, before the first advance too."""
    monkeypatch.setattr(progress, "MINUTE", 0.02)
    now, out = [0.0], io.StringIO()

    def until(text: str) -> None:
        while text not in out.getvalue():
            time.sleep(0.001)

    with progress._lines("scoring", 400, out, lambda: now[0]) as counter:
        until("scoring: 0 of 400 (0%)\n")
        now[0] += 80
        counter.restart()
        now[0] += 80
        counter.advance(200)
        until("scoring: 200 of 400 (50%), 2/s, 0:01:20 left\n")
    assert out.getvalue().splitlines()[-1] == "scoring: 200 done in 160 s"


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
    assert Progress("x", 5, print, lambda: 0.0).line() == "x: 0 of 5 (0%)"


def test_counts_are_in_words():
    assert [progress.counted(count, "row") for count in (0, 1, 1983)] == ["0 rows", "1 row", "1,983 rows"]


def test_work_that_ctrl_c_stops_says_what_is_kept_and_an_error_says_nothing_of_it():
    for kind, notes in ((KeyboardInterrupt, ["2 kept"]), (ValueError, [])):
        with pytest.raises(kind) as caught, progress.keeping(lambda: "2 kept"):
            raise kind
        assert getattr(caught.value, "__notes__", []) == notes
