"""`preview`: rendered prompts in the terminal before anything is built."""

import sys
from typing import Annotated

import polars as pl
import typer
from rich.panel import Panel
from rich.text import Text

from syco_data import settings
from syco_data.commands import completion, output, project
from syco_data.errors import SycoError
from syco_data.words import counted


def preview(
    source: Annotated[
        list[str] | None,
        typer.Option(autocompletion=completion.sources, help="Only these sources (may be given more than once)."),
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Prompts in all, spread evenly over the sources.")] = 3,
    stripped: Annotated[bool, typer.Option(help="Show the stripped prompt too, as filtration asks it.")] = False,
) -> None:
    """Shows a few rendered prompts from the settings at hand; nothing is built or written."""
    for row in _rows(project.load(), tuple(source or ()), n).iter_rows(named=True):
        truth = "true" if row["truth"] else "false"
        title = f"{row['source']} · claim is {truth} ({row['label_kind']} label) · user {row['opinion']}s"
        body = Text(output.safe(row["prompt"])).append(f" {row['answer']}", style="bold green")
        if stripped:
            body.append(f"\n\n{output.safe(row['stripped_prompt'])}", style="dim")
        panel = Panel(body, title=Text(title), title_align="left", subtitle=Text(row["prompt_id"]))
        panel.expand = sys.stdout.isatty()
        output.show(panel)


def _rows(params: settings.Settings, keys: tuple[str, ...], n: int) -> pl.DataFrame:
    """The first `n` prompts (`schemas.PROMPTS`) by the build's own order of choice."""
    from syco_data.acquire import acquire
    from syco_data.claims import claims
    from syco_data.prompts import prompts

    sources = acquire.chosen(keys, params)
    raw = {}
    for source in sources[:n]:
        rows = acquire.acquire(source, params).rows
        raw[source.key] = rows.filter(pl.col("split") == source.train)
    pool = claims.build(raw, params.claims, params.seed).kept
    if n > len(pool):
        raise SycoError(f"preview: {counted(n, 'prompt')} asked for, {', '.join(raw)} give {len(pool):,}", "Lower --n")
    few = params.prompts.model_copy(update={"rows": n, "sampling": "balanced", "cap": None})
    return pl.concat(prompts.build(pool, few, params.seed).chunks())
