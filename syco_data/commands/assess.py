"""`models assess`: what a model knows, by every way of asking it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syco_data.commands import completion, output, project, speeds
from syco_data.commands.models import app
from syco_data.errors import SycoError

if TYPE_CHECKING:
    from syco_data.filter.assess import Answered, Way

DATA = Path("data")


@app.command("assess")
def assess(
    name: Annotated[str, typer.Argument(autocompletion=completion.models, help="A model by name.")],
    rows: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Claims to ask; default: filter.assess_rows.")
    ] = None,
) -> None:
    """Compares every way of asking a model on held-out claims that no reported figure is about, and names the best.

    Needs the tables of `dvc repro prompts probes`; scores are kept in the store.
    """
    from syco_data.build import Tables
    from syco_data.engines import models
    from syco_data.filter import assess as assessing
    from syco_data.filter import development

    settings = project.load()
    if rows is not None:
        settings = settings.model_copy(update={"filter": settings.filter.model_copy(update={"assess_rows": rows})})
    sources = [key for key, choice in settings.sources.items() if choice.licence != "exclude"]
    places = Tables.below(DATA, sources, (), ())
    for path in (*places.raw.values(), places.claims, places.probes):
        if not path.is_file():
            raise SycoError(f"models assess: there is no {path}", "Build it: dvc repro prompts probes")
    model = models.open(name, settings)
    prompts = development.of_build(places, settings)
    ways = assessing.compare(prompts, model, assessing.every_way(settings.filter), settings.engines)
    output.show(_by_source(name, len(prompts), ways), _overall(ways))
    speeds.write(DATA, name, [way.seconds for way in ways if way.seconds])
    best_way = assessing.best(ways)
    best = best_way.settings
    output.show(_details(best_way))
    typer.echo(
        f"To set in params.yaml: filter.ask: {best.ask}, filter.calibrate: {best.calibrate}, filter.rule: {best.rule}"
        " (or ask and calibrate: auto, which asks anew for each model)"
    )


def _by_source(name: str, prompts: int, ways: "list[Way]"):
    titles = [f"{way.settings.ask}\n{way.settings.calibrate}" for way in ways]
    title = f"{name}: right answers on {prompts:,} held-out claims, by way of asking and calibration"
    table = output.table("source", *titles, right=titles, title=title)
    for source in dict.fromkeys(source for way in ways for source in way.sources):
        table.add_row(source, *(_accuracy(way, source) for way in ways))
    return table


def _accuracy(way: "Way", source: str) -> str:
    return f"{way.sources[source].accuracy:.0%}" if way.sources[source].rows else ""


NUMBERS = ("right", "interval", "purity", "first option", "agreed")


def _overall(ways: "list[Way]"):
    title = "\nOver all sources; guessing gives 50% right"
    table = output.table("ask", "calibrate", *NUMBERS, "s/1,000 texts", right=(*NUMBERS, "s/1,000 texts"), title=title)
    for way in ways:
        seconds = "stored" if way.seconds is None else f"{way.seconds:,.1f}"
        table.add_row(way.settings.ask, way.settings.calibrate, *_figures(way.overall), seconds)
    return table


def _details(way: "Way"):
    title = f"\nBy source, asked for {way.settings.ask}, calibrated: {way.settings.calibrate}"
    table = output.table("source", "claims", *NUMBERS, right=("claims", *NUMBERS), title=title)
    for source, answered in way.sources.items():
        table.add_row(source, f"{answered.rows:,}", *_figures(answered))
    return table


def _figures(answered: "Answered") -> tuple[str, ...]:
    from syco_data.filter.report import interval

    low, high = answered.interval
    return (
        f"{answered.accuracy:.1%}", f"{low:.1%} to {high:.1%}", interval(answered.purity),
        f"{answered.habits.position_bias:.1%}", f"{answered.habits.agreement:.1%}",
    )  # fmt: skip
