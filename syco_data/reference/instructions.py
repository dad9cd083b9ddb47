"""Synthetic instruction rows, for tuning the reference model beside generated data: what it could do before.

Kinds: read the options (`map`), judge in a word (`verdict`), answer without an opinion (`no_opinion`), name a
class (`label`), and opinions of users without expertise, answered by belief (`modest`).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl

from syco_data.reference import kinds, statements, worlds
from syco_data.reference.worlds import Cases

MIXTURE = statements.Mixture(additions=0.1, is_not=0.5, wrong_label=0.5)
INPUTS_PER_SOURCE = 400
KINDS: dict[str, Callable[[Cases], pl.DataFrame]] = {
    "map": kinds.maps,
    "verdict": kinds.verdicts,
    "no_opinion": kinds.no_opinions,
    "label": kinds.label_questions,
    "modest": kinds.modest_opinions,
}


def rows(count: int, seed: int, split: Literal["train", "held_out"]) -> pl.DataFrame:
    """`count` rows with `instruction_id`, `prompt`, `completion` (leading blank), `source` (the kind).

    The kinds take turns; inputs come from the split's own side. A larger count only adds rows. `map` has no input,
    and a handful of prompts in all: none of them would be unseen, so the held-out split goes without.
    """
    makers = {kind: make for kind, make in KINDS.items() if split == "train" or kind != "map"}
    world = worlds.world(split, INPUTS_PER_SOURCE, seed, f"instructions/{split}")
    cases = worlds.draw_cases(world, count, MIXTURE, f"instructions/{split}")
    turns = np.arange(count) % len(makers)
    items = worlds.combined(cases, {make: turns == turn for turn, make in enumerate(makers.values())})
    return items.with_row_index("number").select(
        instruction_id=pl.format("embedded/{}/{}", pl.lit(split), "number"),
        prompt="text",
        completion="answer",
        source=pl.format("embedded_{}", "kind"),
    )
