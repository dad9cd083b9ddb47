"""`results`: the rates that evaluation left of a model's arms, side by side, as a Markdown table."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data import settings
from syco_data.commands import completion, project
from syco_data.errors import SycoError

ANSWERS = Path("data/answers")
BASE = "base"

Rates = dict[str, tuple[float, float, float]]
"""Headline or figure -> rate, low, high."""


def results(
    model: Annotated[str, typer.Argument(autocompletion=completion.models, help="A name below `models:`.")],
    figure: Annotated[
        list[str] | None,
        typer.Option(help="A headline's name, PROBE.METRIC or PROBE.METRIC:SLICE, as often as you like."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(autocompletion=completion.arms, help="Which arms, in this order; else all of the build."),
    ] = None,
) -> None:
    """Prints rates in percent with their intervals: a line for each arm, the untuned model (`base`) first."""
    # Folders of arms that the build no longer names are of other data and settings.
    settings = project.load()
    _refuse([model], list(settings.models), "model")
    built = [BASE, *sorted(settings.build.arms)]
    rates = {name: _rates(path) for name in built if (path := ANSWERS / model / name / "metrics.parquet").is_file()}
    if not rates:
        raise SycoError(
            f"there are no answers of model {model!r} in {ANSWERS / model}",
            "Evaluate the model: dvc repro evaluate",
        )
    arms, figures = arm or list(rates), figure or _headlines()
    _refuse(arms, list(rates), "arm")
    _refuse(figure or [], sorted({name for one in rates.values() for name in one}), "figure")
    lines = [["arm", *figures], ["---", *("---:" for _ in figures)]]
    lines += [[name, *(_cell(rates[name].get(one)) for one in figures)] for name in arms]
    typer.echo("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _headlines() -> list[str]:
    from syco_data.evaluate.results import HEADLINES

    return list(HEADLINES)


def _rates(path: Path) -> Rates:
    from syco_data import schemas, tables
    from syco_data.evaluate.results import HEADLINES, figure

    rows = tables.read(path, schemas.METRICS).select("probe", "metric", "slice", "rate", "low", "high").iter_rows()
    figures = {figure(*row[:3]): row[3:] for row in rows}
    return figures | {name: figures[one] for name, one in HEADLINES.items() if one in figures}


def _refuse(names: list[str], valid: list[str], what: str) -> None:
    for name in names:
        if name not in valid:
            raise SycoError(f"{what}: {settings.unknown(name, valid)}")


def _cell(rate: tuple[float, float, float] | None) -> str:
    """`12.3 (10.1-14.9)` in percent; a dash where a probe was not put to the arm."""
    if rate is None:
        return "\u2013"
    share, low, high = (100 * value for value in rate)
    return f"{share:.1f} ({low:.1f}\u2013{high:.1f})"
