"""`summary`: the last build in six lines, and where its page lies."""

from pathlib import Path

import typer

from syco_data.commands import project
from syco_data.errors import SycoError

RESULTS = Path("data/reports/results")


def summary() -> None:
    """Prints the last report's six lines and the page's path."""
    from syco_data.report.report import PAGE, SUMMARY

    project.require()
    try:
        typer.echo((RESULTS / SUMMARY).read_text(encoding="utf-8"), nl=False)
    except FileNotFoundError as error:
        raise SycoError(f"there is no {RESULTS / SUMMARY} here", "Build it: dvc repro report") from error
    typer.echo(f"The report: {(RESULTS / PAGE).resolve()}")
