"""`publish`: a release, or another folder with a card, to a repository on the Hub."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from syco_data.commands import limits, project
from syco_data.commands.limits import TimeLimit
from syco_data.errors import SycoError

AllowSycophantic = Annotated[
    bool, typer.Option("--allow-sycophantic", help="Also what teaches, or was taught, to follow the user.")
]


class Kind(StrEnum):
    dataset = "dataset"
    model = "model"


def publish(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(**project.FOLDER, help="data/release, or the folder of a tuned model."),
    ],
    to: Annotated[str, typer.Option(help="OWNER/NAME; created if it is not there.")],
    kind: Annotated[Kind, typer.Option(help="A model needs --version too.")] = Kind.dataset,
    version: Annotated[str | None, typer.Option(help="Of a model; a release has its own.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Everyone may see it.")] = False,
    allow_sycophantic: AllowSycophantic = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say what is asked of the Hub.")] = False,
    time_limit: TimeLimit = None,
) -> None:
    """Publishes one version: one commit, one tag, read back and compared. The same version again changes nothing.

    Outside of a project the Hub is asked as often as by `pull`; inside of one, params.yaml says how often (`hub`).
    """
    from syco_data import settings
    from syco_data.commands import logs
    from syco_data.hub.client import RETRY
    from syco_data.publish import controls, publishing, uploads

    logs.start(verbose)
    if (kind is Kind.model) != (version is not None):
        raise SycoError("--version belongs to --kind model, and a model needs one", "Such as --version 1.0.0")
    controls.check(folder, allow_sycophantic)
    upload = uploads.of_folder(folder, version) if version else uploads.verified_release(folder)
    target = publishing.Target(to, kind.value, private=not public)
    retry = settings.load().hub if settings.PARAMS.exists() else RETRY
    limits.start(context, time_limit, retry.total)
    outcome = (publishing.dry_run if dry_run else publishing.publish)(upload, target, retry)
    typer.echo("\n".join(outcome.lines()))
