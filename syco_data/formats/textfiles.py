"""Text files that somebody else wrote, packed or plain: lines and JSON records, exactly as they stand there.

Lines end with "\\n" alone: U+2028, form feeds and their kind are parts of a text. A byte order mark at the start of a
file is not text. Whatever a file holds, an error in it is one line that names file and line.
"""

import bz2
import gzip
import io
import json
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from syco_data.errors import SycoError

PACKINGS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".zst": lambda file: io.BufferedReader(pa.CompressedInputStream(file, "zstd")),
}
"""By ending. (`.xz` is left out: its unpacker takes as much memory as a file asks for.)"""
LARGEST = 1 << 30  # bytes of a file once it is unpacked
LONGEST = 64 << 20  # bytes of one line
_JSON = re.compile(r"\.json(\.[a-z0-9]+)?$")
_LISTED = "A .json file holds one list of records, or one record in each line"
POINTER = b"version https://git-lfs.github.com/"
"""How the small file begins that Git LFS leaves in place of a large one."""
_DAMAGED = (OSError, EOFError, zlib.error, ValueError, pa.ArrowException)


def lines(path: Path, name: str, largest: int = LARGEST) -> Iterator[tuple[int, str]]:
    """Number and text of each line that holds more than blanks, without its end.

    Raises `SycoError` for a file that cannot be read or unpacked, is longer than `largest` bytes once it is unpacked,
    or is not UTF-8 text.
    """
    with _opened(path, name) as file:
        left = largest
        for number, line in enumerate(_raw_lines(file, name), start=1):
            left -= len(line)
            if left < 0:
                raise SycoError(f"{name} unpacks to more than {largest:,} bytes, which is not read", "Split it")
            text = _decoded(line, name, number).removesuffix("\n")
            if text.strip(" \t\r"):
                yield number, text


def text(path: Path, name: str, largest: int = LARGEST) -> str:
    """The whole text of a file, with its line ends; raises as `lines` does."""
    with _opened(path, name) as file:
        content = file.read(largest + 1)
        if len(content) > largest:
            raise SycoError(f"{name} unpacks to more than {largest:,} bytes, which is not read", "Split it")
        return "".join(_decoded(line, name, number) for number, line in enumerate(io.BytesIO(content), start=1))


def records(path: Path, name: str, largest: int = LARGEST) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file of JSON lines, each with where it stands ("line 3").

    A `.json` file may also hold one list of them.
    """
    # One list is told by how the file begins, whatever the length of its first line.
    if _JSON.search(path.name.lower()) and _first_character(path, name) == b"[":
        values = parsed(text(path, name, largest), name)
        places = ((f"record {number}", value) for number, value in enumerate(values, start=1))
    else:
        hint = _LISTED if _JSON.search(path.name.lower()) else None
        places = (
            (f"line {number}", parsed(line, f"{name}, line {number}", hint))
            for number, line in lines(path, name, largest)
        )
    for where, value in places:
        if not isinstance(value, dict):
            raise SycoError(f"{name}, {where}: expected a JSON object, found {kind(value)}")
        yield where, value


def parsed(content: str, where: str, hint: str | None = None) -> Any:
    """The value of a JSON text; a key that an object has twice is an error too. `hint` helps where it is not JSON."""
    try:
        return json.loads(content, object_pairs_hook=_object)
    except RecursionError as error:
        raise SycoError(f"{where}: nested too deeply for JSON") from error
    except json.JSONDecodeError as error:
        hint = "git lfs pull" if content.encode(errors="replace").startswith(POINTER) else hint
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise SycoError(f"{where}: not valid JSON: {error.msg} ({place})", hint) from error
    except ValueError as error:
        raise SycoError(f"{where}: not valid JSON: {str(error).split(';')[0]:.200}") from error


def check_text(value: Any, where: str, hint: str | None = None) -> str:
    """The value, if it is text that can be written: no number, no list, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise SycoError(f"{where}: expected text, found {kind(value)}", hint)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(value[error.start]):04x}"
        raise SycoError(f"{where}: {half} is half of a surrogate pair, not a character", "Correct it") from error
    return value


def kind(value: Any) -> str:
    """What a value is, for a message."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a record"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"the number {value!r:.40}"
    return f"the text {value[:40]!r}" if isinstance(value, str) else f"a value of type {type(value).__name__}"


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a regular file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SycoError(f"{name} is not a regular file")
        with path.open("rb") as plain:
            start = plain.read(len(POINTER))
            plain.seek(0)
            if start == POINTER:
                raise SycoError(f"{name} is a pointer of Git LFS, not the file itself", "git lfs pull")
            yield PACKINGS[path.suffix.lower()](plain) if path.suffix.lower() in PACKINGS else plain
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise SycoError(f"{name} cannot be read: {reason:.200}") from error


def _raw_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise SycoError(f"{name} holds a line of more than {LONGEST:,} bytes, which is not read")
        yield line


def _decoded(line: bytes, name: str, number: int) -> str:
    """A line's text; the first one of a file without its byte order mark."""
    if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SycoError(f"{name} is in UTF-16", "Save it as UTF-8")
    try:
        content = line.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{line[error.start]:02x} in line {number}"
        raise SycoError(f"{name} is not UTF-8 text: {wrong}", "Save it as UTF-8") from error
    return content.removeprefix("\ufeff") if number == 1 else content


def _first_character(path: Path, name: str) -> bytes:
    with _opened(path, name) as file:
        return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"key {twice!r:.60} is given twice")
    return fields
