"""The report's charts: rates with intervals and chance lines, and curves over arms.

Charts are as wide as a phone, so that their words can be read there; every position is given in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from syco_data.report.drawing import CHANCE, INK, SERIES, SHAPES, SOFT

if TYPE_CHECKING:
    import altair as alt

WIDTH = 370
NAMES = 128  # pixels for names that stand beside their marks
LABEL, MARK, GAP = 20, 13, 9  # pixels of height: a label's line, a series' line, the space after a row
CURVE_WIDTH, CURVE_HEIGHT = 290, 150
_HUES = [colour.light for colour in SERIES]
_SHARES = [0, 0.25, 0.5, 0.75, 1]


@dataclass(frozen=True)
class Point:
    """One rate of one row of a chart, shares of 1; `chance` is what guessing gives, None where it gives no one rate."""

    label: str
    series: str
    rate: float
    low: float
    high: float
    chance: float | None


@dataclass(frozen=True)
class Step:
    """One arm on a curve: where it stands on the axis, its rate with the interval, the seed it was trained with."""

    place: float
    rate: float
    low: float
    high: float
    seed: int


@dataclass(frozen=True)
class Axis:
    """What a curve runs over: title, the values that get a tick, and how a value is written (a d3 format)."""

    title: str
    ticks: tuple[float, ...]
    form: str
    logarithmic: bool


def rates(points: Sequence[Point], series: Sequence[str], first: int, names_beside: bool) -> "alt.TopLevelMixin":
    """A row per label with a mark and an interval per series; a short red line is chance.

    `first` is the first series' place in the palette, so that an arm has one colour in every figure.
    """
    import altair as alt

    df, labels, height = _placed(points, series, 0 if names_beside else LABEL)
    colours, shapes = (
        [every[(first + index) % len(every)] for index in range(len(series))] for every in (_HUES, SHAPES)
    )
    legend = alt.Legend(columns=4, symbolSize=80) if len(series) > 1 else None
    colour = alt.Color("series:N", scale=alt.Scale(domain=list(series), range=colours), legend=legend)
    shape = alt.Shape("series:N", scale=alt.Scale(domain=list(series), range=shapes), legend=legend)
    chances = df.drop_nulls("chance")
    across, down = _across(NAMES if names_beside else 0), _down(height)
    layers = [
        alt.Chart(chances)
        .mark_rule(color=CHANCE.light, strokeWidth=2)
        .encode(x=across("chance"), y=down("top"), y2="bottom:Q"),
        alt.Chart(df).mark_rule(strokeWidth=2).encode(x=across("low"), x2="high:Q", y=down("y"), color=colour),
        alt.Chart(df)
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=across("rate"), y=down("y"), color=colour, shape=shape),
        _labels(labels, names_beside).encode(y=down("y")),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=height)


def _across(left: int) -> Callable[[str], "alt.X"]:
    """Shares from 0 to 1, from so many pixels on to the right edge."""
    import altair as alt

    scale = alt.Scale(domain=[0, 1], range=[left, WIDTH])
    return lambda column: alt.X(f"{column}:Q", title=None, scale=scale, axis=_percent())


def _down(height: int) -> Callable[[str], "alt.Y"]:
    """Pixels from the top; layers share an axis without marks, since an axis that is absent breaks their merging."""
    import altair as alt

    scale = alt.Scale(domain=[0, height], range=[0, height])
    bare = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
    return lambda column: alt.Y(f"{column}:Q", title=None, scale=scale, axis=bare)


def _placed(
    points: Sequence[Point], series: Sequence[str], label_height: int
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The points with their heights in pixels, the labels with theirs, and the height of the whole."""
    labels = list(dict.fromkeys(point.label for point in points))
    block = label_height + MARK * len(series) + GAP
    rows = []
    for point in points:
        top = labels.index(point.label) * block + label_height + MARK * series.index(point.series)
        rows.append({**vars(point), "y": top + MARK / 2, "top": top, "bottom": top + MARK})
    middle = label_height / 2 if label_height else MARK * len(series) / 2
    named = pl.DataFrame({"label": labels, "y": [index * block + middle for index in range(len(labels))]})
    df = pl.DataFrame(rows, schema_overrides={"chance": pl.Float64})
    return df, named, block * len(labels)


def _labels(labels: pl.DataFrame, beside: bool) -> "alt.Chart":
    import altair as alt

    align, x = ("right", NAMES - 8) if beside else ("left", 0)
    mark = alt.Chart(labels).mark_text(align=align, x=x, baseline="middle", fontSize=12, color=INK.light, limit=0)
    return mark.encode(text="label:N")


def _percent() -> "alt.Axis":
    import altair as alt

    return alt.Axis(format="%", values=_SHARES, grid=True, domain=False, ticks=False)


def curve(title: str, steps: Sequence[Step], axis: Axis, base: float | None) -> "alt.TopLevelMixin":
    """The rate of every arm with its interval, a line through the mean of the seeds, the untuned model dashed."""
    import altair as alt

    df = pl.DataFrame([vars(step) for step in steps])
    means = df.group_by("place").agg(pl.col("rate").mean()).sort("place")
    kind = alt.Scale(type="log" if axis.logarithmic else "linear", nice=False, zero=False, padding=12)
    ticks = alt.Axis(values=list(axis.ticks), format=axis.form, grid=False, labelOverlap=True)
    x = alt.X("place:Q", title=axis.title, scale=kind, axis=ticks)

    def up(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=_percent())

    colour = SERIES[1].light
    layers = [
        alt.Chart(means).mark_line(color=colour, strokeWidth=2).encode(x=x, y=up("rate")),
        alt.Chart(df).mark_rule(color=colour, opacity=0.6, strokeWidth=2).encode(x=x, y=up("low"), y2="high:Q"),
        alt.Chart(df).mark_point(filled=True, color=colour, size=45, opacity=1).encode(x=x, y=up("rate")),
    ]
    if base is not None:
        line = pl.DataFrame({"rate": [base]})
        layers.insert(
            0, alt.Chart(line).mark_rule(color=SOFT.light, strokeDash=[5, 4], strokeWidth=2).encode(y=up("rate"))
        )
    return alt.layer(*layers).properties(width=CURVE_WIDTH, height=CURVE_HEIGHT, title=title)
