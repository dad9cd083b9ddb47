"""The client's connection to the Hub, with limits that it does not have by itself.

Every request has a time without a byte after which it is given up; a pause that the Hub asks for is ours to keep, where
the client would sleep through it without a word; and a proxy or certificate that cannot be used is one line.
"""

import os
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syco_data.errors import SycoError
from syco_data.redaction import PROXIES

if TYPE_CHECKING:
    import httpx2

CLIENTS_PAUSE = 8.0
"""Seconds: longer ones the client does not make by itself."""
LARGEST_ANSWER = 1 << 27
"""Bytes, unpacked; a list of all files of a large repository has a tenth of that. Downloads have no such bound."""
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SCHEMES = ("http", "https", "socks5", "socks5h")


class NoAnswer(Exception):
    """No byte came for the time that a request may be silent. No error of httpx2, which the client would try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds:g} s")


class Cut(Exception):
    """The call that this connection belongs to has run out of time."""


class _State:
    """What the requests that begin now are held to: seconds without a byte, and the call that they belong to."""

    no_answer = 60.0
    generation = 0


def prepare(no_answer: float) -> None:
    """Sets the limit for all requests from now on, and Xet's own where the environment does not set it."""
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils import _http

    _State.no_answer = no_answer
    # It asks for a list that it keeps and stumbles over for good, where one answer was nonsense.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # Half the time for Xet's own tries: ours come on top.
    for name, share in (("READ_TIMEOUT", 1.0), ("CONNECT_TIMEOUT", 1.0), ("RETRY_MAX_DURATION", 0.5)):
        os.environ.setdefault(f"HF_XET_CLIENT_{name}", f"{max(1, round(share * no_answer))}s")
    factory = _http._GLOBAL_CLIENT_FACTORY
    if not getattr(factory, "limited", False):
        mask_logs()

        def limited() -> "httpx2.Client":
            return _limited(factory)

        limited.limited = True  # pyrefly: ignore[missing-attribute]
        set_client_factory(limited)


def mask_logs() -> None:
    """The client's log has a handler of its own, which prints what the Hub says."""
    import logging

    from huggingface_hub.utils import logging as _  # noqa: F401 (makes that handler)

    from syco_data.redaction import MaskedRecords

    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(MaskedRecords())


def cut() -> None:
    """Every connection that is open now ends with its next byte."""
    _State.generation += 1


def _limited(make) -> "httpx2.Client":
    """A client as `make` makes it, with our limits on each of its requests."""
    import httpx2

    try:
        folder = os.environ.get("SSL_CERT_DIR")
        if folder and not os.environ.get("SSL_CERT_FILE") and not os.path.isdir(folder):
            raise FileNotFoundError(folder)  # the client would trust nobody, and not say why
        client = make()
    except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
        raise _unusable(error) from error
    plain = client.send

    def send(request: "httpx2.Request", **options) -> "httpx2.Response":
        if _broken_endpoint(request):
            raise SycoError("HF_ENDPOINT is not an address of a Hub", "Set it to one like https://huggingface.co")
        times = _capped(request.extensions.get("timeout", {}))
        request.extensions = {**request.extensions, "timeout": times, "download": bool(options.get("stream"))}
        try:
            return plain(request, **options)
        except httpx2.TimeoutException as error:
            raise NoAnswer(times["read"]) from error

    client.send = send
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], _watch]}
    return client


def _broken_endpoint(request: "httpx2.Request") -> bool:
    return request.url.scheme not in ("http", "https") or not request.url.host


def _capped(options: dict) -> dict:
    """Limits of a request: what the client sets for it, but none above ours. A free connection is always waited for."""
    values = {kind: options.get(kind) for kind in ("connect", "read", "write")}
    return {kind: min(value or _State.no_answer, _State.no_answer) for kind, value in values.items()} | {"pool": None}


def _watch(response: "httpx2.Response") -> None:
    """Holds the body to the limits too, and takes over where the client would sleep for long."""
    from huggingface_hub.utils import hf_raise_for_status

    from syco_data.hub import retries

    extensions = response.request.extensions
    response.stream = _watched(response.stream, extensions["timeout"]["read"])
    if not (extensions.get("download") and response.is_success):
        response.iter_bytes = _bounded(response.iter_bytes)  # an answer is kept in memory
    if response.is_error:
        pause = retries.pause_of(response)
        for name in ("Retry-After", "RateLimit"):
            if name in response.headers and not pause:
                del response.headers[name]  # nonsense, which the client would stumble over
        if pause > CLIENTS_PAUSE:
            response.read()
            hf_raise_for_status(response)


def _bounded(parts):
    """The parts of an answer, up to a bound for all of them: one that never ends would fill the memory."""
    from syco_data.hub.retries import Misunderstood

    def bounded(*arguments, **options) -> Iterator[bytes]:
        size = 0
        for part in parts(*arguments, **options):
            size += len(part)
            if size > LARGEST_ANSWER:
                raise Misunderstood("an answer without end")
            yield part

    return bounded


def _watched(stream, seconds: float):
    import httpx2

    class Watched(httpx2.SyncByteStream):
        generation = _State.generation

        def __iter__(self) -> Iterator[bytes]:
            try:
                for part in stream:
                    if self.generation != _State.generation:
                        raise Cut
                    yield part
            except httpx2.TimeoutException as error:
                raise NoAnswer(seconds) from error

        def close(self) -> None:
            stream.close()

    return Watched()


def _unusable(error: Exception) -> SycoError:
    """Which variable of the environment keeps the client from being made. Its value may hold a password: not shown."""
    schemes = {name: _scheme(os.environ[name]) for name in _set(PROXIES)}
    if isinstance(error, ImportError) and (name := _first(schemes, lambda one: one.startswith("socks"))):
        return SycoError(f"{name} names a SOCKS proxy, which needs a package more", "pip install 'httpx2[socks]'")
    if isinstance(error, OSError | ssl.SSLError):
        for name in CERTIFICATES:
            if value := os.environ.get(name):
                there = os.path.isdir(value) if name.endswith("DIR") else os.path.isfile(value)
                reason = "holds no certificates that can be read" if there else "is not there"
                return SycoError(f"{name}: {value} {reason}", f"Correct or unset {name}")
    if name := _first(schemes, lambda one: one not in _SCHEMES) or next(iter(schemes), None):
        return SycoError(f"{name} is not an address of a proxy", f"Write it as http://HOST:PORT, or unset {name}")
    return SycoError(f"a connection to the Hub cannot be set up: {type(error).__name__}: {error}")


def _set(names: tuple[str, ...]) -> list[str]:
    return [name for one in names for name in (one, one.lower()) if os.environ.get(name)]


def _first(schemes: dict[str, str], fits) -> str | None:
    return next((name for name, scheme in schemes.items() if fits(scheme)), None)


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme.lower()
    except ValueError:
        return ""
