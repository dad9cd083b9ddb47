"""Calls to the Hub, tried again with growing pauses while the fault may pass by itself."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from syco_data.settings import Retries

Result = TypeVar("Result")
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers that say "not now"."""

_log = logging.getLogger(__name__)


def persistent(call: Callable[[], Result], retries: Retries, also: frozenset[int] = frozenset()) -> Result:
    """The result of `call`, tried up to `retries.attempts` times; the last error as it was raised.

    Pauses double up to `retries.longest_wait` seconds; a Retry-After that the Hub sends is obeyed. `also` names
    further HTTP answers after which `call`, which looks at the state of things first, is tried again.
    """
    growing = tenacity.wait_exponential(multiplier=retries.first_wait, max=retries.longest_wait)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retries.attempts),
        wait=lambda state: max(growing(state), _asked_pause(state.outcome.exception())),
        retry=tenacity.retry_if_exception(lambda error: may_pass(error) or status(error) in also),
        before_sleep=_announce,
        reraise=True,
    )
    return retrying(call)


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed later: cut and refused connections, timeouts, 429 and 5xx answers."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, XetDownloadError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, LocalEntryNotFoundError | ValueError) and error.__cause__ is not None:
        return may_pass(error.__cause__)  # the client's words for "no answer, and nothing usable in the cache"
    return isinstance(error, httpx2.TransportError | XetDownloadError | ConnectionError | TimeoutError)


def status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, if there is one."""
    for cause in _causes(error):
        if (response := getattr(cause, "response", None)) is not None:
            return response.status_code
    return None


def _asked_pause(error: BaseException | None) -> float:
    """Seconds that the Hub asks to wait, by Retry-After or by the reset of its rate limit; 0 where it does not."""
    from huggingface_hub.utils import parse_ratelimit_headers

    for cause in _causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", {})
        if value := headers.get("Retry-After", ""):
            return float(value) if value.isdigit() else _seconds_until(value)
        if status(cause) == 429 and (limit := parse_ratelimit_headers(headers)):
            return limit.reset_in_seconds
    return 0.0


def _seconds_until(date: str) -> float:
    """Seconds from now to an HTTP date; 0 for one that is over or no date."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _announce(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception()
    reason = status(error) or type(error).__name__
    _log.warning("The Hub: %s; attempt %d in %.0f s", reason, state.attempt_number + 1, state.next_action.sleep)
