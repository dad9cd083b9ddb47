"""`sources list`, `sources check`, `sources lock`."""

from typing import Annotated

import typer

from syco_data.commands import completion, limits, project
from syco_data.commands.limits import TimeLimit
from syco_data.commands.lock import DryRun

app = typer.Typer(help="The 17 sources: list them, compare them with upstream, pin their revisions.")
Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...", autocompletion=completion.sources, help="Sources by key; all where none is named."
    ),
]


@app.command("list")
def list_sources(keys: Keys = None) -> None:
    """The 17 records in short, or the whole record of each source named."""
    from syco_data import sources
    from syco_data.commands import source_tables
    from syco_data.errors import SycoError
    from syco_data.settings import unknown

    for key in keys or ():
        if key not in sources.SOURCES:
            raise SycoError(f"source: {unknown(key, sources.SOURCES)}")
        source_tables.print_record(sources.SOURCES[key])
    if not keys:
        source_tables.print_records()


@app.command("check")
def check(context: typer.Context, keys: Keys = None, time_limit: TimeLimit = None) -> None:
    """Compares records with what the origin in params.yaml gives: label names, columns, ids, row counts."""
    from rich.console import Console
    from rich.progress import track

    from syco_data.acquire import acquire, comparison
    from syco_data.commands import source_tables
    from syco_data.errors import CheckFailed

    settings = project.load()
    sources = acquire.chosen(keys or (), settings)
    waiting = track(sources, "Comparing", console=Console(stderr=True), transient=True)
    limits.start(context, time_limit, settings.hub.total)
    compared = [comparison.compare(source, settings) for source in waiting]
    source_tables.print_comparisons(compared, settings.acquire.origin)
    for one in compared:
        if keys or one.differs:
            source_tables.print_details(one)
    if different := [one.source.key for one in compared if one.differs]:
        raise CheckFailed(
            f"{len(different)} of {len(compared)} sources differ from their records: {', '.join(different)}"
        )


@app.command("lock")
def lock(
    context: typer.Context,
    keys: Keys = None,
    revision: Annotated[
        str | None, typer.Option(help="Resolve this branch, tag or ref, and not what params.yaml names; needs a KEY.")
    ] = None,
    dry_run: DryRun = False,
    time_limit: TimeLimit = None,
) -> None:
    """Locks sources alone: writes the commit behind each revision into params.yaml."""
    from syco_data.acquire import acquire
    from syco_data.commands.lock import run
    from syco_data.errors import SycoError

    if revision and not keys:
        raise SycoError("--revision needs the sources it is for", f"Name them: sources lock sst2 --revision {revision}")
    only = [f"sources.{source.key}" for source in acquire.chosen(keys or (), project.load())]
    run(context, time_limit, only, revision, dry_run)
