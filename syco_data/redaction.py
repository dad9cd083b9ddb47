"""Secrets never leave: every spelling of the token in use is masked in whatever is printed, logged or raised.

The token is recognised by its value, in any run of eight characters: raw, in URLs, JSON, HTML, hex and base64 (also
inside `user:token`), in upper or lower case, cut, or wrapped over lines. Passwords of proxies count as secrets too.
What looks like some other token is masked by its form.
"""

import base64
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit

MASK = "***"
LIKE_A_TOKEN = re.compile(
    r"hf_(?=\w{0,99}[A-Z0-9])[A-Za-z0-9]{8,}|api_org_[A-Za-z0-9]{8,}|eyJ[\w-]{10,999}+\.[\w-]{10,}(?:\.[\w-]+)?"
    r"|(?i:(?<=bearer )|(?<=bearer%20)|(?<=bearer\+))(?:(?=[^\s'\"]{0,99}(?:\d|[a-z][A-Z]))[^\s'\"]{6,}|[^\s'\"]{20,})"
)
"""Every part has a bound, so that no text takes long; a word behind "bearer" is not a token."""
_LOGIN = re.compile(r"(?<=://)[^\s/@:]+(?::[^\s/@]*)?@")
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
PROXIES = tuple(f"{kind}_PROXY" for kind in ("ALL", "HTTPS", "HTTP"))
_SHORTEST, _RUN, LARGEST = 6, 8, 1 << 16
"""Characters: shorter texts are words and no secrets; as many in a row tell a secret; more is not a token's file."""
_ESCAPED = re.compile(
    r"%(?:25)*(?P<hex>[0-9a-f]{2})|&#x0*(?P<xml>[0-9a-f]{1,5});|&#0*(?P<decimal>\d{1,6});|&(?P<name>amp|lt|gt|quot);"
    r"|\\+u(?P<json>[0-9a-f]{4})|\\+x(?P<byte>[0-9a-f]{2})|\\+[nrt]|\\+(?P<other>[\"'/\\])|.",
    re.IGNORECASE | re.DOTALL,
)
_BETWEEN = re.compile(r"[^!-~]+")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}
_handed: set[str] = set()


def remember(secret: str) -> None:
    """A token that came neither from the environment nor from the login cache."""
    _handed.add(secret)


def in_environment() -> bool:
    """Whether a variable gives the token, so that the login cache is not asked."""
    return any(os.environ.get(name, "").strip() for name in _VARIABLES)


def masked(text: str) -> str:
    """The text with every secret replaced by `***`."""
    if runs := _runs(_secrets()):
        text = _without(runs, text)
    return LIKE_A_TOKEN.sub(MASK, _LOGIN.sub(f"{MASK}@", text))


def scrub(error: BaseException) -> None:
    """Masks the words of an error and of all that led to it, which a traceback would show."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(masked(part) if isinstance(part, str) else part for part in one.args)
        if getattr(one, "__notes__", None):
            one.__notes__ = [masked(note) for note in one.__notes__]
        waiting += [one.__cause__, one.__context__]


@contextmanager
def guarded() -> Iterator[None]:
    """Masks whatever is printed inside, and an error that leaves it."""
    try:
        with redirect_stdout(_Masking(sys.stdout)), redirect_stderr(_Masking(sys.stderr)):
            yield
    except BaseException as error:
        scrub(error)
        raise


class _Masking:
    """A text stream whose every write is masked; in all else it is the stream itself."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(masked(text))

    def flush(self) -> None:
        self._stream.flush()

    def writelines(self, lines) -> None:
        self._stream.writelines(map(masked, lines))

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


class MaskedRecords(logging.Filter):
    """For a handler: masks the words of every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True


def _secrets() -> frozenset[str]:
    """The token, wherever the client may have it from, and the passwords in addresses of proxies."""
    texts = {os.environ.get(name, "") for name in _VARIABLES} | _handed | {_read(path) for path in _token_files()}
    addresses = (os.environ.get(name, "") for one in PROXIES for name in (one, one.lower()))
    texts |= {part for address in addresses for part in _password(address)}
    return frozenset(text.strip() for text in texts if len(text.strip()) >= _SHORTEST)


def _token_files() -> set[Path]:
    """Where `hf auth login` keeps the token: as the client says, once it is loaded, and as the environment does."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    paths = {os.environ.get("HF_TOKEN_PATH") or f"{home}/token"}
    if constants := sys.modules.get("huggingface_hub.constants"):
        paths.add(constants.HF_TOKEN_PATH)
    return {Path(os.path.expanduser(os.path.expandvars(path))) for path in paths}


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST)
    except (OSError, ValueError):
        return ""


def _password(address: str) -> tuple[str, ...]:
    try:
        password = urlsplit(address).password or ""
    except ValueError:  # brackets that do not close: no client takes it
        return (address,)
    return (password, unquote(password))


@lru_cache(maxsize=8)
def _runs(secrets: frozenset[str]) -> frozenset[str]:
    """Every run of characters that tells a secret, in lower case."""
    runs = set()
    for secret in secrets:
        for spelling in _spellings(secret.encode()):
            folded = spelling.lower()
            width = min(_RUN, len(folded))
            runs |= {folded[at : at + width] for at in range(len(folded) - width + 1)}
    return frozenset(runs)


def _spellings(secret: bytes) -> Iterator[str]:
    yield secret.decode()
    yield secret.hex()
    for before, encode in product((0, 1, 2), (base64.b64encode, base64.urlsafe_b64encode)):
        # Only characters that no neighbour has a part in: a login such as `user:token` is encoded as one.
        text = encode(b"\0" * before + secret).decode()
        yield text[(0, 2, 3)[before] : (before + len(secret)) * 8 // 6]


def _without(runs: frozenset[str], text: str) -> str:
    """The text with a mask in place of all characters that belong to a run, as they are or escaped."""
    hidden = bytearray(len(text))
    if _holds(runs, text):
        _hide(runs, [(at, at + 1, one) for at, one in enumerate(text)], hidden)
    if not {"%", "&", "\\"}.isdisjoint(text):
        _hide(runs, _unescaped(text), hidden)
    if not any(hidden):
        return text
    pieces = re.finditer(rb"\x01+|\x00+", hidden)
    return "".join(MASK if hidden[one.start()] else text[one.start() : one.end()] for one in pieces)


def _holds(runs: frozenset[str], text: str) -> bool:
    """Whether some run is in the text as it stands: quick, since most texts hold none."""
    plain = _BETWEEN.sub("", text).lower()
    widths = {len(run) for run in runs}
    return any(plain[at : at + width] in runs for width in widths for at in range(len(plain) - width + 1))


def _hide(runs: frozenset[str], units: Iterable[tuple[int, int, str]], hidden: bytearray) -> None:
    """Marks the places of all runs; white space and what is not ASCII may stand between their characters."""
    kept = [(start, end, one.lower()) for start, end, one in units if not _BETWEEN.match(one)]
    plain = "".join(one for _, _, one in kept)
    for width in {len(run) for run in runs}:
        for at in range(len(plain) - width + 1):
            if plain[at : at + width] in runs:
                start, end = kept[at][0], kept[at + width - 1][1]
                hidden[start:end] = b"\1" * (end - start)


def _unescaped(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and meaning of every character or escape."""
    for unit in _ESCAPED.finditer(text):
        part = unit.groupdict()
        if code := part["hex"] or part["xml"] or part["json"] or part["byte"]:
            one = chr(int(code, 16))
        elif part["decimal"]:
            one = chr(int(part["decimal"]))
        else:
            one = _NAMED.get((part["name"] or "").lower()) or part["other"] or unit[0][-1:]
            if unit[0][0] == "\\" and not part["other"] and len(unit[0]) > 1:
                one = "\n"
        yield unit.start(), unit.end(), one
