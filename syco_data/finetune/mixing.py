"""The order of training: which row stands where, for every optimiser step.

The order is addressed: within one pass over a part, rows stand in the order of a keyed hash of their ids, and a
row that is added moves no other row past its neighbours. Parts take turns in a fixed pattern, so every stretch
of rows holds them in the wanted proportion, give or take one row.
"""

import numpy as np
import polars as pl

from syco_data import draws
from syco_data.errors import SycoError
from syco_data.settings import Parts

GENERATED, INSTRUCTION = "generated", "instruction"


def order(generated: pl.Series, instruction: pl.Series, parts: Parts, size: int, seed: int) -> pl.DataFrame:
    """`size` rows with `part` and `row_id`, in training order.

    A part that runs out begins again, in another order. Raises `SycoError` when a wanted part has no rows.
    """
    pattern = turns(parts, size)
    columns = [
        _column(GENERATED, generated, np.flatnonzero(~pattern), seed),
        _column(INSTRUCTION, instruction, np.flatnonzero(pattern), seed),
    ]
    return pl.concat(columns).sort("position").select("part", "row_id")


def turns(parts: Parts, size: int) -> np.ndarray:
    """Whether each of `size` positions is an instruction's, flag; the parts are spread as evenly as can be."""
    whole = parts.generated + parts.instruction
    due = np.arange(size + 1, dtype=np.int64) * parts.instruction // whole
    return np.diff(due).astype(bool)


def _column(part: str, ids: pl.Series, positions: np.ndarray, seed: int) -> pl.DataFrame:
    if len(positions) and not len(ids):
        raise SycoError(f"finetune: there are no {part} rows to train on", f"Set finetune.parts.{part} to 0")
    passes = -(-len(positions) // len(ids)) if len(positions) else 0
    rows = pl.concat([ids.clear(), *(_shuffled(part, ids, number, seed) for number in range(passes))])
    return pl.DataFrame(
        {"position": positions, "part": pl.Series([part] * len(positions), dtype=pl.String),
         "row_id": rows.head(len(positions))}
    )  # fmt: skip


def _shuffled(part: str, ids: pl.Series, number: int, seed: int) -> pl.Series:
    """All ids of a part in the order of its `number`-th pass."""
    rank = draws.draw(ids, seed, f"finetune/{part}/{number}").rank(0)
    return pl.DataFrame({"id": ids.rename("id"), "rank": rank}).sort("rank", "id")["id"]
