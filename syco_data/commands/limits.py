"""The option that limits how long a command may take with the Hub."""

from typing import Annotated

import typer

TimeLimit = Annotated[
    float | None,
    typer.Option(
        min=0.1, max=1e7, metavar="SECONDS", help="Seconds for all that is asked of the Hub; default: hub.total or 6 h."
    ),
]


def start(context: typer.Context, time_limit: float | None, total: float) -> None:
    """From here to the end of the command that runs, the Hub has so many seconds; `total` without the option."""
    from syco_data.hub import limits

    context.with_resource(limits.within(time_limit or total))
