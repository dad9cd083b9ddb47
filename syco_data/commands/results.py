"""`results`: the rates that evaluation left of a model's arms, side by side, as a Markdown table."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data import settings
from syco_data.commands import completion, project
from syco_data.errors import SycoError
from syco_data.formats import documents

EVALUATED = Path("data/reports/evaluate")
BASE = "base"
SHOWN = (
    "held_out.follows_wrong_user",
    "held_out.follows_wrong_user_held_out_templates",
    "held_out.over_correction",
    "held_out.accuracy_wrong_labels",
    "held_out.accuracy_stripped",
    "instructions.accuracy",
)

Rates = dict[str, dict[str, float]]


def results(
    model: Annotated[str, typer.Argument(autocompletion=completion.models, help="A name below `models:`.")],
    figure: Annotated[list[str] | None, typer.Option(help="PROBE.METRIC, as often as you like.")] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(autocompletion=completion.arms, help="Which arms, in this order; else all of the build."),
    ] = None,
) -> None:
    """Rates in percent with their intervals, one line an arm, the untuned model (`base`) first."""
    # Files of arms that the build no longer names stay in the folder: they are of other data and settings.
    given = project.load()
    _refuse([model], list(given.models), "model")
    built = {BASE, *given.build.arms}
    found = {path.stem: _rates(path) for path in sorted((EVALUATED / model).glob("*.json")) if path.stem in built}
    if not found:
        raise SycoError(
            f"there is nothing of {BASE} or `build.arms` in {EVALUATED / model}",
            "Evaluate the model: dvc repro evaluate",
        )
    arms = arm or sorted(found, key=lambda name: (name != BASE, name))
    figures = figure or list(SHOWN)
    _refuse(arms, list(found), "arm")
    _refuse(figures, sorted({name for rates in found.values() for name in rates}), "figure")
    lines = [["arm", *figures], ["---", *("---:" for _ in figures)]]
    lines += [[name, *(_cell(found[name].get(wanted)) for wanted in figures)] for name in arms]
    typer.echo("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _rates(path: Path) -> Rates:
    """PROBE.METRIC -> rate, low, high."""
    try:
        probes = documents.read_json(path, documents.LARGEST_REPORT)
        return {f"{probe}.{metric}": rate for probe, metrics in probes.items() for metric, rate in metrics.items()}
    except (OSError, SycoError, AttributeError) as error:
        raise SycoError(f"{path} cannot be read: {error}", "Evaluate the model: dvc repro evaluate") from error


def _refuse(wanted: list[str], valid: list[str], what: str) -> None:
    for name in wanted:
        if name not in valid:
            raise SycoError(f"{what} {settings.unknown(name, valid)}")


def _cell(rate: dict[str, float] | None) -> str:
    """`12.3 (10.1-14.9)` in percent; a dash where a probe was not put to the arm."""
    if rate is None:
        return "\u2013"
    share, low, high = (100 * rate[name] for name in ("rate", "low", "high"))
    return f"{share:.1f} ({low:.1f}\u2013{high:.1f})"
