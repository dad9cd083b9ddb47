"""`restore`: puts the texts back into a release that was published without them."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data.commands import project
from syco_data.words import counted


def restore(
    folder: Annotated[Path, typer.Argument(**project.FOLDER, help="A release without texts.")],
    to: Annotated[
        Path,
        typer.Option("--to", **project.FOLDER, help="Where the whole release goes; must not exist yet."),
    ],
    sources: Annotated[
        Path | None,
        typer.Option(
            **project.FOLDER,
            help="Folder of sources, if not fetched from where the release's came from.",
        ),
    ] = None,
    surveys: Annotated[
        Path | None,
        typer.Option(**project.FOLDER, help="Folder of survey files, where the probes need one."),
    ] = None,
) -> None:
    """Rebuilds every text from the sources and verifies that it is the very text that was left out."""
    from syco_data.release import restore as restoring
    from syco_data.release import verification

    checked = verification.require(folder)
    restoring.check_target(folder, to, checked.release)
    recipe = restoring.recipe(
        checked.release, folder, restoring.Places(*(str(path) if path else None for path in (sources, surveys)))
    )
    raw = restoring.raw_rows(checked.release, recipe)
    texts = restoring.texts(restoring.training(raw), restoring.materials(raw, recipe), recipe)
    whole = restoring.restore(folder, to, texts)
    rows = sum(file.as_table.withheld_rows for file in checked.release.tables)
    typer.echo(f"{to}: version {whole.version}, texts of {counted(rows, 'row')} are back, all verified")
