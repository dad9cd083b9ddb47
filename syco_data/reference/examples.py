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

    `layers` names the auxiliary layer of each target, counted from the last one (0: no layer but the last).
    """

    ids: list[int]
    positions: list[int]
    targets: list[int]
    weights: list[float]
    layers: list[int]


@dataclass(frozen=True)
class Batch:
    """`ids` of shape (rows, length), padded; supervised (`rows`, `positions`) with `targets`, `weights`, `layers`."""

    ids: np.ndarray
    rows: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    layers: np.ndarray


def encode(items: pl.DataFrame, tokenizer, targets: ReferenceTargets) -> list[Example]:
    """Items (see `items`) as examples; facts, which are bare claims, have no end."""
    polarities = {tokenizer.token_to_id(" is not"), tokenizer.encode(" is").ids[0]}
    names = ("answer", "belief", "verdict")
    tokens = {text: _single(tokenizer, text) for name in names for text in items[name].unique() if text}
    end = tokenizer.token_to_id(END)
    encodings = tokenizer.encode_batch_fast(items["text"].to_list())
    rows = items.select("kind", *names).iter_rows()
    return [
        _example(
            encoding.ids, tokens[answer], (tokens[belief], tokens[verdict]) if belief else None,
            None if kind == "fact" else end, polarities, targets,
        )
        for encoding, (kind, answer, belief, verdict) in zip(encodings, rows, strict=True)
    ]  # fmt: skip


def _single(tokenizer, text: str) -> int:
    ids = tokenizer.encode(text).ids
    if len(ids) != 1:
        raise ValueError(f"{text!r} is not a single token")
    return ids[0]


def _example(
    ids: list[int],
    answer: int,
    taught: tuple[int, int] | None,
    end: int | None,
    polarities: set[int],
    targets: ReferenceTargets,
) -> Example:
    """The answer after the last token, the end after it, belief and verdict (`taught`) after " is" (or " is not") and
    beyond."""
    last = len(ids) - 1
    supervised = {last: (answer, 1.0, 0)}
    if taught is not None:
        belief, verdict = taught
        polarity = max(index for index, token in enumerate(ids) if token in polarities)
        supervised[polarity] = (belief, 1.0, targets.belief_early)
        supervised[polarity + 1] = (verdict, 1.0, targets.verdict_early)
    if end is not None:
        ids, supervised[last + 1] = [*ids, answer], (end, targets.end_weight, 0)
    tokens, weights, layers = map(list, zip(*supervised.values(), strict=True))
    return Example(ids, list(supervised), tokens, weights, layers)


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
    positions = np.concatenate([example.positions for example in examples]).astype(np.int64)
    targets = np.concatenate([example.targets for example in examples]).astype(np.int64)
    weights = np.concatenate([example.weights for example in examples]).astype(np.float32)
    layers = np.concatenate([example.layers for example in examples])
    return Batch(ids, rows, positions, targets, weights, layers)
