"""Stages hold no logic: parse, call one function, write. Run one as `python -m stages.<name>`."""

import sys
from collections.abc import Callable

from syco_data import redaction, settings, streams
from syco_data.errors import CheckFailed, SycoError
from syco_data.hub import limits

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as a shell reports it (128 + SIGINT)."""


def run(main: Callable[..., None]) -> None:
    """Calls a stage with the settings and its arguments; a fault is one line, not a traceback."""
    limits.begin()
    with streams.safe(), redaction.guarded():
        code = _code(main)
    limits.leave(code)


def _code(main: Callable[..., None]) -> int | str | None:
    try:
        main(settings.load(), *sys.argv[1:])
    except CheckFailed as error:
        return _say(error, code=1)
    except SycoError as error:
        return _say(error, code=2)
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _say(error: SycoError, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code
