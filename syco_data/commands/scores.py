"""`scores list`, `scores verify`, `scores compact`, `scores gc`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.commands import project
from syco_data.engines import models
from syco_data.engines import store as scores
from syco_data.errors import CheckFailed

app = typer.Typer(help="The score store: every score ever made, so that none is made twice.")
Root = Annotated[
    Path | None,
    typer.Option("--store", **project.FOLDER, help="the folder; engines.store of params.yaml by default"),
]


def _root(store: Path | None) -> Path:
    return store or settings.local_path(project.load().engines.store)


@app.command("list")
def list_scores(store: Root = None) -> None:
    """What is there: by model, engine, version and device."""
    table = Table()
    for heading in ("space", "model", "engine", "device", "dtype", "style"):
        table.add_column(heading, overflow="fold")
    for heading in ("scores", "chunks", "MB"):
        table.add_column(heading, justify="right")
    for folder in scores.spaces(_root(store)):
        state = scores.state(folder, check=False)
        about = {name: str(value) for name, value in state.about.items()}
        table.add_row(
            folder.name[:8], about.get("model", "?")[:12], f"{about.get('engine', '?')} {about.get('version', '?')}",
            about.get("device", "?"), about.get("dtype", "?"), about.get("style", "?"), f"{state.scores:,}",
            f"{state.chunks:,}", f"{state.size / 1e6:,.1f}",
        )  # fmt: skip
    Console().print(table)


@app.command("verify")
def verify(store: Root = None) -> None:
    """Reads every chunk and compares it with its digest; exit code 1 if one is damaged."""
    states = [scores.state(folder, check=True) for folder in scores.spaces(_root(store))]
    bad = [f"{state.folder.name}/{name}" for state in states for name in state.damaged]
    for name in bad:
        typer.echo(f"damaged: {name}")
    total = sum(state.chunks for state in states)
    if bad:
        raise CheckFailed(
            f"{len(bad)} of {total:,} chunks are damaged",
            "Their scores are made again by the next `dvc repro`; nothing else is lost",
        )
    typer.echo(f"{total:,} chunks with {sum(state.scores for state in states):,} scores are as they were written")


@app.command("compact")
def compact(store: Root = None) -> None:
    """Merges many small chunks into few; safe while builds are running."""
    for folder in scores.spaces(_root(store)):
        before = scores.state(folder, check=False)
        scores.compact(folder)
        after = scores.state(folder, check=False)
        typer.echo(f"{folder.name[:8]}: {before.chunks:,} -> {after.chunks:,} chunks, {after.scores:,} scores")


@app.command("gc")
def gc(
    store: Root = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove without asking")] = False,
) -> None:
    """Removes the scores of models that params.yaml does not name (or that have changed since), damaged chunks
    and what killed writers left."""
    chosen, root = project.load(), _root(store)
    known = {
        (found.commit, found.tokenizer)
        for found in (models.open(name, chosen, weights=False) for name in chosen.models)
    }
    abouts = {folder.name: scores.state(folder, check=False).about for folder in scores.spaces(root)}
    keep = {name for name, about in abouts.items() if (about.get("model"), about.get("tokenizer")) in known}
    found = scores.rubbish(root, keep)
    for path in found:
        typer.echo(f"{path.relative_to(root)}{_what(abouts.get(path.name))}")
    if not found:
        typer.echo("nothing to remove")
    elif yes or typer.confirm(f"Remove these {len(found)}?"):
        for path in found:
            if foreign := scores.remove(path):
                typer.echo(f"{path.relative_to(root)} stays: it holds {foreign}, which is not of the store")


def _what(about: dict | None) -> str:
    return "" if about is None else f": model {str(about.get('model'))[:12]}, {about.get('engine')}"
