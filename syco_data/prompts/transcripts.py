"""Prompts as transcripts: turns of `Human:` and `Assistant:`, parted by a blank line.

Cleaned inputs hold no line break, so a turn, an option line or the answer lead-in can never come from the
text of an input: parsing a rendered prompt is exact.
"""

import re
from dataclasses import dataclass

import polars as pl

from syco_data.errors import SycoError

_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant): ")
_ROLES = {"Human": "user", "Assistant": "assistant"}
OPTION_LINES = re.compile(r"^ \(A\) (.+)\n \(B\) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Turn:
    """One turn: `role` is `user` or `assistant`, as chat templates name them."""

    role: str
    content: str


def turns(text: str) -> list[Turn]:
    """The turns of a prompt; the last one is the assistant's lead-in, still open."""
    marks = list(_TURN.finditer(text))
    if not marks or marks[0].start() != 0:
        raise SycoError(f"this text does not begin with a turn (`Human: `): {text[:60]!r}")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [Turn(_ROLES[mark[1]], text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]


def swap_options(prompt: pl.Expr) -> pl.Expr:
    """The same question with the words of its two options exchanged."""
    return prompt.str.replace(r"(?m)^ \(A\) (.+)\n \(B\) (.+)$", " (A) ${2}\n (B) ${1}")
