"""`scores list`, `scores verify`, `scores compact`, `scores gc`."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from syco_data import settings
from syco_data.commands import output, project
from syco_data.engines import models
from syco_data.engines import store as scores
from syco_data.errors import CheckFailed, SycoError, printable
from syco_data.formats import documents
from syco_data.words import counted

app = typer.Typer(help="The score store: every score ever made, so that none is made twice.")
VERDICTS = Path("data/verdicts")
Root = Annotated[
    Path | None,
    typer.Option("--store", **project.FOLDER, help="Its folder; engines.store of params.yaml by default."),
]


def _root(store: Path | None) -> Path:
    return store or settings.local_path(project.load().engines.store)


@app.command("list")
def list_scores(store: Root = None) -> None:
    """Lists what is there, by model, engine, version and device."""
    root, names = _root(store), _names() if settings.PARAMS.exists() else {}
    numbers = ("scores", "files", "MB")
    table = output.table("model", "digest", "engine", "device", "dtype", "style", "partition", *numbers, right=numbers)
    for folder in scores.partitions(root):
        state = scores.state(folder, check=False)
        about = {name: printable(str(value)) for name, value in state.about.items()}
        model, engine = about.get("model", "?"), f"{about.get('engine', '?')} {about.get('version', '?')}"
        table.add_row(
            names.get(model, "(not in params.yaml)"), model[:8], engine,
            about.get("device", "?"), about.get("dtype", "?"), about.get("style", "?"), folder.name[:8],
            f"{state.scores:,}", f"{state.score_files:,}", f"{state.size / 1e6:,.1f}",
        )  # fmt: skip
    output.show(table if table.row_count else f"{root}: no scores yet")


def _names() -> dict[str, str]:
    """Commit or digest -> the model's name, for those that params.yaml names: by its pin, or by its last filtration."""
    names = {}
    for name, record in project.load().models.items():
        if record.revision:
            names[record.revision] = name
        with suppress(OSError, SycoError):
            about = documents.read_json(VERDICTS / name / "model.json", documents.LARGEST)
            names[str(about.get("digest"))] = name
    return names


@app.command("verify")
def verify(store: Root = None) -> None:
    """Reads every file of scores and compares it with its digest; exit code 1 if one is damaged."""
    states = [scores.state(folder, check=True) for folder in scores.partitions(_root(store))]
    bad = [f"{state.folder.name}/{name}" for state in states for name in state.damaged]
    for name in bad:
        typer.echo(f"damaged: {name}")
    total = sum(state.score_files for state in states)
    if bad:
        raise CheckFailed(
            f"{len(bad):,} of {counted(total, 'file')} damaged",
            "Their scores are made again by the next `dvc repro`; nothing else is lost",
        )
    count = sum(state.scores for state in states)
    typer.echo(f"{counted(total, 'file')}, {counted(count, 'score')}, all verified")


@app.command("compact")
def compact(store: Root = None) -> None:
    """Merges many small files into few; safe while builds are running."""
    for folder in scores.partitions(_root(store)):
        before = scores.state(folder, check=False)
        scores.compact(folder)
        after = scores.state(folder, check=False)
        typer.echo(
            f"partition {folder.name[:8]}: {before.score_files:,} -> {counted(after.score_files, 'file')}, "
            f"{counted(after.scores, 'score')}"
        )


@app.command("gc")
def gc(
    store: Root = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Removes scores of models that params.yaml does not name, or that have changed since, damaged files and what
    killed writers left."""
    settings, root = project.load(), _root(store)
    models_of_project = {
        (model.commit, model.tokenizer)
        for model in (models.open(name, settings, weights=False) for name in settings.models)
    }
    abouts = {folder.name: scores.state(folder, check=False).about for folder in scores.partitions(root)}
    keep = {name for name, about in abouts.items() if (about.get("model"), about.get("tokenizer")) in models_of_project}
    rubbish = scores.rubbish(root, keep)
    for path in rubbish:
        typer.echo(f"{path.relative_to(root)}{_what(abouts.get(path.name))}")
    if not rubbish:
        typer.echo("nothing to remove")
    elif yes or _confirmed(len(rubbish)):
        for path in rubbish:
            if foreign := scores.remove(path):
                typer.echo(f"{path.relative_to(root)} stays: it holds {foreign}, which is not of the store")


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise SycoError("nothing was removed: there is nobody to ask", "Say it in advance: scores gc --yes")
    return typer.confirm(f"Remove {'it' if count == 1 else f'these {count:,}'}?")


def _what(about: dict | None) -> str:
    return "" if about is None else f": model {str(about.get('model'))[:12]}, {about.get('engine')}"
