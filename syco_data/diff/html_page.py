"""A comparison as one HTML page: no script, no request, every text escaped by the template."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2

from syco_data.diff import terminal
from syco_data.diff.records import Cell, Config, Diff

TEMPLATE = Path(__file__).parents[1] / "data" / "diff.html.jinja"
LONGEST = 2_000
"""Words above which two texts are shown without marks: matching them takes the square of their number."""
_WORDS = re.compile(r"\s+|[^\s\w]|\w+")


@dataclass(frozen=True)
class Piece:
    """A stretch of a text; `differs` when the other side does not have it there."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Beside:
    """One column of an example on both sides; None where a side has no value."""

    column: str
    a: list[Piece] | None
    b: list[Piece] | None


def render(diff: Diff) -> str:
    """The page; it needs nothing beside itself."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        diff=diff,
        headline=terminal.headline(diff),
        warning=terminal.warning(diff),
        beside=beside,
        name_of=terminal.name_of,
        numbers=terminal.numbers,
        columns_of=terminal.columns_of,
        shares=terminal.shares,
        differing=_differing,
        moved=_moved,
    )


def _differing(config: Config, column: str) -> list:
    return [group for group in config.groups if group.column == column and group.counts.differing]


def _moved(config: Config) -> list:
    return [shift for shift in config.shifts if shift.share_a != shift.share_b]


def beside(cell: Cell) -> Beside:
    """Both texts cut into pieces that are alike and pieces that differ, word by word."""
    if cell.a is None or cell.b is None:
        return Beside(cell.column, *(None if text is None else [Piece(text, False)] for text in (cell.a, cell.b)))
    words_a, words_b = _WORDS.findall(cell.a), _WORDS.findall(cell.b)
    if max(len(words_a), len(words_b)) > LONGEST:
        return Beside(cell.column, [Piece(cell.a, False)], [Piece(cell.b, False)])
    pieces_a, pieces_b = [], []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, words_a, words_b, autojunk=False).get_opcodes():
        for pieces, words in ((pieces_a, words_a[i:j]), (pieces_b, words_b[k:m])):
            if words:
                pieces.append(Piece("".join(words), tag != "equal"))
    return Beside(cell.column, pieces_a, pieces_b)
