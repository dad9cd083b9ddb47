"""`diff`: what changed between two releases, and why."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syco_data import files
from syco_data.commands import limits, output, project
from syco_data.commands.limits import TimeLimit
from syco_data.errors import SycoError
from syco_data.words import counted

if TYPE_CHECKING:
    from syco_data.diff.diffing import Comparison
    from syco_data.diff.records import Diff


def diff(
    context: typer.Context,
    a: Annotated[
        str,
        typer.Argument(
            **project.NAMED,
            metavar="A",
            help="A release folder, OWNER/NAME@VERSION, or a git revision of this project.",
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            **project.NAMED,
            metavar="B",
            help="The release that A is compared with, named in the same ways.",
        ),
    ],
    level: Annotated[
        str, typer.Option(help="What to compare. files: manifests alone, no data is downloaded; rows: every row.")
    ] = "rows",
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/diff.md) instead of tables.")] = False,
    md: Annotated[bool, typer.Option("--md", help="Print Markdown, as for a pull request, instead of tables.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(**project.FILE, help="Write a page that needs nothing beside itself."),
    ] = None,
    rows: Annotated[Path | None, typer.Option(**project.FILE, help="Write every row that differs as Parquet.")] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="Examples per cause in JSON and page.")] = 3,
    time_limit: TimeLimit = None,
) -> None:
    """Compares two releases row by row. Exit code 0: the same, 1: different, 2: an error."""
    from syco_data.diff import diffing, exporting, html_page
    from syco_data.hub.client import RETRY

    if level not in ("files", "rows"):
        raise SycoError(f"--level {level!r}: there is no such level", "Give files or rows")
    if json and md:
        raise SycoError("--json and --md both print to the terminal", "Give one of them")
    if rows and level == "files":
        raise SycoError("--rows needs the rows, and --level files does not read them", "Leave one of them out")
    _check_target("--html", html)
    _check_target("--rows", rows)
    limits.start(context, time_limit, RETRY.total)
    with diffing.opened(a, b) as sides:
        comparison = diffing.compare(*sides, level)
        if examples and (json or html):
            comparison = exporting.with_examples(comparison, examples)
        if rows:
            _write_rows(comparison, rows)
    if html:
        files.write(html, html_page.render(comparison.diff).encode(errors="replace"))
    _print(comparison.diff, json, md)
    if not comparison.diff.same:
        raise typer.Exit(1)


def _check_target(option: str, target: Path | None) -> None:
    """Refuses a file that could not be written, before anything is read."""
    if target is None:
        return
    try:
        if target.is_dir():
            raise SycoError(f"{option} {target}: this is a folder", "Name a file")
        nearest = next(parent for parent in target.absolute().parents if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise SycoError(f"{option} {target}: {nearest} is not a folder to write to", "Name a file elsewhere")
    except OSError as error:
        raise SycoError(f"{option} {target}: {error.strerror or error}", "Name another file") from error


def _write_rows(comparison: "Comparison", target: Path) -> None:
    from syco_data.diff import exporting

    try:
        count = exporting.write_rows(comparison, target)
    except OSError as error:
        raise SycoError(f"{target} could not be written: {error.strerror or error}") from error
    typer.echo(f"{target}: {counted(count, 'row')}", err=True)


def _print(comparison: "Diff", json: bool, md: bool) -> None:
    from syco_data.diff import terminal

    if json:
        typer.echo(comparison.to_json(), nl=False)
    elif md:
        typer.echo(terminal.markdown(comparison), nl=False)
    else:
        terminal.show(comparison, output.console(markup=True))
