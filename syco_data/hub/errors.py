"""What to say when the Hub, or the way to it, fails: one line that cannot hold a token."""

import os
import re
import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from syco_data.errors import SycoError
from syco_data.files import FULL
from syco_data.hub import limits, retries, session
from syco_data.hub.limits import OutOfTime

SIGN_IN = "Sign in with `hf auth login`, or set HF_TOKEN"
LONGER = "Run the same command again, or allow more time: --time-limit SECONDS (params: hub.total)"
_TOKEN = re.compile(r"hf_[A-Za-z0-9_]{3,}|(?<=[Bb]earer )\S+")
_ADDRESS = re.compile(r"\bhttps?://\S+")
_LATER = "Run the same command later"
_LONG_PAUSE = 60.0
"""Seconds; a longer pause is spoken of."""
_LONGEST = 300
"""Characters of the Hub's own words that are shown."""


class Unreachable(SycoError):
    """The Hub gave no usable answer, after every retry: nothing is known about what was asked."""


def explained(error: Exception, what: str, doing: str, signed_in: bool) -> SycoError:
    """The line for an error of a repository that is published to or pulled from.

    `what` names it, `doing` the step that failed.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    status = retries.status(error)
    if isinstance(error, RepositoryNotFoundError) and not signed_in:
        return SycoError(f"{what} is not there, or it is private and no token was found", SIGN_IN)
    if status == 401:
        return SycoError(f"{what}: {doing}: the Hub does not accept the token", SIGN_IN)
    if isinstance(error, RepositoryNotFoundError):
        return SycoError(f"{what} is not there, or this token may not see it", "Compare with: hf auth whoami")
    if status == 403:
        return SycoError(f"{what}: {doing}: the token has no right to do this", f"{SIGN_IN} to one that may write")
    return unreachable(error, f"{what}: {doing}") or SycoError(f"{what}: {doing}: {short(error)}")


def unreachable(error: Exception, where: str, folder: Path | None = None) -> Unreachable | None:
    """The line for a Hub that gives no usable answer, whoever asks for whatever; None for an error of another kind.

    `folder` is where downloaded files arrive: whether any is kept there is said.
    """
    here = limits.arrived(folder)
    kept = f"Run the same command again later: what has arrived is kept ({here})" if here else _LATER
    if is_offline(error):
        return Unreachable(f"{where}: HF_HUB_OFFLINE is set, so the Hub is not asked", "Unset HF_HUB_OFFLINE")
    if isinstance(error, OutOfTime):
        return Unreachable(f"{where}: {error}", LONGER)
    if isinstance(error, session.Cut):
        return Unreachable(f"{where}: the call was given up", LONGER)
    if cache := _unwritable_cache(error):
        return Unreachable(f"{where}: {cache}", "Set HF_HOME to a folder that can be written")
    if retries.is_distrust(error):
        hint = "Where a proxy signs with a certificate of its own: SSL_CERT_FILE=FILE names it"
        return Unreachable(f"{where}: the certificate that came is not trusted", hint)
    if retries.is_nobody(error):
        return Unreachable(f"{where}: {_nobody(error)}", _way_to())
    if isinstance(error, retries.Misunderstood):
        code = f" (answer {error.response.status_code})" if error.response is not None else ""
        return Unreachable(
            f"{where}: the Hub answered in a form that is not understood{code}, also when tried again", kept
        )
    if (pause := retries.asked_pause(error)) > _LONG_PAUSE:
        return Unreachable(f"{where}: {short(error)}; the Hub asks to be left alone for {pause:,.0f} s", kept)
    if retries.may_pass(error) or retries.status(error) in retries.PASSING:
        return Unreachable(f"{where}: {short(error)}, also when tried again", kept)
    return None


def is_offline(error: Exception) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    return isinstance(error, OfflineModeIsEnabled) or isinstance(error.__cause__, OfflineModeIsEnabled)


def short(error: Exception) -> str:
    """An error in a few words, without addresses (they may be signed) and request ids."""
    status = retries.status(error)
    cause = error.__cause__ or error
    if isinstance(error, session.NoAnswer):
        return f"{error} ({type(cause).__name__})"
    if status is None and retries.may_pass(error):
        return f"the connection failed ({type(cause).__name__})"
    # The words of the Hub where there are any, and not those that the client makes of them.
    answered = next((one for one in retries.causes(error, context=False) if hasattr(one, "response")), None)
    message = str(error) if answered is None else getattr(answered, "server_message", None)
    line = _ADDRESS.sub("...", _TOKEN.sub("***", " ".join((message or "").split())))
    answer = f"answer {status}" if status else ""
    return " ".join(part for part in (answer, line[:_LONGEST]) if part) or type(error).__name__


def _unwritable_cache(error: Exception) -> str | None:
    """What keeps the client from writing into its own cache, if that is the error."""
    from huggingface_hub import constants

    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    if "(os error" in str(error):  # Xet's library, which names no file
        try:
            Path(constants.HF_XET_CACHE).mkdir(parents=True, exist_ok=True)
        except OSError as refusal:
            number, name = refusal.errno, constants.HF_XET_CACHE
    folders = [constants.HF_HOME, constants.HF_HUB_CACHE, constants.HF_XET_CACHE]
    if not number or not isinstance(name, str) or not any(Path(name).is_relative_to(folder) for folder in folders):
        return None
    return f"the client's cache {name} cannot be written: {FULL.get(number) or os.strerror(number).lower()}"


def _nobody(error: Exception) -> str:
    """Who could not be reached; the address of a proxy may hold a password and is not shown."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2]
    where = f"the proxy of {name}" if (name := _proxy()) else host
    unknown = any(isinstance(cause, socket.gaierror) for cause in retries.causes(error))
    reason = "there is no host of that name" if unknown else "it refuses connections"
    return f"the connection failed ({type(error.__cause__ or error).__name__}): {where}: {reason}"


def _way_to() -> str:
    """What to look at where nobody answers: whatever the environment says of the way to the Hub."""
    names = [name for name in ("HF_ENDPOINT", _proxy()) if name and os.environ.get(name)]
    return f"Correct or unset {' and '.join(names)}" if names else "Check the network, then run the same command"


def _proxy() -> str | None:
    """The variable whose proxy the client uses for its endpoint."""
    from huggingface_hub import constants

    if urllib.request.proxy_bypass(urlsplit(constants.ENDPOINT).hostname or ""):
        return None
    names = (f"{urlsplit(constants.ENDPOINT).scheme.upper()}_PROXY", "ALL_PROXY")
    return next((name for one in names for name in (one, one.lower()) if os.environ.get(name)), None)
