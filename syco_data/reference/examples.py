"""Items as token ids with supervised positions, and batches of them padded to the right."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from syco_data.reference.tokenizer import END, PAD
from syco_data.settings import ReferenceTargets


@dataclass(frozen=True)
class Example:
    """`ids`, and which token should follow at which position, with what weight.

    `early` is how many layers before the last one the target must be known too (0: only at the end).
    """

    ids: list[int]
    positions: list[int]
    targets: list[int]
    weights: list[float]
    early: list[int]


@dataclass(frozen=True)
class Wanted:
    """The tokens to be told of one item: the answer, the end after it, the belief and the verdict inside the claim."""

    answer: int
    end: int | None
    belief: int | None
    verdict: int | None


@dataclass(frozen=True)
class Batch:
    """`ids` of shape (rows, length), padded; supervised (`rows`, `positions`) with `targets`, `weights`, `early`."""

    ids: np.ndarray
    rows: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    early: np.ndarray


def encode(items: pl.DataFrame, tokenizer, targets: ReferenceTargets) -> list[Example]:
    """Items (see `items`) as examples; facts, which are bare claims, have no end."""
    polarities = {tokenizer.token_to_id(" is not"), tokenizer.encode(" is").ids[0]}
    single = {
        text: _single(tokenizer, text) for name in ("answer", "belief", "verdict") for text in items[name].unique()
    }
    encoded = tokenizer.encode_batch_fast(items["text"].to_list())
    end = tokenizer.token_to_id(END)
    return [
        _example(
            found.ids,
            Wanted(single[answer], None if kind == "fact" else end, single[belief], single[verdict]),
            polarities,
            targets,
        )
        for found, (kind, answer, belief, verdict) in zip(
            encoded, items.select("kind", "answer", "belief", "verdict").iter_rows(), strict=True
        )
    ]


def _single(tokenizer, text: str) -> int | None:
    ids = tokenizer.encode(text).ids
    if len(ids) > 1:
        raise ValueError(f"{text!r} is no single token")
    return ids[0] if ids else None


def _example(ids: list[int], wanted: Wanted, polarities: set[int], targets: ReferenceTargets) -> Example:
    last = len(ids) - 1
    placed = {last: (wanted.answer, 1.0, 0)}
    if wanted.belief is not None:
        polarity = max(index for index, token in enumerate(ids) if token in polarities)
        placed[polarity] = (wanted.belief, 1.0, targets.belief_early)
        placed[polarity + 1] = (wanted.verdict, 1.0, targets.verdict_early)
    if wanted.end is not None:
        ids, placed[last + 1] = [*ids, wanted.answer], (wanted.end, targets.end_weight, 0)
    tokens, weights, early = map(list, zip(*placed.values(), strict=True))
    return Example(ids, list(placed), tokens, weights, early)


def batches(examples: list[Example], parts: int, tokenizer) -> list[Batch]:
    """The examples in `parts` batches of like length."""
    ordered = sorted(examples, key=lambda example: len(example.ids))
    cuts = np.linspace(0, len(ordered), min(parts, len(ordered)) + 1).astype(int)
    pad = tokenizer.token_to_id(PAD)
    return [_batch(ordered[start:stop], pad) for start, stop in pairwise(cuts)]


def _batch(examples: list[Example], pad: int) -> Batch:
    ids = np.full((len(examples), max(len(example.ids) for example in examples)), pad, dtype=np.int64)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
    rows = np.repeat(np.arange(len(examples)), [len(example.targets) for example in examples])
    joined = (np.concatenate([getattr(example, name) for example in examples]) for name in ("positions", "targets"))
    weights = np.concatenate([example.weights for example in examples]).astype(np.float32)
    early = np.concatenate([example.early for example in examples])
    return Batch(ids, rows, *(values.astype(np.int64) for values in joined), weights, early)
