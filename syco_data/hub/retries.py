"""Calls to the Hub, tried again with growing pauses while the error may pass by itself."""

import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import tenacity

from syco_data.errors import SycoError
from syco_data.hub import limits, session
from syco_data.hub.limits import Deadline, OutOfTime
from syco_data.redaction import scrub
from syco_data.settings import Hub

if TYPE_CHECKING:
    import httpx2

Result = TypeVar("Result")
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that say "not now"."""
TRIES_WHERE_NOBODY_IS, TRIES_IN_SILENCE = 3, 3
"""A refused connection or an unknown name passes in a moment or not at all; silence has been waited for already."""
LONGEST_WAIT_WHERE_NOBODY_IS = 1.0

_log = logging.getLogger(__name__)


class Misunderstood(Exception):
    """The Hub's answer has a form that the client, or the caller, does not know; `response` is it, if it is known."""

    def __init__(self, what: str, response: "httpx2.Response | None" = None) -> None:
        super().__init__(what)
        self.response = response


def failures() -> tuple[type[Exception], ...]:
    """Every way in which a call to the Hub can fail, apart from `SycoError`: what `persistent` may raise."""
    import httpx2
    from huggingface_hub.errors import XetDownloadError

    ours = (Misunderstood, OutOfTime, session.NoAnswer, session.Cut)
    return (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, ValueError, XetDownloadError, *ours)


def ask(call: Callable[[], Result], doing: str, retries: Hub, deadline: Deadline, folder: Path | None = None) -> Result:
    """The answer of the client, for a call of it and nothing else: whatever it stumbles over is the Hub's answer.

    Raises one of `failures`, or `SycoError`. `folder` is where files arrive.
    """
    session.prepare(retries.no_answer)
    try:
        return limits.call(call, doing, deadline, folder)
    except (SycoError, KeyboardInterrupt, OutOfTime) as error:
        scrub(error)
        raise
    except BaseException as error:
        scrub(error)
        if isinstance(error, failures()) and not _is_stumbling(error):
            raise
        raise Misunderstood(type(error).__name__, _response(error)) from error


def answer(call: Callable[[], Result], doing: str, retries: Hub, folder: Path | None = None) -> Result:
    """One call of the client, tried again where it helps; raises as `ask` does."""
    deadline = limits.deadline(retries.total)
    return persistent(lambda: ask(call, doing, retries, deadline, folder), retries, deadline)


def _is_stumbling(error: BaseException) -> bool:
    """Whether an error of a general kind comes from reading an answer: no JSON, no text, no number, far too deep."""
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if isinstance(error, RecursionError | json.JSONDecodeError | UnicodeError | FileMetadataError):
        return True
    if isinstance(error, HfHubHTTPError | HFValidationError | LocalEntryNotFoundError) or error.__cause__ is not None:
        return False
    # One of the system has a number, also in the words of Xet's library; one without speaks of what came.
    of_client = type(error) is OSError and error.errno is None and "(os error" not in str(error)
    return of_client or isinstance(error, ValueError)


def persistent(
    call: Callable[[], Result], retries: Hub, deadline: Deadline, also: frozenset[int] = frozenset()
) -> Result:
    """The result of `call`, tried up to `retries.attempts` times; the last error as it was raised.

    Pauses double up to `retries.longest_wait` seconds; a Retry-After that the Hub sends is obeyed, as far as the
    deadline allows it. `also` names further HTTP answers after which `call`, which looks at the state of things
    first, is tried again.
    """
    growing = tenacity.wait_exponential(multiplier=retries.first_wait, max=retries.longest_wait)

    def pause(state: tenacity.RetryCallState) -> float:
        error = _error(state)
        longest = LONGEST_WAIT_WHERE_NOBODY_IS if is_nobody(error) else retries.longest_wait
        return max(min(growing(state), longest), asked_pause(error))

    def enough(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= tries(_error(state), retries) or pause(state) >= deadline.left

    retrying = tenacity.Retrying(
        stop=enough,
        wait=pause,
        retry=tenacity.retry_if_exception(lambda error: may_pass(error) or status(error) in also),
        before_sleep=_announce,
        reraise=True,
    )
    return retrying(call)


def tries(error: BaseException | None, retries: Hub) -> int:
    """How often a call that ends with this error is made."""
    if is_nobody(error):
        return min(retries.attempts, TRIES_WHERE_NOBODY_IS)
    silent = any(isinstance(cause, session.NoAnswer) for cause in causes(error))
    return min(retries.attempts, TRIES_IN_SILENCE) if silent else retries.attempts


def is_nobody(error: BaseException | None) -> bool:
    """Whether the connection was refused, or the name of the host is not known."""
    kinds = (ConnectionRefusedError, socket.gaierror)
    return may_pass(error) and any(isinstance(cause, kinds) for cause in causes(error))


def is_distrust(error: BaseException | None) -> bool:
    """Whether the certificate of the other side was not accepted."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def may_pass(error: BaseException | None) -> bool:
    """Whether the same call may succeed later: cut and refused connections, timeouts, 429 and 5xx answers."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, XetDownloadError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    if isinstance(error, Misunderstood):
        return error.response is None or error.response.status_code in PASSING or error.response.is_success
    if isinstance(error, OfflineModeIsEnabled | httpx2.UnsupportedProtocol) or is_distrust(error):
        return False
    if isinstance(error, LocalEntryNotFoundError | ValueError) and error.__cause__ is not None:
        return may_pass(error.__cause__)  # the client's words for "no answer, and nothing usable in the cache"
    passing = (httpx2.TransportError, XetDownloadError, ConnectionError, TimeoutError, session.NoAnswer)
    return isinstance(error, passing)


def status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, if there is one."""
    response = _response(error, context=False)
    return None if response is None else response.status_code


def _response(error: BaseException | None, context: bool = True) -> "httpx2.Response | None":
    responses = (getattr(cause, "response", None) for cause in causes(error, context))
    return next((response for response in responses if response is not None), None)


def asked_pause(error: BaseException | None) -> float:
    """Seconds that the Hub asks to wait; 0 where it does not."""
    response = _response(error, context=False)
    return 0.0 if response is None else pause_of(response)


def pause_of(response: "httpx2.Response") -> float:
    """Seconds to wait by an answer's Retry-After or the reset of its rate limit; 0 for none and for nonsense."""
    from huggingface_hub.utils import parse_ratelimit_headers

    try:
        if value := response.headers.get("Retry-After", "").strip():
            return float(value) if value.isascii() and value.isdigit() else _seconds_until(value)
        limit = parse_ratelimit_headers(response.headers) if response.status_code == 429 else None
        return float(limit.reset_in_seconds) if limit else 0.0
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def _seconds_until(date: str) -> float:
    """Seconds from now to an HTTP date; 0 for one that is over."""
    moment = parsedate_to_datetime(date)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def causes(error: BaseException | None, context: bool = True) -> Iterator[BaseException]:
    """The error and what it was raised from; with `context` also what was being handled where it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or (error.__context__ if context else None)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _announce(state: tenacity.RetryCallState) -> None:
    error = _error(state)
    assert error and state.next_action  # an attempt failed, and another one follows
    reason = status(error) or type(error.__cause__ or error).__name__
    _log.warning("The Hub: %s; attempt %d in %.0f s", reason, state.attempt_number + 1, state.next_action.sleep)
