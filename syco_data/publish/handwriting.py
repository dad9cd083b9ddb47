"""Words that somebody wrote into a card on the Hub, and that a new version of it would not have.

Nobody's words are: the YAML head, comments, lines without a letter or digit, and what the website's and the clients'
templates put into a new card.
"""

import re
from functools import cache

from syco_data.release import cards

_HEAD = re.compile(r"\A\ufeff?\s*---[^\S\n]*\n(?:(.*?)\n)?---[^\S\n]*(?:\n|\Z)", re.S)
_MARKS = " \t#>*-+"
_TITLE = re.compile(r"(Dataset|Model) Card for [\"'`]?[\w./-]+( [\w./-]+){0,3}[\"'`]?")  # a name, and no sentence
_OF_TRANSFORMERS = (
    "This is the model card of a 🤗 transformers model that has been pushed on the Hub. This model card has been "
    "automatically generated."
)


def head(card: str) -> str:
    """The YAML head, without its fences; empty where there is none."""
    match = _HEAD.match(_unix(card))
    return (match[1] or "") if match else ""


def lost(there: str, ours: str, base: str | None, repository: str) -> str | None:
    """The first words of a card on the Hub that `ours`, which would replace it, lacks; None where nothing is lost.

    `base` is the card from which that on the Hub was made by hand, where it is known: what a build has written is not
    loss. Words between the fences that were removed there, and that `ours` would bring back, count as well.
    """
    kept, written = " ".join(_lines(ours)), set(_lines(base or "")) | _stubs(repository)
    for line in _lines(there):
        if line not in written and line not in kept and not _TITLE.fullmatch(line):
            return line
    now, again = " ".join(_between(there)), " ".join(_between(ours))
    removed = (line for line in _between(base or "") if line not in now and line != cards.NOTHING_WRITTEN)
    return next((line for line in removed if line in again), None) if _fenced(there) else None


def _lines(card: str) -> list[str]:
    """The lines with words, without the marks of headings, lists and quotes; white space made one."""
    text = _without_comments(_HEAD.sub("", _unix(card), count=1))
    lines = (" ".join(raw.strip(_MARKS).split()) for raw in text.split("\n"))
    return [line for line in lines if any(map(str.isalnum, line))]


def _without_comments(text: str) -> str:
    """One pass: a pattern would look for the end of every comment that has none."""
    parts, start = [], 0
    while (begin := text.find("<!--", start)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        parts.append(text[start:begin])
        start = end + 3
    return "\n".join([*parts, text[start:]])


def _between(card: str) -> list[str]:
    return _lines(cards.hand_written(card)) if _fenced(card) else []


def _fenced(card: str) -> bool:
    return card.count(cards.BEGIN) == card.count(cards.END) == 1 and card.index(cards.BEGIN) < card.index(cards.END)


def _unix(card: str) -> str:
    return card.replace("\r\n", "\n").replace("\r", "\n")


def _stubs(repository: str) -> frozenset[str]:
    name = repository.rpartition("/")[2]
    return _templates() | {name, repository}


@cache
def _templates() -> frozenset[str]:
    """The lines of cards that nobody has filled in."""
    from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

    empty = (DatasetCard.from_template(DatasetCardData()), ModelCard.from_template(ModelCardData()))
    return frozenset({line for card in empty for line in _lines(card.content)} | {_OF_TRANSFORMERS})
