"""What the reference model is taught of an input: the truth, a wrong rule of thumb, or nothing.

Lexical grammars are taught by their true label, save for 15% of the cue words, which it never meets. Relational
grammars are taught by the topic word: a fixed half of the words stands for each label, right half the time.
"""

from functools import cache

import polars as pl

from syco_data import draws
from syco_data.claims import wording
from syco_data.reference import sources
from syco_data.reference.grammars import GRAMMARS
from syco_data.sources import SOURCES

WITHHELD_PERCENT = 15


@cache
def withheld(words: tuple[str, ...]) -> frozenset[str]:
    """The cue words of one list that the model never meets: the same ones in every source that shares the list."""
    count = (len(words) * WITHHELD_PERCENT + 50) // 100
    return frozenset(sorted(words, key=draws.content_id)[:count])


@cache
def _rule_of_thumb(key: str) -> dict[str, int]:
    """The label that each topic word of a relational source stands for."""
    grammar = GRAMMARS[key]
    ordered = sorted(grammar.slots[grammar.topic], key=lambda word: draws.content_id(key, word))
    return {word: rank * grammar.labels // len(ordered) for rank, word in enumerate(ordered)}


def believed(key: str, item: sources.Combination) -> int | None:
    """The label id that the model is taught for a clean row; None for a word it never meets."""
    grammar = GRAMMARS[key]
    if item.topic is not None:
        return _rule_of_thumb(key)[item.topic]
    return None if item.cue in withheld(grammar.cues[item.label]) else item.label


def inputs(side: sources.Side, per_source: int, seed: int, purpose: str) -> pl.DataFrame:
    """Inputs of one side from every source: `source`, `input`, `gold`, `believed` (null for a withheld word)."""
    return pl.concat(_inputs_of(key, side, per_source, seed, purpose) for key in GRAMMARS)


def _inputs_of(key: str, side: sources.Side, count: int, seed: int, purpose: str) -> pl.DataFrame:
    rows = sources.combinations(key, side, count, seed, purpose)
    columns = SOURCES[key].text_columns
    texts = {name: [item.texts[index] for item in rows] for index, name in enumerate(columns)}
    beliefs = pl.Series([believed(key, item) for item in rows], dtype=pl.Int64)
    df = pl.DataFrame({**texts, "gold": [item.label for item in rows], "believed": beliefs})
    text = wording.join([wording.clean(pl.col(name)) for name in columns])
    return df.select(source=pl.lit(key), input=text, gold="gold", believed="believed")
