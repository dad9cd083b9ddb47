"""What commands print: tables whose names are wrapped and never cut, and no width where nobody looks at a terminal."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

_PIPE = 10_000
"""Columns of a pipe or a file: a line stays a line."""


def console() -> Console:
    """Standard output, without markup or colours in what data say."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, markup=False, width=_PIPE if wide else None)


def table(*headings: str, right: Iterable[str] = (), title: str | None = None) -> Table:
    """A table without frames, so that 80 columns hold a lot; `right` names the columns of numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return made
