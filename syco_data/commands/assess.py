"""`models assess`: what a model knows, by every way of asking it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.commands.models import app
from syco_data.errors import SycoError

DATA = Path("data")

if TYPE_CHECKING:
    from syco_data.filter.assess import Way


@app.command("assess")
def assess(
    name: Annotated[str, typer.Argument(help="a model by name")],
    rows: Annotated[int | None, typer.Option(min=1, max=100_000, help="claims; default: filter.assess_rows")] = None,
) -> None:
    """Compares every way of asking a model on held-out claims that no reported figure is about, and names the best.

    Needs the tables of `dvc repro prompts probes`; scores are kept in the store.
    """
    from syco_data.build import Tables
    from syco_data.engines import models
    from syco_data.filter import assess as assessing
    from syco_data.filter import development

    chosen = settings.load()
    model = models.open(name, chosen)
    if rows is not None:
        chosen = chosen.model_copy(update={"filter": chosen.filter.model_copy(update={"assess_rows": rows})})
    sources = [key for key, choice in chosen.sources.items() if choice.licence != "exclude"]
    places = Tables.below(DATA, sources, (), ())
    for path in (*places.raw.values(), places.claims, places.probes):
        if not path.is_file():
            raise SycoError(f"models assess: there is no {path}", "Build it: dvc repro prompts probes")
    prompts = development.of_build(places, chosen)
    ways = assessing.compare(prompts, model, assessing.every_way(chosen.filter), chosen.engines)
    _print(name, len(prompts), ways)
    best = assessing.best(ways).settings
    typer.echo(
        f"To set in params.yaml: filter.ask: {best.ask}, filter.calibrate: {best.calibrate}, filter.rule: {best.rule}"
        " (or ask and calibrate: auto, which asks anew for each model)"
    )


def _print(name: str, prompts: int, ways: "list[Way]") -> None:
    from syco_data.filter.report import interval

    console = Console()
    by_source = Table(title=f"{name}: right answers on {prompts:,} held-out claims, by way of asking and calibration")
    by_source.add_column("source")
    for way in ways:
        by_source.add_column(f"{way.settings.ask}\n{way.settings.calibrate}", justify="right")
    for source in dict.fromkeys(source for way in ways for source in way.sources):
        by_source.add_row(source, *(_accuracy(way, source) for way in ways))
    console.print(by_source)
    overall = Table(title="Over all sources; guessing gives 50%")
    for heading in ("ask", "calibrate", "right", "interval", "purity", "first option", "agreed", "s/1,000 texts"):
        overall.add_column(heading, justify="left" if heading in ("ask", "calibrate") else "right")
    for way in ways:
        low, high = way.overall.interval
        overall.add_row(
            way.settings.ask, way.settings.calibrate, f"{way.overall.accuracy:.1%}", f"{low:.1%} to {high:.1%}",
            interval(way.overall.purity), f"{way.habits.position_bias:.1%}", f"{way.habits.agreement:.1%}",
            "stored" if way.seconds is None else f"{way.seconds:,.1f}",
        )  # fmt: skip
    console.print(overall)


def _accuracy(way: "Way", source: str) -> str:
    return f"{way.sources[source].accuracy:.0%}" if source in way.sources else ""
