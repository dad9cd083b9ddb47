"""Stages hold no logic: parse, call one function, write. Run one as `python -m stages.<name>`."""

import sys
from collections.abc import Callable

from syco_data import settings, streams
from syco_data.errors import CheckFailed, SycoError


def run(main: Callable[..., None]) -> None:
    """Calls a stage with the settings and its arguments; a fault is one line, not a traceback."""
    with streams.safe():
        _run(main)


def _run(main: Callable[..., None]) -> None:
    try:
        main(settings.load(), *sys.argv[1:])
    except CheckFailed as error:
        sys.exit(_say(error, code=1))
    except SycoError as error:
        sys.exit(_say(error, code=2))


def _say(error: SycoError, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code
