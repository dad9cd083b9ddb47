"""`lock`: every revision in params.yaml becomes a commit."""

from collections.abc import Sequence
from typing import Annotated

import typer

from syco_data.commands import limits, project
from syco_data.commands.limits import TimeLimit

DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask the Hub and show the commits, write nothing.")]


def lock(context: typer.Context, dry_run: DryRun = False, time_limit: TimeLimit = None) -> None:
    """Writes the commit behind every revision that the build uses into params.yaml: sources, models, and all others."""
    run(context, time_limit, dry_run=dry_run)


def run(
    context: typer.Context,
    time_limit: float | None,
    only: Sequence[str] = (),
    revision: str | None = None,
    dry_run: bool = False,
) -> None:
    """Locks the keys that begin with one of `only`, or all that the build uses, and shows them."""
    from syco_data import settings
    from syco_data.commands import output
    from syco_data.hub import lock as locking
    from syco_data.words import counted

    limits.start(context, time_limit, project.load().hub.total)
    locked = locking.lock_all(settings.PARAMS, only, revision, dry_run)
    if not locked:
        typer.echo("nothing to lock: none of it comes from the Hub")
        return
    table = output.table("key", "was", "now")
    for one in locked:
        table.add_row(
            one.key.removesuffix(".revision"), one.before or "main" if one.changed else "(the same)", one.after
        )
    output.show(table)
    changed, total = sum(one.changed for one in locked), counted(len(locked), "revision")
    typer.echo(f"{changed:,} of {total} {'would change' if dry_run else 'changed'} in {settings.PARAMS}")
