"""The log of a run: one entry for so many steps, the same whether the run was resumed in between or not.

The trainer logs each step, and so carries no unfinished sum from one step to the next: a checkpoint holds the steps
since the last entry one by one. Once a window of steps is complete, they become one entry.
"""

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import polars as pl

from syco_data import schemas

_COLUMNS = {
    "step": "step",
    "loss": "loss",
    "mean_token_accuracy": "accuracy",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
}


def settle(history: list[dict[str, Any]], window: int, last: int) -> dict[str, Any] | None:
    """Replaces the steps since the last entry by one entry, which is returned, where a window ends or step `last` is.

    Loss and accuracy are means over the steps; gradient norm and learning rate are those of the last one.
    """
    step = history[-1]["step"]
    if step % window and step != last:
        return None
    begin = (step - 1) // window * window
    steps = [entry for entry in history if entry["step"] > begin]
    # In single precision, as the trainer itself adds losses up.
    loss = reduce(add, (np.float32(entry["loss"]) for entry in steps))
    means = {
        "loss": float(loss) / len(steps),
        "mean_token_accuracy": sum(entry["mean_token_accuracy"] for entry in steps) / len(steps),
    }
    entry = {name: steps[-1][name] for name in _COLUMNS} | means
    history[-len(steps) :] = [entry]
    return entry


def table(history: list[dict[str, Any]]) -> pl.DataFrame:
    """The entries as `schemas.TRAINING_LOG`."""
    entries = [entry for entry in history if "loss" in entry]
    columns = {new: [entry[old] for entry in entries] for old, new in _COLUMNS.items()}
    return pl.DataFrame(columns, schema=schemas.TRAINING_LOG.columns)
