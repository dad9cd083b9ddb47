"""Files: written whole or not at all, read within a bound, named by their digest.

Every file that the project writes by itself goes through `replacing`: it appears under its name when it is complete,
and a write that fails leaves neither a half file nor a temporary one.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from syco_data.errors import SycoError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file size is limited",
}
_PIECE = 1 << 20


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that takes its place when the block ends well, and is removed when not.

    A link at `target` is replaced, never followed: it may lead into DVC's cache. Raises `SycoError` for a write that
    the system refuses.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write(target: Path, content: str | bytes) -> None:
    """Writes a file of text (UTF-8, line ends as they are) or bytes."""
    with replacing(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(target: Path, value: Any, indent: int = 1) -> None:
    """Writes JSON with sorted keys, one form for one value."""
    write(target, json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False) + "\n")


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Raises `SycoError` for a full disk, whatever says so: safetensors and tokenizers have errors of their own."""
    try:
        yield
    except SycoError:
        raise
    except Exception as error:
        if (number := system_error(error)) in FULL:
            raise unwritable(target, OSError(number, os.strerror(number))) from error
        raise


def system_error(error: BaseException | None) -> int | None:
    """The system's number of an error or of its first cause that has one; some libraries give it in words only."""
    while error is not None:
        words = re.search(r"os error (\d+)\)", text := str(error))
        number = int(words[1]) if words else getattr(error, "errno", None)
        number = number or next((number for number in FULL if os.strerror(number) in text), None)
        if number is not None:
            return number
        error = error.__cause__ or error.__context__
    return None


def unwritable(target: Path, error: OSError) -> SycoError:
    """The line for a write that the system refused."""
    reason = FULL.get(error.errno or 0) or error.strerror or type(error).__name__
    hint = "Make room, then run the same command" if error.errno in FULL else None
    return SycoError(f"{target} could not be written: {reason}", hint)


def read(path: Path, largest: int) -> bytes:
    """The bytes of a regular file of at most `largest` bytes.

    Raises `SycoError` for a folder, a pipe, a device, a greater file and one that the system refuses, and
    `FileNotFoundError`: only the caller knows what the file is for.
    """
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SycoError(f"{path} is not a regular file")
            content = file.read(largest + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise SycoError(f"{path} cannot be read: {reason}") from error
    if len(content) > largest:
        raise SycoError(f"{path} has {about.st_size:,} bytes, at most {largest:,} are read")
    return content


def read_text(path: Path, largest: int) -> str:
    """A UTF-8 text file, with its line ends and without a byte order mark; raises as `read` does."""
    return decoded(read(path, largest), str(path))


def decoded(content: bytes, name: str) -> str:
    """UTF-8 text of a file called `name`; another encoding is one line that says which it seems to be."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SycoError(f"{name} is in UTF-16", "Save it as UTF-8")
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SycoError(
            f"{name} is not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}", "Save it as UTF-8"
        ) from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
