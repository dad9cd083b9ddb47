"""What commands print: tables whose names are wrapped and never cut, and no width where nobody looks at a terminal."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.table import Table

from syco_data.errors import printable

_PIPE = 10_000
"""Columns of a pipe or a file: a line stays a line."""


def console(markup: bool = False) -> Console:
    """Standard output; without `markup`, what data hold is printed as it is."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, markup=markup, width=_PIPE if wide else None)


def show(*parts: RenderableType) -> None:
    """Prints tables and texts; outside of a terminal without the blanks that fill a table's last column."""
    out = console()
    if out.is_terminal:
        out.print(*parts, sep="\n")
        return
    with out.capture() as capture:
        out.print(*parts, sep="\n")
    print("\n".join(line.rstrip() for line in capture.get().split("\n")), end="")


def table(*headings: str, right: Iterable[str] = (), title: str | None = None) -> Table:
    """A table without frames, so that 80 columns hold a lot; `right` names the columns of numbers."""
    rich_table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="bold"
    )
    for heading in headings:
        rich_table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return rich_table


def safe(text: str) -> str:
    """Text of many lines with escapes in place of control characters: data cannot steer the terminal."""
    return "\n".join(map(printable, text.split("\n")))
