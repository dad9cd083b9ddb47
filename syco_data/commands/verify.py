"""`verify`: whether a release folder is what its manifest says."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data.commands import output, project
from syco_data.errors import CheckFailed, printable
from syco_data.words import counted


def verify(
    folder: Annotated[
        Path,
        typer.Argument(**project.FOLDER, help="A release: data/release, or what pull has written."),
    ],
) -> None:
    """Checks every file of a release against its manifest, and its tables against their schemas and each other.

    What git, the Hub's client or a desktop leaves in the folder (.git, .cache, .DS_Store) is named, and is no error.
    """
    from syco_data.release import verification

    done = verification.verify(folder)
    if done.leftovers:
        names = ", ".join(f"{printable(one.path)} ({one.left_by})" for one in done.leftovers)
        typer.echo(f"Not of the release, and harmless: {names}. Remove it, or leave it", err=True)
    if not done.problems:
        # The manifest, too, is a file: `pull` counts alike.
        files = counted(len(done.release.files) + 1, "file")
        typer.echo(f"{folder}: version {done.release.version}, {files}, {counted(done.rows, 'row')}, all verified")
        return
    table = output.table("file", "what is wrong")
    for problem in done.problems:
        table.add_row(printable(problem.path), printable(problem.what))
    output.show(table)
    raise CheckFailed(f"{folder}: {counted(len(done.problems), 'problem')}", f"Get it again: {done.hint()}")
