"""The report: one page that needs nothing beside itself, its figures as files, six lines for the terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from syco_data import files
from syco_data.evaluate.answers import BASE
from syco_data.report import ablations, changed, drawing, figures, headline, questions
from syco_data.report import report_tables as words
from syco_data.report.ablations import Curve
from syco_data.report.changed import Changes
from syco_data.report.drawing import Drawing
from syco_data.report.evidence import Audit, Build, Evidence, Reading
from syco_data.report.figures import Point, Step
from syco_data.report.questions import Question
from syco_data.report.report_words import Table, shown
from syco_data.settings import Settings

PAGE, SUMMARY = "index.html", "summary.txt"
KINDS = {
    "held_out": "a held-out claim",
    "addition": "a sum",
    "pressure": "doubt in a second turn",
    "preference": "a matter of taste",
    "instructions": "an everyday instruction",
} | {f"survey_{name}": f"an opinion survey ({words})" for name, words in questions.SURVEY_WORDS.items()}
TEMPLATE = Path(__file__).parents[1] / "data" / "report.html.jinja"


@dataclass(frozen=True)
class Panel:
    """A figure, or several small ones side by side, with the tables that say the same in numbers."""

    title: str
    says: str
    drawings: tuple[Drawing, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Chapter:
    """One model's part of the page; `curves` is empty when the build has no arms to draw them from."""

    model: str
    arm: str
    warning: str | None
    kept: Panel
    audit: Panel
    groups: tuple[Panel, ...]
    cells: Table
    curves: tuple[Panel, ...]
    seeds: Table | None
    sources: Panel
    published: Table
    more: tuple[Table, ...]
    changes: Changes


@dataclass(frozen=True)
class Page:
    """The page's text, its figures, and the six lines."""

    html: str
    drawings: tuple[Drawing, ...]
    summary: tuple[str, ...]


def build(evidence: Build, settings: Settings) -> Page:
    """The page from everything that a build has found."""
    chapters = tuple(_chapter(evidence, one, settings) for one in evidence.models)
    summary = headline.lines(evidence, ablations.plain(settings)[0], ablations.conditions(settings))
    drawings = tuple(
        dict.fromkeys(each for chapter in chapters for panel in _panels(chapter) for each in panel.drawings)
    )
    return Page(_render(evidence, chapters, summary, settings), drawings, summary)


def write(page: Page, folder: Path) -> None:
    """The page, PNG and SVG of every figure, and the six lines; the page comes last, whole or not at all."""
    for each in page.drawings:
        each.write(folder)
    files.write(folder / SUMMARY, "\n".join(page.summary) + "\n")
    files.write(folder / PAGE, page.html)


def _panels(chapter: Chapter) -> tuple[Panel, ...]:
    return (chapter.kept, chapter.audit, *chapter.groups, *chapter.curves, chapter.sources)


def _render(evidence: Build, chapters: Sequence[Chapter], summary: Sequence[str], settings: Settings) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        build=evidence,
        chapters=chapters,
        summary=[line.partition(": ") for line in summary],
        built=words.built(evidence),
        settings=settings,
        arms=[(arm, settings.arms[arm]) for arm in ablations.conditions(settings)],
        colours=drawing.COLOURS,
        kinds=KINDS,
        level=f"{settings.evaluate.level:.0%}",
    )


def _chapter(evidence: Build, one: Evidence, settings: Settings) -> Chapter:
    plain, scale = ablations.plain(settings), settings.report.scale
    arms = (BASE, *plain)
    seeds = ablations.seeds(settings)
    return Chapter(
        model=one.model,
        arm=plain[0],
        warning=one.kept.warning,
        kept=_kept(one, settings),
        audit=_audit(one.model, evidence.audits, ablations.conditions(settings), scale),
        groups=tuple(_groups(one, arms, scale)),
        cells=words.cells(one, arms),
        curves=tuple(_curve(one, curve, scale) for curve in ablations.curves(settings)),
        seeds=words.over_seeds(one, seeds, questions.CURVES) if seeds else None,
        sources=_sources(one, arms[:2], scale),
        published=words.published(one, arms),
        more=tuple(_more(one, arms)),
        changes=changed.between(evidence.probes, one.answers[BASE], one.answers[plain[0]], settings.report.examples),
    )


def _more(one: Evidence, arms: Sequence[str]) -> Iterator[Table]:
    """Tables for readers who want to know more."""
    yield words.tuned(one)
    yield words.reading_habits(one, arms)
    if len(one.arms) > len(arms):
        yield words.every_arm(one)


def _kept(one: Evidence, settings: Settings) -> Panel:
    level, series = settings.evaluate.level, "kept"
    groups = {"all sources": one.kept.overall, **one.kept.groups["source"]}
    points = [_point(name, series, words.keep_rate(group, level)) for name, group in groups.items()]
    title = f"Share of prompts whose claim {one.model} knows, by source"
    says = "The red line is what a model without any knowledge would keep by guessing."
    chart = figures.rates(points, [series], 1, names_beside=True)
    drawing_of = drawing.draw(f"{one.model}-keep-rates", title, chart, settings.report.scale)
    return Panel(title, says, (drawing_of,), (words.kept(one, level),))


def _point(label: str, series: str, reading: Reading) -> Point:
    return Point(label, series, reading.rate, reading.low, reading.high, reading.chance)


def _audit(model: str, audits: Sequence[Audit], arms: Sequence[str], scale: float) -> Panel:
    shown = [one for one in audits if one.model == model and one.arm in arms]
    shown.sort(key=lambda one: arms.index(one.arm))
    points = [
        Point(line.feature, one.arm, line.accuracy, line.accuracy, line.accuracy, line.high)
        for one in shown
        for line in one.lines
        if line.target == "stance"
    ]
    chart = figures.rates(points, [one.arm for one in shown], 1, names_beside=False)
    title = "Share of answers that one surface feature alone predicts"
    says = "Marks right of their red line (the end of the band of chance) are shortcuts."
    return Panel(title, says, (drawing.draw(f"{model}-shortcuts", title, chart, scale),), (words.audit(shown),))


def _groups(one: Evidence, arms: Sequence[str], scale: float) -> Iterator[Panel]:
    series = [shown(arm) for arm in arms]
    for group in questions.GROUPS:
        measured = words.measured(one, group.questions, arms)
        if not measured:
            continue
        points = [
            _point(each.words, shown(arm), reading)
            for each in measured
            for arm in arms
            if (reading := one.reading(arm, each)) is not None
        ]
        title = f"{group.title} ({group.better} is better)"
        drawn = drawing.draw(
            f"{one.model}-{group.name}", title, figures.rates(points, series, 0, names_beside=False), scale
        )
        tables = (words.before_and_after(one, measured, arms), words.differences(one, measured, arms[1:]))
        yield Panel(title, group.says, (drawn,), tables)


def _curve(one: Evidence, curve: Curve, scale: float) -> Panel:
    drawn = tuple(_small(one, curve, question, scale) for question in words.measured(one, questions.CURVES, curve.arms))
    return Panel(curve.title, curve.says, drawn, (words.along(one, curve, questions.CURVES),))


def _small(one: Evidence, curve: Curve, question: Question, scale: float) -> Drawing:
    steps = [
        Step(place, reading.rate, reading.low, reading.high, seed)
        for arm, place, seed in zip(curve.arms, curve.places, curve.seeds, strict=True)
        if (reading := one.reading(arm, question)) is not None
    ]
    before = one.reading(BASE, question)
    chart = figures.curve(question.words, steps, curve.axis, before.rate if before else None)
    part = "-".join(filter(None, (question.probe, question.metric, "" if question.slice == "all" else question.slice)))
    name = f"{one.model}-{curve.name}-{part}".replace("_", "-").replace("=", "-")
    return drawing.draw(name, f"{question.words}, by {curve.axis.title}", chart, scale)


def _sources(one: Evidence, arms: Sequence[str], scale: float) -> Panel:
    points = [
        _point(source, shown(arm), reading)
        for source in one.kept.groups["source"]
        for arm in arms
        if (reading := one.reading(arm, Question("held_out", "follows_wrong_user", "", f"source={source}"))) is not None
    ]
    title = "Siding with a wrong user, by source (lower is better)"
    chart = figures.rates(points, [shown(arm) for arm in arms], 0, names_beside=True)
    says = "Few claims per source: the intervals are wide."
    return Panel(
        title, says, (drawing.draw(f"{one.model}-sources", title, chart, scale),), (words.by_source(one, arms),)
    )
