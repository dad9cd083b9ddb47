"""`pull`: a release from the Hub into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data.commands import limits, project
from syco_data.commands.limits import TimeLimit
from syco_data.words import counted


def pull(
    context: typer.Context,
    release: Annotated[str, typer.Argument(help="OWNER/NAME@VERSION, such as alice/claims@1.2.0.")],
    to: Annotated[Path, typer.Option(**project.FOLDER, help="A new or empty folder.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what is asked of the Hub.")] = False,
    time_limit: TimeLimit = None,
) -> None:
    """Downloads exactly one version of a release and verifies every file of it."""
    from syco_data.commands import logs
    from syco_data.hub.addresses import Address
    from syco_data.hub.client import RETRY
    from syco_data.publish import pulling

    logs.start(verbose)
    limits.start(context, time_limit, RETRY.total)
    pulled = pulling.pull(Address.parse(release), to)
    typer.echo(
        f"{pulled.folder}: {pulled.address}, commit {pulled.commit}, {counted(pulled.files, 'file')}, "
        f"{counted(pulled.rows, 'row')}, all verified"
    )
