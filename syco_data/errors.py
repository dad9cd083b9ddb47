"""The one base error of the project: what happened, where, and which command mends it."""


class SycoError(Exception):
    """A condition the user can mend; shown as one line, never as a traceback.

    `what` says where it happened, what was found and what was expected; `mend` is the command or the edit
    that helps.
    """

    def __init__(self, what: str, mend: str | None = None) -> None:
        self.what = " ".join(what.split())
        self.mend = mend
        super().__init__(self.what if mend is None else f"{self.what.rstrip('.')}. {mend}")


class CheckFailed(SycoError):
    """A check or a comparison answered "no": exit code 1 where the others exit with 2."""
