"""What a Parquet file says of its sizes: the footer and the head of every page, read before any data.

pyarrow shows the footer too, but ends the whole process ("terminate called") where one bit of a column's record is
flipped, and shows no pages. So the few numbers that matter are read here: both are structs of Thrift's compact
protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) with the field numbers of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

MAGIC = b"PAR1"
LARGEST = 4 << 20  # bytes of a footer
_MOST_PAGES = 200_000
_MOST_UNPACKED = 64 << 20  # bytes of dictionaries whose texts are measured, or the file's own size if it is more
_HEAD = 1 << 20  # bytes of one page's head, with the smallest and the greatest value in it
_DEEPEST = 16  # levels of structs and lists
_HARMLESS = 64 << 20  # bytes that a dictionary may unfold to without a look at its texts
_BYTE_ARRAY = 6
_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7
_CODECS = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}


class Malformed(ValueError):
    """The bytes are not what a Parquet file has there."""


@dataclass(frozen=True)
class Pages:
    """One column of one row group: `values` in `rows`, `size` bytes after decompression.

    `longest` bounds the bytes of one text of it that the file keeps once for many values: the longest in its
    dictionary, or a whole page where texts are written as what they have in common with the one before.
    """

    path: tuple[str, ...]
    rows: int
    values: int
    size: int
    longest: int
    by_dictionary: bool

    @property
    def longest_row(self) -> int:
        """Bytes that one row can hold of texts that are kept once: all values but one for each other row."""
        return self.longest * max(1, self.values - self.rows + 1)


@dataclass(frozen=True)
class Footer:
    """Rows, and the columns of every row group."""

    rows: int
    columns: tuple[Pages, ...]


def read(path: Path) -> Footer:
    """The sizes of a file. Raises `Malformed`, and `OSError` where it cannot be read."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > end - 8:
            raise Malformed("it does not end as a whole Parquet file does")
        if length > LARGEST:
            raise Malformed(f"its footer has {length:,} bytes, at most {LARGEST:,} are read")
        file.seek(end - 8 - length)
        footer = _Compact(file.read(length)).struct()
        groups = _records(footer.get(4, []))
        rows = _number(footer, 3)
        if rows != sum(_number(group, 3) for group in groups):
            raise Malformed("its footer counts its rows in two ways")
        work, columns = _Work(end), []
        for group in groups:
            for chunk in _records(group.get(1, [])):
                columns.append(_column(file, _record(chunk, 3), _number(group, 3), end - 8 - length, work))
        return Footer(rows, tuple(columns))


def _column(file: BinaryIO, chunk: dict[int, Any], rows: int, end: int, work: "_Work") -> Pages:
    """The sizes of a column's pages; where its footer states more, what it states."""
    size, longest, by_dictionary, values = 0, 0, False, _number(chunk, 5)
    for head, place in _page_heads(file, chunk, end, work):
        unpacked = _number(head, 2)
        size += unpacked
        if head.get(1) == _DICTIONARY_PAGE and chunk.get(1) == _BYTE_ARRAY:
            by_dictionary = True
            if unpacked * values > _HARMLESS and work.may_unpack(unpacked):
                file.seek(place)
                unpacked = _longest(file.read(_number(head, 3)), unpacked, chunk.get(4))
            longest = max(longest, unpacked)
        elif _encoding(head) == _DELTA_BYTE_ARRAY:
            longest = max(longest, unpacked)
    path = tuple(part.decode() for part in chunk.get(3, []) if isinstance(part, bytes))
    return Pages(path, rows, values, max(size, _number(chunk, 6)), longest, by_dictionary)


def _longest(packed: bytes, size: int, codec: Any) -> int:
    """Bytes of the longest text in a dictionary page; of the whole page where that cannot be told."""
    if codec not in _CODECS:
        return size
    name = _CODECS[codec]
    try:
        content = pa.Codec(name).decompress(packed, size, asbytes=True) if name else packed
    except (pa.ArrowException, OSError, ValueError):
        return size
    place = longest = 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "little")
        longest, place = max(longest, length), place + 4 + length
    return min(longest, size)


def _page_heads(file: BinaryIO, chunk: dict[int, Any], end: int, work: "_Work") -> Iterator[tuple[dict[int, Any], int]]:
    """The heads of a column's pages in order, and where the data of each begins."""
    dictionary, place = chunk.get(11, 0), _number(chunk, 9)
    if _number(chunk, 5) and (not isinstance(dictionary, int) or not 0 <= dictionary <= place):
        raise Malformed("a column's dictionary does not stand before its data")  # polars would panic
    place = dictionary or place
    stop = place + _number(chunk, 7)
    if stop > end:
        raise Malformed("a column ends behind the data")
    while place < stop and _number(chunk, 5):
        work.next_page()
        head, length = _head(file, place, end)
        place += length
        yield head, place
        place += _number(head, 3)


def _head(file: BinaryIO, place: int, end: int) -> tuple[dict[int, Any], int]:
    """The head of the page that begins at a place, and its length: mostly some 30 bytes, seldom more than 256."""
    try:
        return _parsed(file, place, min(256, end - place))
    except Malformed:
        return _parsed(file, place, min(_HEAD, end - place))


def _parsed(file: BinaryIO, place: int, length: int) -> tuple[dict[int, Any], int]:
    file.seek(place)
    reader = _Compact(file.read(length))
    return reader.struct(), reader.place


def _encoding(head: dict[int, Any]) -> int | None:
    """The encoding of a data page: in its record of the first or of the second version."""
    if isinstance(first := head.get(5), dict):
        return first.get(2)
    second = head.get(8)
    return second.get(4) if isinstance(second, dict) else None


def _number(record: dict[int, Any], field: int) -> int:
    """A count or size that has to be there."""
    value = record.get(field)
    if not isinstance(value, int) or value < 0:
        raise Malformed("its footer states no size, or a negative one")
    return value


def _record(record: dict[int, Any], field: int) -> dict[int, Any]:
    value = record.get(field)
    if not isinstance(value, dict):
        raise Malformed("its footer describes no column where one should be")
    return value


def _records(values: Any) -> list[dict[int, Any]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise Malformed("its footer lists no row groups or columns")
    return values


class _Work:
    """How much may still be looked at: a file can hold millions of pages, and dictionaries of nothing but zeros."""

    def __init__(self, size: int) -> None:
        self._pages, self._dictionaries = _MOST_PAGES, max(_MOST_UNPACKED, size)

    def next_page(self) -> None:
        self._pages -= 1
        if self._pages < 0:
            raise Malformed(f"it has more than {_MOST_PAGES:,} pages")

    def may_unpack(self, size: int) -> bool:
        if size <= self._dictionaries:
            self._dictionaries -= size
            return True
        return False


class _Compact:
    """A reader of Thrift's compact protocol; a struct is a mapping by field number."""

    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        fields, number = {}, 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Malformed("its footer is nested too deeply")
        if kind in (1, 2, 3):  # true and false are bytes where they are members of a list
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            count = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, depth + 1) for _ in range(self._possible(count))]
        if kind == 12:
            return self.struct(depth + 1)
        raise Malformed("its footer holds a field of an unknown type")

    def _possible(self, count: int) -> int:
        """A count of members, of which each takes a byte at least."""
        if count > len(self._content) - self.place:
            raise Malformed("its footer ends too early")
        return count

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        start = self.place
        self.place += self._possible(count)
        return self._content[start : self.place]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise Malformed("its footer holds a number that does not end")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
