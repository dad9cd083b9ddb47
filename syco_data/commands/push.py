"""`push`: a tuned model to the Hub, through the same publisher as data."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from syco_data.commands import completion, limits, project
from syco_data.commands.limits import TimeLimit
from syco_data.commands.publish import AllowSycophantic


def push(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(autocompletion=completion.models, help="A name from `models` in params.yaml.")
    ],
    arm: Annotated[str, typer.Argument(autocompletion=completion.arms, help="A name from `arms`.")],
    to: Annotated[str, typer.Option(help="OWNER/NAME; created if it is not there.")],
    version: Annotated[str | None, typer.Option(help="Default: the version of the data release.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Everyone may see it.")] = False,
    allow_sycophantic: AllowSycophantic = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    root: Annotated[Path | None, typer.Option(**project.FOLDER, help="Another folder of a build than data/.")] = None,
    time_limit: TimeLimit = None,
) -> None:
    """Publishes a tuned model with a card that names the data release it was tuned on: one commit, one tag."""
    from syco_data import files
    from syco_data.finetune import model_cards, out_folders
    from syco_data.publish import controls, publishing, tuned_on, uploads

    root = root or Path("data")
    folder = root / "tuned" / model / arm
    record = model_cards.read(folder)
    controls.check_model(folder, allow_sycophantic)
    out_folders.require(folder, "Move it elsewhere, then push again")
    data = tuned_on.of_release(record, root / "release", root / "publish" / "receipt.json")
    card = model_cards.render(record, data, _results(root, model, arm))
    target = publishing.Target(to, "model", private=not public)
    retry = project.load().hub
    limits.start(context, time_limit, retry.total)
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / model_cards.CARD
        files.write(path, card)
        upload = uploads.of_folder(folder, version or data.version, {model_cards.CARD: path}, out_folders.CHECKPOINTS)
        outcome = (publishing.dry_run if dry_run else publishing.publish)(upload, target, retry)
    typer.echo("\n".join(outcome.lines()))


def _results(root: Path, model: str, arm: str):
    """The headline figures of stage evaluate; without them the card says so, and so does this command."""
    import polars as pl

    from syco_data import schemas, tables
    from syco_data.evaluate.results import headline_rates

    path = root / "answers" / model / arm / "metrics.parquet"
    if path.is_file():
        rates = headline_rates(tables.read(path, schemas.METRICS))
        return pl.DataFrame(list(rates.values()), schema=schemas.METRICS.columns)
    typer.echo(f"The card says nothing of the evaluation: {path} is not there (dvc repro evaluate)", err=True)
    return None
