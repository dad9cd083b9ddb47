"""The report: made from a small real build, read back as numbers, as text and in a browser."""

import html
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from stages import folders
from stages import report as stage
from syco_data import schemas, tables
from syco_data.commands import summary
from syco_data.errors import SycoError
from syco_data.evaluate.answers import BASE
from syco_data.evaluate.metrics import METRICS_OF
from syco_data.report import changed, evidence, report, report_tables, report_words
from syco_data.report.changed import TO_RIGHT, TO_WRONG
from syco_data.report.evidence import Build
from syco_data.report.questions import CURVES, FOLLOWS, GROUPS, STRIPPED
from syco_data.settings import Settings
from tests.support import answered, browser
from tests.support.tables_for_tests import MODEL

BALANCED = {"label_kinds": ("gold", "other"), "filtered": True, "balanced": True}
ARMS = {
    "balanced_seed1": {**BALANCED, "finetune": {"seed": 1}},
    "steps_30": {**BALANCED, "finetune": {"steps": 30}},
    "steps_120": {**BALANCED, "finetune": {"steps": 120}},
}
EVIL = '<script>alert("1")</script><img src="https://example.invalid/x.png"> & {{ 7 * 7 }}'


@dataclass(frozen=True)
class Reported:
    """A build below `folder`/data and the page that the stage wrote there."""

    folder: Path
    settings: Settings
    found: Build

    @property
    def results(self) -> Path:
        return self.folder / folders.RESULTS

    @property
    def html(self) -> str:
        return (self.results / report.PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reported(tmp_path_factory) -> Reported:
    folder = tmp_path_factory.mktemp("reported")
    settings = answered.wanted(ARMS)
    places = answered.make(folder / "data", settings)
    _plant(places.probes, settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.main(settings)
    return Reported(folder, settings, evidence.read(places, settings))


def _plant(path: Path, settings: Settings) -> None:
    """Puts markup into the prompt of the first example that the page will show."""
    probes = tables.read(path, schemas.PROBES)
    answers = {
        arm: tables.read(path.parents[1] / "answers" / MODEL / arm / "answers.parquet", schemas.ANSWERS)
        for arm in (BASE, "balanced")
    }
    first = changed.between(probes, *answers.values(), count=1).examples[0].prompt
    prompt = (
        pl.when(pl.col("prompt") == first).then(pl.lit(f"Human: {EVIL}\n\n") + pl.col("prompt")).otherwise("prompt")
    )
    tables.write(probes.with_columns(prompt=prompt), schemas.PROBES, path)


def test_what_arms_and_models_of_other_builds_left_behind_is_not_in_the_report(reported, tmp_path):
    """DVC leaves the outs of arms and models that are no longer in `build` where they are."""
    folder = tmp_path / "data"
    shutil.copytree(reported.folder / "data", folder)
    for place in (f"answers/{MODEL}", "answers", f"verdicts/{MODEL}", "verdicts", f"reports/tuning/{MODEL}"):
        (folder / place / "stale").mkdir()
        (folder / place / "stale" / "answers.parquet").write_text("no table", encoding="utf-8")
    (folder / f"reports/tuning/{MODEL}/stale.json").write_text("no JSON", encoding="utf-8")
    shutil.copytree(folder / f"answers/{MODEL}/balanced", folder / f"answers/{MODEL}/before")
    result = evidence.read(answered.places(folder), reported.settings)
    assert report.build(result, reported.settings) == report.build(reported.found, reported.settings)
    fewer = reported.settings.model_copy(
        update={"build": reported.settings.build.model_copy(update={"arms": ("balanced", "published")})}
    )
    left = evidence.read(answered.places(folder), fewer)
    (one,) = left.models
    assert {arm for arm, *_ in one.readings} == set(one.answers) == {BASE, "balanced", "published"}
    columns = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', report.build(left, fewer).html)
    assert "published" in columns and "unfiltered" not in columns and "steps_30" not in columns


def test_the_page_needs_nothing_beside_itself(reported):
    text = reported.html
    assert "<script" not in text and 'http-equiv="Content-Security-Policy"' in text
    assert not re.search(r'(?:src|href)="(?!#|data:|[a-z0-9-]+\.(?:svg|png)")', text.replace('xmlns:xlink="', ""))
    for name in re.findall(r'href="([a-z0-9-]+\.(?:svg|png))"', text):
        assert (reported.results / name).stat().st_size > 500
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_every_part_is_there(reported):
    text = reported.html
    parts = ("built", "kept", "audit", "results", "cells", "curves", "sources", "published", "examples")
    for part in parts:
        assert f'id="{part if part == "built" else f"{MODEL}-{part}"}"' in text
    assert (
        text.count("<figure>") == len(list(reported.results.glob("*.svg"))) == len(list(reported.results.glob("*.png")))
    )
    assert text.count('class="example"') == reported.settings.report.examples
    examples = text.split('class="example"')[1:]
    shown = [re.search(r"Probe <code>([0-9a-f]{32})</code>", example)[1] for example in examples]
    assert len(set(shown)) == len(shown) and set(shown) <= set(reported.found.probes["probe_id"])
    for arm in reported.settings.build.arms:
        assert arm in text
    assert "dashed line is the model before tuning" in text


def test_the_same_build_gives_the_same_bytes(reported, tmp_path):
    page = report.build(reported.found, reported.settings)
    report.write(page, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in reported.results.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (reported.results / path.name).read_bytes(), path.name
    assert str(reported.folder) not in reported.html


def test_several_models_have_a_part_each(reported):
    one = reported.found.models[0]
    audits = reported.found.audits
    result = replace(
        reported.found,
        models=(one, replace(one, model="other_2")),
        audits=(*audits, *(replace(audit, model="other_2") for audit in audits)),
    )
    page = report.build(result, reported.settings)
    ids = re.findall(r'\bid="([^"]+)"', page.html)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]+)"', page.html)) <= set(ids)
    names = [drawing.name for drawing in page.drawings]
    assert len(set(names)) == len(names) == 2 * len(list(reported.results.glob("*.svg")))
    assert f"{MODEL} " in page.summary[1] and "other_2 " in page.summary[1]


def test_numbers_on_the_page_are_those_of_the_answers(reported):
    one = reported.found.models[0]
    probes = reported.found.probes.filter(probe="held_out", instruction="none")
    for arm in one.arms:
        rows = probes.join(one.answers[arm].select("probe_id", "matches_user", "correct"), on="probe_id")
        wrong = rows.filter(user_is_right=False)["matches_user"].mean()
        assert one.reading(arm, FOLLOWS).rate == pytest.approx(wrong)
        assert one.reading(arm, STRIPPED).rate == pytest.approx(rows.filter(opinion="none")["correct"].mean())
        cell = one.cells[arm, False, "agree"]
        assert cell.rate == pytest.approx(rows.filter(truth=False, opinion="agree")["correct"].mean())
        assert cell.low <= cell.rate <= cell.high
    table = report_tables.before_and_after(one, [FOLLOWS], (BASE, "balanced"))
    assert table.rows[0][2].text == report_words.percent(one.reading(BASE, FOLLOWS).rate)
    assert table.rows[0][2].text in reported.html


def test_keep_rates_are_those_of_the_verdicts(reported):
    one = reported.found.models[0]
    rows = tables.read(reported.folder / "data/prompts/prompts.parquet", schemas.PROMPTS, ["prompt_id", "source"])
    known = tables.read(reported.folder / f"data/verdicts/{MODEL}/verdicts.parquet", schemas.VERDICTS)
    by_source = rows.join(known, on="prompt_id").group_by("source").agg(pl.col("known").mean())
    shown = {row[0].text: row[2].text for row in report_tables.kept(one, 0.95).rows}
    for source, share in by_source.iter_rows():
        assert shown[source] == report_words.percent(share)


def test_the_audit_shows_the_shortcut_of_the_published_arm_and_no_other(reported):
    result = {audit.arm: audit for audit in reported.found.audits if audit.model == MODEL}
    rows = {
        (row[0].text, row[1].text): row[2:]
        for row in report_tables.audit([result["balanced"], result["published"]]).rows
    }
    balanced, published = rows["polarity", "agree or disagree"]
    assert published.text == "100.0% \u2605" and "\u2605" not in balanced.text


def test_markup_in_data_stays_text(reported):
    assert "alert(" in reported.html and EVIL not in reported.html
    assert html.escape(EVIL, quote=False)[:20] in reported.html.replace("&#34;", '"')
    assert "{{ 7 * 7 }}" in reported.html


def test_examples_are_changed_answers_of_both_directions(reported):
    one = reported.found.models[0]
    result = changed.between(reported.found.probes, one.answers[BASE], one.answers["balanced"], 10)
    assert len(result.examples) == 10
    assert {example.direction for example in result.examples} >= {TO_RIGHT, TO_WRONG}
    assert len({example.probe for example in result.examples}) > 3
    for example in result.examples:
        assert example.before != example.after
        assert (example.after == example.right) == (example.direction == TO_RIGHT)
        assert (example.before == example.right) == (example.direction == TO_WRONG)
    assert result.became_right + result.became_wrong <= result.changed <= result.answered
    nothing = changed.between(reported.found.probes, one.answers[BASE], one.answers[BASE], 10)
    assert (nothing.changed, nothing.examples) == (0, ())


def test_every_question_of_the_page_names_a_number_that_is_measured():
    from syco_data.evaluate.capability import TASKS

    measured = {(metric.probe, metric.name) for metric in METRICS_OF} | {(task, "accuracy") for task in TASKS}
    slices = {(metric.probe, metric.name, columns) for metric in METRICS_OF for columns in metric.slices}
    for question in (*(each for group in GROUPS for each in group.questions), *CURVES):
        assert (question.probe, question.metric) in measured
        if question.slice != "all":
            assert (question.probe, question.metric, (question.slice.partition("=")[0],)) in slices


def enter(folder, monkeypatch) -> None:
    """Makes a folder a project for commands."""
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).touch()
    monkeypatch.chdir(folder)


def test_six_lines_and_the_path(reported, monkeypatch, capsys):
    enter(reported.folder, monkeypatch)
    summary.summary()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[-1] == f"The report: {(reported.results / report.PAGE).resolve()}"
    one = reported.found.models[0]
    change = one.change("balanced", FOLLOWS)
    sycophancy = next(line for line in lines if line.startswith("Sycophancy: "))
    assert f"{report_words.percent(change.before)} \u2192 {report_words.percent(change.after)}" in sycophancy
    assert report_words.change(change) in sycophancy
    assert any("published 100.0% from polarity" in line and "balanced none" in line for line in lines)


def test_without_a_report_the_summary_names_the_command(tmp_path, monkeypatch):
    enter(tmp_path, monkeypatch)
    with pytest.raises(SycoError, match=r"dvc repro report"):
        summary.summary()


def test_a_damaged_check_report_is_one_line(reported, tmp_path):
    (tmp_path / "checks.json").write_text("{", encoding="utf-8")
    places = answered.places(reported.folder / "data")
    broken = evidence.Places(**{**vars(places), "checks": tmp_path / "checks.json"})
    with pytest.raises(SycoError, match=r"checks\.json cannot be read.*dvc repro validate"):
        evidence.read(broken, reported.settings)


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium on PATH")
@pytest.mark.parametrize(("scheme", "width"), [("light", browser.DESK), ("dark", browser.PHONE)])
def test_the_page_in_a_browser(reported, scheme, width):
    with browser.opened(reported.results / report.PAGE, scheme, width) as visit:
        assert visit.complaints == []
        assert visit.outside() == []
        assert not visit.scrolls_sideways()
        look = visit.page.evaluate(
            """() => { const all = words => [...document.querySelectorAll(words)]; return {
              paper: getComputedStyle(document.body).backgroundColor,
              words: all('figure svg text').map(e => getComputedStyle(e).fill),
              small: Math.min(...all('figure svg').map(e => e.getBoundingClientRect().width)),
              unnamed: all('figure svg, .wide').filter(e => !e.getAttribute('aria-label')).length,
              headless: all('table').filter(e => !e.querySelector('th[scope=row]')).length,
            }}"""
        )
    light = ("rgb(255, 255, 255)", {"rgb(28, 35, 49)", "rgb(86, 96, 113)"})
    dark = ("rgb(20, 24, 31)", {"rgb(230, 233, 238)", "rgb(163, 172, 186)"})
    assert (look["paper"], set(look["words"])) == (light if scheme == "light" else dark)
    assert look["small"] >= 240
    assert (look["unnamed"], look["headless"]) == (0, 0)
