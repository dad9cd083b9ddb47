"""`sources list`, `sources check`, `sources lock`."""

import typer
from rich.console import Console
from rich.table import Table

from syco_data.sources import PUBLISHED_POOL, SOURCES

app = typer.Typer(help="The 17 sources: list them, compare them with upstream, pin their revisions.")


@app.command("list")
def list_sources() -> None:
    """The 17 records."""
    table = Table(title=f"17 sources, {PUBLISHED_POOL:,} published inputs")
    for heading in ("key", "Hub id", "config", "text", "labels in claims", "train", "held out", "licence"):
        table.add_column(heading, overflow="fold")
    table.add_column("inputs", justify="right")
    for record in SOURCES.values():
        table.add_row(
            record.key, record.hub_id, record.config, ", ".join(record.text_columns),
            ", ".join(label.wording for label in record.labels), record.train, record.held_out, record.licence,
            f"{record.unique_inputs:,}",
        )  # fmt: skip
    Console().print(table)
