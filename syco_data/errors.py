"""The one base error of the project: what happened, where, and which command or edit helps."""

from syco_data.redaction import masked


class SycoError(Exception):
    """A condition the user can fix; shown as one line, never as a traceback.

    `what` says where it happened, what was found and what was expected; `hint` is the command or the edit
    that helps. Neither can hold a token: it is masked here, whoever quoted it.
    """

    def __init__(self, what: str, hint: str | None = None) -> None:
        self.what = masked(printable(" ".join(what.split())))
        self.hint = None if hint is None else masked(hint)
        super().__init__(self.what if hint is None else f"{self.what.rstrip('.')}. {self.hint}")


class CheckFailed(SycoError):
    """A check or a comparison answered "no": exit code 1 where the others exit with 2."""


def first_line(error: BaseException) -> str:
    """The first line of an error that says something, or its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0]:.300}" if lines else type(error).__name__


def printable(text: str) -> str:
    """The text with escapes in place of control, format and direction characters: safe to show in a terminal."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)
