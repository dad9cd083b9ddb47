"""Synthetic rows for the 17 sources: sentences from small grammars in each source's real columns and label ids.

A row is read from a series of stable draws, so a larger count only adds rows. Combinations are dealt out to
three sides by their own text: the training split, the held-out split, and a development split that no table of
the data set shows (the reference model's acceptance gate reads it) never hold the same one.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from syco_data import draws, schemas
from syco_data.errors import SycoError
from syco_data.reference.grammars import GRAMMARS, OTHER, Grammar, slots_of
from syco_data.settings import Noise
from syco_data.sources import Source

BATCH = 512
Side = Literal["train", "development", "held_out"]
_TRAIN: tuple[Side, ...] = ("train",) * 7
SIDES: tuple[Side, ...] = ("held_out", "held_out", "development", *_TRAIN)
SPARE = 2  # at most every second combination is asked for: the search would grow long

NOISE_KINDS = ("repeated", "conflicting", "borrowed", "unlabelled", "odd")
BORROWS = {"rotten_tomatoes": "sst2"}
LEAVES_UNLABELLED = frozenset({"snli"})
ODD_FORMS = ("{}\t", ' "{}" ', "[label] {}", "{} [is] [opinion]", "{}  \n", "\u00a0{}", "{} {{claim}}")


@dataclass(frozen=True)
class Combination:
    """One clean row: a text per column, the true label, the cue word (lexical) or topic word (relational)."""

    texts: tuple[str, ...]
    label: int
    cue: str | None
    topic: str | None


def rows(source: Source, split: str, count: int, seed: int, noise: Noise) -> pl.DataFrame:
    """`count` rows of one split (`source.train` or `source.held_out`), columns of `schemas.raw(source)`.

    A few are noisy as real rows are: repeated, repeated with another label, borrowed from the other film
    source, unlabelled, oddly spaced or marked. Raises SycoError when the grammar has too few combinations.
    """
    if split not in (source.train, source.held_out):
        raise SycoError(f"source {source.key!r} has no split {split!r}: {source.train}, {source.held_out}")
    side: Side = "held_out" if split == source.held_out else "train"
    clean = combinations(source.key, side, count, seed)
    chance = draws.draw([f"{split}/{row}" for row in range(count)], seed, f"embedded/{source.key}/blemish")
    other_film = combinations(BORROWS[source.key], side, count, seed) if source.key in BORROWS else []
    noisy = [_with_noise(source, row, clean, other_film, chance, noise) for row in range(count)]
    columns = {
        "split": [split] * count,
        "row": range(count),
        **{name: [item.texts[i] for item in noisy] for i, name in enumerate(source.text_columns)},
        "label": [item.label for item in noisy],
    }
    return pl.DataFrame(columns, schema=schemas.raw(source).columns)


def combinations(key: str, side: Side, count: int, seed: int, purpose: str = "rows") -> list[Combination]:
    """The first `count` different combinations of one side of a source's grammar, in the order of `purpose`."""
    grammar = GRAMMARS[key]
    limit = grammar.capacity() * SIDES.count(side) // len(SIDES) // SPARE
    if count > limit:
        raise SycoError(
            f"source {key!r}: {count} synthetic rows asked for, its grammar can give {limit}",
            "Lower acquire.synthetic_rows in params.yaml",
        )
    fresh = _unseen(_combinations(key, grammar, seed, f"{purpose}/{side}"))
    return list(itertools.islice(filter(partial(_on_side, side), fresh), count))


def _unseen(combinations: Iterator[Combination]) -> Iterator[Combination]:
    seen: set[tuple[str, ...]] = set()
    for item in combinations:
        if item.texts not in seen:
            seen.add(item.texts)
            yield item


def _on_side(side: Side, item: Combination) -> bool:
    """The side depends on the text alone, so that no seed, purpose or count moves a text across."""
    return SIDES[int(draws.content_id(*item.texts), 16) % len(SIDES)] == side


def _combinations(key: str, grammar: Grammar, seed: int, purpose: str) -> Iterator[Combination]:
    for start in itertools.count(0, BATCH):
        ids = [str(number) for number in range(start, start + BATCH)]
        drawn = draws.draw(ids, seed, f"embedded/{key}/{purpose}")
        yield from (_combine(grammar, streams) for streams in drawn.streams)


def _combine(grammar: Grammar, streams: np.ndarray) -> Combination:
    stream = iter(streams.tolist())

    def below(limit: int) -> int:
        return next(stream) * limit >> 32

    label = below(grammar.labels)
    pattern = grammar.patterns[label][below(len(grammar.patterns[label]))]
    words: dict[str, str] = {}
    for slot in sorted(slots_of(pattern), key=lambda name: name.startswith(OTHER)):
        choices = grammar.cues[label] if slot == "cue" else grammar.slots[slot.removeprefix(OTHER)]
        if slot.startswith(OTHER):
            choices = [word for word in choices if word != words[slot.removeprefix(OTHER)]]
        words[slot] = choices[below(len(choices))]
    texts = tuple(text.format(**words) for text in pattern)
    return Combination(texts, label, words.get("cue"), words.get(grammar.topic))


def _with_noise(
    source: Source,
    row: int,
    clean: list[Combination],
    other_film: list[Combination],
    chance: draws.Draws,
    shares: Noise,
) -> Combination:
    """The row as it is published: mostly the clean one."""
    back, other = (int(chance.streams[row, stream]) for stream in (1, 2))
    earlier = clean[max(0, row - 1 - (back * shares.reach >> 32))]
    match _noise_of(float(chance.streams[row, 0]) / 2**32, shares):
        case "repeated" if row:
            return earlier
        case "conflicting" if row:
            shifted = 1 + (other * (len(source.labels) - 1) >> 32)
            return _labelled(earlier, (earlier.label + shifted) % len(source.labels))
        case "borrowed" if other_film:
            return other_film[row]
        case "unlabelled" if source.key in LEAVES_UNLABELLED:
            return _labelled(clean[row], -1)
        case "odd":
            form = ODD_FORMS[other * len(ODD_FORMS) >> 32]
            first, *rest = clean[row].texts
            return Combination((form.format(first), *rest), clean[row].label, None, None)
    return clean[row]


def _noise_of(fraction: float, shares: Noise) -> str | None:
    """The kind of noise that a real in [0, 1) stands for."""
    for name in NOISE_KINDS:
        fraction -= getattr(shares, name)
        if fraction < 0:
            return name
    return None


def _labelled(item: Combination, label: int) -> Combination:
    return Combination(item.texts, label, item.cue, item.topic)
