"""Cells and tables of the report, and how numbers are written in them."""

from dataclasses import dataclass

from syco_data.evaluate.answers import BASE
from syco_data.evaluate.statistics import Difference, Rate
from syco_data.report.evidence import Reading

NOTHING = "\u2013"
UNTUNED = "before tuning"


@dataclass(frozen=True)
class Cell:
    """A cell in words; `share` (0 to 1) draws a bar below it, `number` sets it to the right, `note` stands below."""

    text: str
    number: bool = False
    share: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """`rows` begin with the row's name; `folded` tables open on demand; `notes` are numbered below."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    notes: tuple[str, ...] = ()


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def with_interval(rate: Reading | Rate | None) -> str:
    """`12.3% (10.1\u201314.9)`: percent, and the bounds of the interval in percent."""
    if rate is None:
        return NOTHING
    return f"{percent(rate.rate)} ({100 * rate.low:.1f}\u2013{100 * rate.high:.1f})"


def rated(rate: Reading | Rate | None) -> Cell:
    """A rate with its interval below it."""
    if rate is None:
        return Cell(NOTHING, number=True)
    return Cell(percent(rate.rate), number=True, note=f"{100 * rate.low:.1f}\u2013{100 * rate.high:.1f}")


def change(difference: Difference | None) -> str:
    """`-70.1 points (-73.0 to -67.2)`."""
    if difference is None:
        return NOTHING
    points, low, high = (
        f"{100 * value:+.1f}".replace("-", "\u2212")
        for value in (difference.difference, difference.low, difference.high)
    )
    return f"{points} points ({low} to {high})"


def shown(arm: str) -> str:
    """An arm as it is called on the page."""
    return UNTUNED if arm == BASE else arm


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def numbers(*words: str) -> list[Cell]:
    """Cells of numbers in words."""
    return [Cell(word, number=True) for word in words]
