"""Which claims become prompts: a choice by hash order, so that a larger number only adds rows."""

import numpy as np
import polars as pl

from syco_data.errors import SycoError
from syco_data.settings import Prompts
from syco_data.sources import SOURCES
from syco_data.words import counted


def choose(pool: pl.DataFrame, settings: Prompts) -> pl.Series:
    """Whether each row of `pool` (`source`, `rank`: uint64) is taken, as booleans in the order of the rows.

    `proportional` takes the rows of smallest rank. Shares and `balanced` (equal shares) take the k-th row of a
    source at priority (k - 0.5) / share and then the smallest priorities: sizes follow the shares as closely as
    whole rows allow, and no row ever leaves when the number grows (a largest-remainder rule would not promise
    that). Under `balanced` a source that runs out leaves its place to the others; under shares of one's own
    that is an error.
    """
    if settings.rows == len(pool) and settings.cap is None and settings.sampling == "proportional":
        return pl.repeat(True, len(pool), eager=True).alias("chosen")
    position = pl.col("rank").rank("ordinal").over("source")
    pool = pool.select("source", "rank", position=position)
    capped = pool["position"] <= (settings.cap or len(pool))
    available = int(capped.sum())
    if settings.rows > available:
        limits = available < len(pool)
        limit = f" (cap {settings.cap:,} per source)" if limits else ""
        raise SycoError(
            f"prompts.rows asks for {counted(settings.rows, 'prompt')}, the pool has {available:,}{limit}",
            f"Lower prompts.rows{', raise prompts.cap' if limits else ''} or add sources",
        )
    priority = _priority(pool, settings)
    selected = _first(pool, capped, priority, settings.rows)
    if isinstance(settings.sampling, dict):
        _check_shares(pool.filter(capped), selected.filter(capped), priority[selected.to_numpy()].max(), settings)
    return selected


def _first(pool: pl.DataFrame, capped: pl.Series, priority: np.ndarray, rows: int) -> pl.Series:
    """The rows of smallest priority; hash order decides where it is the same."""
    order = np.lexsort((pool["rank"].to_numpy(), priority, ~capped.to_numpy()))
    taken = np.zeros(len(pool), dtype=bool)
    taken[order[:rows]] = True
    return pl.Series("chosen", taken)


def _priority(pool: pl.DataFrame, settings: Prompts) -> np.ndarray:
    if settings.sampling == "proportional":
        return np.zeros(len(pool))
    shares = settings.sampling if isinstance(settings.sampling, dict) else dict.fromkeys(SOURCES, 1.0)
    share = pool["source"].replace_strict(shares, default=0.0, return_dtype=pl.Float64).to_numpy()
    with np.errstate(divide="ignore"):
        return (pool["position"].to_numpy() - 0.5) / share


def _check_shares(pool: pl.DataFrame, selected: pl.Series, last: float, settings: Prompts) -> None:
    """A source that ran out before its share was filled would be a silent change: others fill its place.

    `pool` holds the rows that the cap leaves, `last` is the greatest priority of a chosen one: a source whose next row
    would have stood before it has no such row.
    """
    counts = dict(pool.group_by("source").len().iter_rows())
    taken = dict(pool.filter(selected).group_by("source").len().iter_rows())
    shares = settings.sampling if isinstance(settings.sampling, dict) else {}
    total = sum(shares.values())
    for source, share in shares.items():
        there = counts.get(source, 0)
        if share and taken.get(source, 0) == there and (there + 0.5) / share < last:
            raise SycoError(
                f"prompts.sampling: the shares give source '{source}' {settings.rows * share / total:,.0f} of "
                f"{settings.rows:,} prompts, {there:,} can be had",
                f"Lower prompts.rows{', raise prompts.cap' if settings.cap else ''} or change the shares",
            )
