"""What to say when the Hub, or the way to it, fails: one line that cannot hold a token."""

import re

from syco_data.errors import SycoError
from syco_data.remote import retries

SIGN_IN = "Sign in with `hf auth login`, or set HF_TOKEN"
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{3,}|(?<=[Bb]earer )\S+")
_ADDRESS = re.compile(r"\bhttps?://\S+")


def explained(error: Exception, what: str, doing: str, signed_in: bool) -> SycoError:
    """The line for a fault; `what` names the repository, `doing` the step that failed."""
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    status = retries.status(error)
    if isinstance(error, OfflineModeIsEnabled) or isinstance(error.__cause__, OfflineModeIsEnabled):
        return SycoError(f"{what}: {doing}: HF_HUB_OFFLINE forbids it", "Unset HF_HUB_OFFLINE")
    if isinstance(error, RepositoryNotFoundError) and not signed_in:
        return SycoError(f"{what} is not there, or it is private and no token was found", SIGN_IN)
    if status == 401:
        return SycoError(f"{what}: {doing}: the Hub does not accept the token", SIGN_IN)
    if isinstance(error, RepositoryNotFoundError):
        return SycoError(f"{what} is not there, or this token may not see it", "Compare with: hf auth whoami")
    if status == 403:
        return SycoError(f"{what}: {doing}: the token has no right to do this", f"{SIGN_IN} to one that may write")
    if retries.may_pass(error) or status in retries.PASSING:
        return SycoError(f"{what}: {doing}: {_short(error)}, also when tried again", "Run the same command later")
    return SycoError(f"{what}: {doing}: {_short(error)}")


def _short(error: Exception) -> str:
    """A fault in a few words, without addresses (they may be signed) and request ids."""
    status = retries.status(error)
    if status is None and retries.may_pass(error):
        return f"the connection failed ({type(error.__cause__ or error).__name__})"
    # The client's own words, or those of the Hub where the error is its very answer.
    said = getattr(error, "server_message", None) if hasattr(error, "response") else str(error)
    line = _ADDRESS.sub("...", _TOKEN.sub("***", " ".join((said or "").split())))
    answer = f"answer {status}" if status else ""
    return " ".join(part for part in (answer, line) if part) or type(error).__name__
