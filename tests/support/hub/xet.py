"""The Xet store: parses what the client uploads (xorbs of chunks, shards of files) and rebuilds files from it.

Layouts as in the public specification of the Xet protocol: a xorb is a run of chunks with 8-byte headers, a
shard lists files as terms (a range of chunks of one xorb each).
"""

import hashlib
import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

CHUNK_HEADER = 8
SHARD_HEADER = 48
RECORD = 48
END_OF_FILES = b"\xff" * 32
HAS_VERIFICATION, HAS_METADATA = 1 << 31, 1 << 30


class XetError(Exception):
    """A shard that does not fit what has been uploaded."""


@dataclass(frozen=True)
class Chunk:
    """One chunk of a stored xorb: where it lies (bytes), how it is packed, and its size unpacked."""

    start: int
    end: int
    scheme: int  # 0 none, 1 LZ4, 2 LZ4 over bytes grouped by position mod 4
    size: int


@dataclass(frozen=True)
class Term:
    """A piece of a file: the chunks first..last-1 of a xorb, `size` bytes unpacked."""

    xorb: str
    first: int
    last: int
    size: int


class XetStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, list[Term]] = {}
        self.by_sha256: dict[str, str] = {}
        self._chunks: dict[str, list[Chunk]] = {}
        self._lock = threading.Lock()

    def add_xorb(self, name: str, body: bytes) -> bool:
        """Keeps a xorb; True if it is new."""
        path = self.folder / name
        if path.exists():
            return False
        temporary = path.with_suffix(f".{threading.get_ident()}")
        temporary.write_bytes(body)
        os.replace(temporary, path)
        return True

    def chunks(self, xorb: str) -> list[Chunk]:
        if xorb not in self._chunks:
            raw, at, result = (self.folder / xorb).read_bytes(), 0, []
            while at + CHUNK_HEADER <= len(raw) and raw[at : at + 7] != b"XETBLOB":
                packed = int.from_bytes(raw[at + 1 : at + 4], "little")
                size = int.from_bytes(raw[at + 5 : at + 8], "little")
                result.append(Chunk(at, at + CHUNK_HEADER + packed, raw[at + 4], size))
                at += CHUNK_HEADER + packed
            self._chunks[xorb] = result
        return self._chunks[xorb]

    def add_shard(self, raw: bytes) -> None:
        """Registers every file of a shard; each term must fit a xorb that is here."""
        at = SHARD_HEADER
        while raw[at : at + 32] != END_OF_FILES:
            name, (flags, count) = _hash(raw, at), struct.unpack("<II", raw[at + 32 : at + 40])
            at += RECORD
            terms = [_term(raw, at + RECORD * index) for index in range(count)]
            at += RECORD * count * (2 if flags & HAS_VERIFICATION else 1)
            for term in terms:
                self._check(term)
            with self._lock:
                self.files[name] = terms
                if flags & HAS_METADATA:
                    self.by_sha256[_hash(raw, at)] = name
            at += RECORD if flags & HAS_METADATA else 0

    def _check(self, term: Term) -> None:
        here = (self.folder / term.xorb).exists()
        if not here or sum(chunk.size for chunk in self.chunks(term.xorb)[term.first : term.last]) != term.size:
            raise XetError(f"shard refers to a missing or different xorb {term.xorb}")

    def rebuild(self, sha256: str, target: Path) -> str:
        """Writes the file to `target` and returns the sha256 of what was written."""
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for term in self.files[self.by_sha256[sha256]]:
                raw = (self.folder / term.xorb).read_bytes()
                for chunk in self.chunks(term.xorb)[term.first : term.last]:
                    data = _unpack(raw[chunk.start + CHUNK_HEADER : chunk.end], chunk)
                    out.write(data)
                    digest.update(data)
        return digest.hexdigest()


def _hash(raw: bytes, at: int) -> str:
    """A hash as the protocol writes it: four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw[at : at + 32]))


def _term(raw: bytes, at: int) -> Term:
    _, size, first, last = struct.unpack("<4I", raw[at + 32 : at + 48])
    return Term(_hash(raw, at), first, last, size)


def _unpack(data: bytes, chunk: Chunk) -> bytes:
    if chunk.scheme == 0:
        return data
    plain = pa.Codec("lz4").decompress(data, chunk.size).to_pybytes()
    return _ungroup(plain) if chunk.scheme == 2 else plain


def _ungroup(data: bytes) -> bytes:
    source, target, at = np.frombuffer(data, np.uint8), np.empty(len(data), np.uint8), 0
    for offset in range(4):
        count = len(target[offset::4])
        target[offset::4] = source[at : at + count]
        at += count
    return target.tobytes()
