"""`filter`: what filtration has still to do, or doing it."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.commands import completion, project
from syco_data.errors import CheckFailed

PROMPTS = Path("data/prompts/prompts.parquet")


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(autocompletion=completion.models, help="models by name; build.models by default"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="count scores that are there and missing, run nothing")
    ] = False,
) -> None:
    """Scores the stripped prompts by each model (`dvc repro filter@NAME`); scores that are stored are reused."""
    chosen = project.load()
    names = names or list(chosen.build.models)
    if dry_run:
        _count(names, chosen)
        return
    command = [sys.executable, "-m", "dvc", "repro", *(f"filter@{name}" for name in names)]
    if (code := subprocess.call(command)) != 0:
        raise CheckFailed(f"filter: dvc repro ended with exit code {code}")


def _count(names: list[str], chosen: settings.Settings) -> None:
    from syco_data import schemas, tables
    from syco_data.engines import models, scoring
    from syco_data.filter import verdicts

    prompts = tables.read(PROMPTS, schemas.PROMPTS, ["prompt_id", "answer", "stripped_prompt"])
    requests = verdicts.requests(verdicts.questions(prompts, chosen.filter.rule))
    table = Table()
    for heading in ("model", "prompts", "texts to score", "in the store", "missing", "tokens to read"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for name in names:
        model = models.open(name, chosen, weights=False)
        todo = scoring.pending(requests, model, chosen.engines)
        tokens = scoring.tokens(todo, model, chosen.engines)
        counts = (len(prompts), len(requests), len(requests) - todo.missing, todo.missing, tokens)
        table.add_row(name, *(f"{count:,}" for count in counts))
    Console().print(table)
