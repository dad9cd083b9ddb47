"""`verify`: digests, schema and laws of a release folder."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data.commands import project
from syco_data.errors import CheckFailed


def verify(
    folder: Annotated[
        Path,
        typer.Argument(**project.FOLDER, help="A release: data/release, or what pull has written."),
    ],
) -> None:
    """Checks every file of a release against its manifest, and its tables against their schemas and each other.

    What git, the Hub's client or a desktop leaves in the folder (.git, .cache, .DS_Store) is named, and is no fault.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from syco_data.errors import printable
    from syco_data.release import verification

    done = verification.verify(folder)
    if done.leftovers:
        names = ", ".join(f"{printable(one.path)} ({one.left_by})" for one in done.leftovers)
        typer.echo(f"Not of the release, and harmless: {names}. Remove it, or leave it", err=True)
    if not done.problems:
        typer.echo(
            f"{folder}: version {done.found.version}, {len(done.found.files)} files, {done.rows:,} rows: all as its "
            "manifest says"
        )
        return
    table = Table("file", "what is wrong")
    for problem in done.problems:
        table.add_row(escape(printable(problem.path)), escape(printable(problem.what)))
    Console().print(table)
    raise CheckFailed(f"{folder}: {len(done.problems)} problems", f"Get it again: {done.hint()}")
