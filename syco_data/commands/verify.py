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

    What git, the Hub's client or a desktop leaves in the folder (.git, .cache, .DS_Store) is named, not an error.
    """
    from syco_data.release import verification

    verified = verification.verify(folder)
    if verified.leftovers:
        names = ", ".join(f"{printable(one.path)} ({one.left_by})" for one in verified.leftovers)
        typer.echo(f"Not of the release, and harmless: {names}. Remove it, or leave it", err=True)
    if not verified.problems:
        # The manifest, too, is a file: `pull` counts alike.
        files, rows = counted(len(verified.release.files) + 1, "file"), counted(verified.rows, "row")
        typer.echo(f"{folder}: version {verified.release.version}, {files}, {rows}, all verified")
        return
    table = output.table("file", "what is wrong")
    for problem in verified.problems:
        table.add_row(printable(problem.path), printable(problem.what))
    output.show(table)
    raise CheckFailed(f"{folder}: {counted(len(verified.problems), 'problem')}", f"Get it again: {verified.hint()}")
