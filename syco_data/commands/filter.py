"""`filter`: what filtration has still to do, or doing it."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from syco_data import settings
from syco_data.commands import completion, output, project, speeds
from syco_data.engines import models
from syco_data.errors import CheckFailed, SycoError

DATA = Path("data")


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=completion.models,
            metavar="[NAME]...",
            help="Models by name; those of build.models by default.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the scores that are there and those that are missing; run nothing.")
    ] = False,
) -> None:
    """Scores the stripped prompts by each model of the build (`dvc repro filter@NAME`); stored scores are reused."""
    params = project.load()
    names = names or list(params.build.models)
    for name in names:
        if name not in params.build.models:
            models.named(name, params)
            raise SycoError(f"model '{name}' is not in the build", f"Add it to build.models in {settings.PARAMS}")
    if dry_run:
        _count(names, params)
    elif (code := _call([sys.executable, "-m", "dvc", "repro", *(f"filter@{name}" for name in names)])) != 0:
        raise CheckFailed(f"filter: dvc repro ended with exit code {code}")


def _call(command: list[str]) -> int:
    """The exit code; on Ctrl-C, which both programs receive, the other one ends in its own time."""
    process, stopped = subprocess.Popen(command), False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            stopped = True
            continue
        if stopped:
            raise KeyboardInterrupt
        return code


def _count(names: list[str], params: settings.Settings) -> None:
    from syco_data.build import Tables
    from syco_data.engines import scoring
    from syco_data.filter import questions

    prompts = questions.of_build(Tables.below(DATA, (), (), ()))
    numbers = ("prompts", "texts to score", "in the store", "missing", "tokens to read", "time")
    table = output.table("model", *numbers, right=numbers)
    for name in names:
        model = models.open(name, params, weights=False)
        # Where a key is `auto`, one of these ways will be taken.
        ways = [questions.build(prompts, way, model.style) for way in params.filter.ways]
        requests = list(dict.fromkeys(request for way in ways for request in questions.requests(way)))
        todo = scoring.pending(requests, model, params.engines)
        tokens = scoring.tokens(todo, model, params.engines)
        counts = (len(prompts), len(requests), len(requests) - todo.missing, todo.missing, tokens)
        table.add_row(name, *(f"{count:,}" for count in counts), speeds.time(todo.missing, speeds.read(DATA, name)))
    output.show(table)
