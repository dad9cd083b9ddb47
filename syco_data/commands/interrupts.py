"""What Ctrl-C leaves of each command, in one line."""

from syco_data.errors import SycoError

CODE = 130
"""The exit code of a program that Ctrl-C ended, as a shell reports it (128 + SIGINT)."""
_SAME = "Run the same command to go on"
_KEPT = {
    "filter": ("finished batches of scores are kept", _SAME),
    "pull": ("what has arrived is kept", _SAME),
    "diff": ("versions that were fetched are kept", _SAME),
    "publish": ("what has arrived at the Hub is found there and not sent twice", _SAME),
    "push": ("what has arrived at the Hub is found there and not sent twice", _SAME),
    "models": ("params.yaml is whole, downloads are kept", _SAME),
    "sources": ("params.yaml is whole, downloads are kept", _SAME),
    "lock": ("params.yaml is whole", _SAME),
    "profile": ("params.yaml is whole", "See which profile is in use: profile list"),
    "restore": ("the folder for the whole release was not completed", "Run the same command again"),
    "scores": ("no score was lost", _SAME),
}


class Interrupted(SycoError):
    """A command was stopped by its user: exit code 130."""


def of(command: str | None) -> Interrupted:
    """The line for a command of the first level; most of them write nothing."""
    kept, hint = _KEPT.get(command or "", ("nothing was written", "Run the same command again"))
    return Interrupted(f"stopped: {kept}", hint)
