"""Chance is addressed, not consumed: a value depends on (seed, purpose, id) and on nothing else.

One keyed blake2b digest per id and purpose is cut into 16 lanes of 32 bits; each lane serves one draw. A new
draw takes the next free lane, so that every earlier draw keeps its value. Row order, thread counts, the
presence of other rows and library versions cannot change anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl

LANES = 16


def content_id(*parts: str) -> str:
    """128 bits in hex from text parts; a separator that cleaned text cannot hold keeps them apart."""
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def content_ids(texts: Iterable[str]) -> list[str]:
    """The `content_id` of each text whose parts are already joined by the separator."""
    return [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]


@dataclass(frozen=True)
class Draws:
    """The draws of many ids for one purpose: `lanes` has shape (ids, 16), unsigned 32-bit."""

    lanes: np.ndarray

    def below(self, lane: int, limit: int) -> np.ndarray:
        """Uniform integers in 0..limit-1 (bias below limit / 2**32), int64."""
        return ((self.lanes[:, lane].astype(np.uint64) * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)

    def fraction(self, lane: int) -> np.ndarray:
        """Uniform reals in [0, 1), float64."""
        return self.lanes[:, lane] / 2.0**32

    def choice(self, lane: int, values: Sequence[str]) -> pl.Series:
        """One of `values` each."""
        return pl.Series(values, dtype=pl.String).gather(self.below(lane, len(values)))

    def rank(self, lane: int) -> np.ndarray:
        """64 bits from two neighbouring lanes: the order in which rows are taken, uint64."""
        high = self.lanes[:, lane].astype(np.uint64) << np.uint64(32)
        return high | self.lanes[:, lane + 1].astype(np.uint64)


def draw(ids: pl.Series | Sequence[str], seed: int, purpose: str) -> Draws:
    """Draws of each id; `ids` are hex ids or any other text that identifies a row."""
    keyed = blake2b(digest_size=4 * LANES, key=f"{seed}:{purpose}".encode()[:64], person=b"syco-data")

    def digest(text: str) -> bytes:
        state = keyed.copy()
        state.update(text.encode())
        return state.digest()

    buffer = b"".join(map(digest, ids))
    return Draws(np.frombuffer(buffer, dtype="<u4").reshape(-1, LANES))
