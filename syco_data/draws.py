"""Random draws are stable: a value depends on (seed, purpose, id) and on nothing else, so none is used up.

Each id has 16 streams of 32 bits per purpose; each stream serves one draw. A new draw takes the next free stream, so
that every earlier draw keeps its value. Row order, thread counts, the presence of other rows and library
versions cannot change anything.

`draw` cuts one keyed blake2b digest per text into the streams. `draw_by_id` is for whole pools: content ids are
digests already, so their bits only need to be mixed with the key. It does so by SplitMix64 (Steele, Lea and
Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) in whole columns, several times faster.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (its import gives expressions the name space `chash`)

from syco_data.errors import SycoError

STREAMS = 16
ID_DIGITS = 32
_BETWEEN = "\x1f"  # cleaned text cannot hold it, so parts do not run together
_GOLDEN, _FIRST, _SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
# So many numbers stay in a core's cache while they are mixed.
_ROWS_AT_ONCE = 4_096


def content_id(*parts: str) -> str:
    """The first 128 bits, in hex, of the SHA-256 of text parts joined by the unit separator (U+001F)."""
    return sha256(_BETWEEN.join(parts).encode()).hexdigest()[:ID_DIGITS]


def content_ids(*parts: pl.Expr | str) -> pl.Expr:
    """The `content_id` of each row from expressions of texts or names of columns; null where a part is null."""
    digests: Any = pl.concat_str(*parts, separator=_BETWEEN)
    return digests.chash.sha2_256().str.head(ID_DIGITS)


@dataclass(frozen=True)
class Draws:
    """The draws of many ids for one purpose: `streams` has shape (ids, streams), unsigned 32-bit."""

    streams: np.ndarray

    def below(self, stream: int, limit: int) -> np.ndarray:
        """Uniform integers in 0..limit-1 (bias below limit / 2**32), int64."""
        return ((self.streams[:, stream].astype(np.uint64) * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)

    def fraction(self, stream: int) -> np.ndarray:
        """Uniform reals in [0, 1), float64."""
        return self.streams[:, stream] / 2.0**32

    def choice(self, stream: int, values: Sequence[str]) -> pl.Series:
        """One of `values` each."""
        return pl.Series(values, dtype=pl.String).gather(self.below(stream, len(values)))

    def rank(self, stream: int) -> np.ndarray:
        """64 bits from two neighbouring streams: the order in which rows are taken, uint64."""
        high = self.streams[:, stream].astype(np.uint64) << np.uint64(32)
        return high | self.streams[:, stream + 1].astype(np.uint64)


def draw(ids: pl.Series | Sequence[str], seed: int, purpose: str) -> Draws:
    """Draws of each id; `ids` are hex ids or any other text that identifies a row."""
    keyed = blake2b(digest_size=4 * STREAMS, key=f"{seed}:{purpose}".encode()[:64], person=b"syco-data")

    def digest(text: str) -> bytes:
        state = keyed.copy()
        state.update(text.encode())
        return state.digest()

    buffer = b"".join(map(digest, ids))
    return Draws(np.frombuffer(buffer, dtype="<u4").reshape(-1, STREAMS))


def draw_by_id(ids: pl.Series, seed: int, purpose: str, count: int = STREAMS) -> Draws:
    """The first `count` streams of each content id (32 hex digits); other values than those of `draw`.

    With the id as two 64-bit numbers h and l, and two keys k from a keyed digest of the purpose, the sequence of
    an id starts at mix(mix(h ^ k[0]) ^ l ^ k[1]); its n-th number makes the streams 2n (low half) and 2n + 1.
    """
    digest = blake2b(digest_size=16, key=f"{seed}:{purpose}".encode()[:64], person=b"syco-data").digest()
    keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    steps = np.arange(1, -(-count // 2) + 1, dtype=np.uint64) * _GOLDEN
    streams = np.empty((len(ids), 2 * len(steps)), dtype=np.uint32, order="F")
    finished = 0
    for high, low in _words(ids):
        start = mix(mix(high ^ keys[0]) ^ low ^ keys[1])
        for number, step in enumerate(steps):
            drawn = mix(start + step)
            streams[finished : finished + len(start), 2 * number] = drawn & np.uint64(0xFFFFFFFF)
            streams[finished : finished + len(start), 2 * number + 1] = drawn >> np.uint64(32)
        finished += len(start)
    return Draws(streams[:, :count])


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's mixing function of each unsigned 64-bit number: a bijection."""
    values = values ^ (values >> np.uint64(30))
    values *= _FIRST
    values ^= values >> np.uint64(27)
    values *= _SECOND
    values ^= values >> np.uint64(31)
    return values


def _words(ids: pl.Series) -> Iterator[np.ndarray]:
    """The two 64-bit halves of each id, of some thousand ids at a time."""
    for part in (ids.slice(start, _ROWS_AT_ONCE) for start in range(0, len(ids), _ROWS_AT_ONCE)):
        words = np.frombuffer(_bytes(part), dtype=">u8").astype(np.uint64)
        yield words.reshape(-1, 2).T


def _bytes(ids: pl.Series) -> bytes:
    with suppress(ValueError):
        content = bytes.fromhex(ids.str.join("").item())
        if (ids.str.len_bytes() == 32).all() and len(content) == 16 * len(ids):
            return content
    raise SycoError(f"an id is not 32 hex digits; the first ones are {ids.head(3).to_list()}", "Build again: dvc repro")
