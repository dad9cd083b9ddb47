"""Figures: the same bytes every time, every rate where it belongs, colours that the page can swap."""

import itertools
import re

import pytest

from syco_data.report import ablations, drawing, figures
from syco_data.report.figures import Axis, Point, Step
from tests.support import answered

SERIES = ["before tuning", "balanced"]
POINTS = [
    Point('Sides with <you> & "them"', "before tuning", 0.9, 0.85, 0.95, 0.5),
    Point('Sides with <you> & "them"', "balanced", 0.1, 0.05, 0.2, 0.5),
    Point("Knows", "balanced", 1.0, 0.99, 1.0, None),
]
AXIS = Axis("generated data", (0.0, 0.5, 1.0), ".0%", logarithmic=False)


def rates(name: str = "one") -> drawing.Drawing:
    return drawing.draw(name, "Rates & <more>", figures.rates(POINTS, SERIES, 0, names_beside=False), 2)


@pytest.fixture(scope="module")
def drawn() -> drawing.Drawing:
    return rates()


def test_the_same_chart_gives_the_same_bytes(drawn):
    # Another chart in between: the renderer counts ids over all charts of a process.
    rates("another")
    again = rates()
    assert again == drawn and drawn.png.startswith(b"\x89PNG")


def test_two_figures_of_a_page_share_no_id(drawn):
    first, second = (set(re.findall(r'\bid="([^"]+)"', each.svg)) for each in (drawn, rates("two")))
    assert first.isdisjoint(second)
    for svg, ids in ((drawn.svg, first),):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids


def test_a_figure_has_a_name_and_its_words_are_escaped(drawn):
    assert drawn.svg.startswith("<svg ") and 'role="img"' in drawn.svg
    assert 'aria-label="Rates &amp; &lt;more&gt;"' in drawn.svg
    assert "Sides with &lt;you&gt; &amp;" in drawn.svg and "<you>" not in drawn.svg
    assert "<script" not in drawn.svg and "http://www.w3.org" in drawn.svg and "https:" not in drawn.svg


def test_every_colour_of_a_figure_has_a_dark_one(drawn):
    curve = drawing.draw("curve", "Curve", figures.curve("c", STEPS, AXIS, 0.9), 1)
    known = {colour.light for colour in drawing.COLOURS} | {"white", "none", "transparent"}
    for svg in (drawn.svg, curve.svg):
        assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) <= known
    assert len({colour.light for colour in drawing.COLOURS}) == len(drawing.COLOURS)


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_marks_and_words_stand_out_on_both_papers():
    for colour in (drawing.INK, drawing.SOFT):
        assert min(contrast(colour.light, "#ffffff"), contrast(colour.dark, "#14181f")) >= 4.5
    for colour in (drawing.CHANCE, *drawing.SERIES):
        assert min(contrast(colour.light, "#ffffff"), contrast(colour.dark, "#14181f")) >= 3


STEPS = [
    Step(0.0, 0.9, 0.8, 0.95, 0),
    Step(0.5, 0.2, 0.1, 0.3, 0),
    Step(0.5, 0.4, 0.3, 0.5, 1),
    Step(1.0, 0.1, 0.0, 0.2, 0),
]


def test_a_curve_goes_through_the_means_of_its_seeds():
    chart = figures.curve("Sides with the user", STEPS, AXIS, 0.9).to_dict()
    tables = list(chart["datasets"].values())
    means = next(rows for rows in tables if rows and set(rows[0]) == {"place", "rate"})
    assert [(row["place"], pytest.approx(row["rate"])) for row in means] == [(0.0, 0.9), (0.5, 0.3), (1.0, 0.1)]
    assert any(rows == [{"rate": 0.9}] for rows in tables)


def test_rows_of_a_chart_do_not_overlap():
    chart = figures.rates(POINTS, SERIES, 0, names_beside=False).to_dict()
    marks = next(rows for rows in chart["datasets"].values() if len(rows) == len(POINTS))
    places = [row["y"] for row in marks]
    assert places == sorted(places) and min(b - a for a, b in itertools.pairwise(places)) >= figures.MARK
    assert max(places) < chart["height"]


BALANCED = {"label_kinds": ("gold", "other"), "filtered": True, "balanced": True}
PARTS = {"generated": 0, "instruction": 1}
ARMS = {
    "seed_1": {**BALANCED, "finetune": {"seed": 1}},
    "steps_15": {**BALANCED, "finetune": {"steps": 15}},
    "steps_120": {**BALANCED, "finetune": {"steps": 120}},
    "steps_120_seed_1": {**BALANCED, "finetune": {"steps": 120, "seed": 1}},
    "only_instructions": {**BALANCED, "finetune": {"parts": PARTS}},
    "half": {**BALANCED, "finetune": {"parts": {"generated": 1, "instruction": 1}}},
    "other_rate": {**BALANCED, "finetune": {"steps": 30, "learning_rate": 0.01}},
}


def test_curves_hold_the_arms_that_differ_in_nothing_else():
    settings = answered.wanted(ARMS)
    curves = {curve.axis.title: curve for curve in ablations.curves(settings)}
    steps, mixture = curves["optimiser steps"], curves["generated data"]
    assert steps.arms == ("steps_15", "balanced", "seed_1", "steps_120", "steps_120_seed_1")
    usual = settings.finetune.steps
    assert steps.places == (15, usual, usual, 120, 120) and steps.seeds == (0, 0, 1, 0, 1)
    assert mixture.arms == ("only_instructions", "half", "balanced", "seed_1")
    assert mixture.places == pytest.approx((0, 0.5, 5 / 6, 5 / 6))
    assert ablations.plain(settings) == ("balanced", "published", "unfiltered") == ablations.conditions(settings)
    assert {group.arms for group in ablations.seeds(settings)} == {
        ("balanced", "seed_1"),
        ("steps_120", "steps_120_seed_1"),
    }


def test_a_build_without_such_arms_has_no_curves():
    settings = answered.wanted()
    assert ablations.curves(settings) == () and ablations.seeds(settings) == ()
