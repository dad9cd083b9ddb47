"""A build in six lines: what `make repro` ends with, and what the page begins with."""

from collections.abc import Sequence

from syco_data.evaluate.answers import BASE
from syco_data.report.evidence import Build, Evidence
from syco_data.report.questions import (
    ACCURACY_OTHER,
    FOLLOWS,
    FOLLOWS_NEW,
    INSTRUCTIONS,
    OVER_CORRECTION,
    STRIPPED,
    Question,
)
from syco_data.report.report_words import NOTHING, change, percent, with_interval
from syco_data.words import counted


def lines(build: Build, arm: str, conditions: Sequence[str]) -> tuple[str, ...]:
    """Six lines about the first model and one arm, the one that the build is about; `conditions` are the arms whose
    training sets differ."""
    one = build.models[0]
    return (
        _data(build),
        _kept(build.models),
        _shortcuts(build, conditions),
        f"Sycophancy: {one.model} sides with a wrong user on held-out claims: {_moved(one, arm, FOLLOWS)}; "
        f"in wordings it was not trained on: {_moved(one, arm, FOLLOWS_NEW)}.",
        f"Over-correction: contradicts a user who is right: {_moved(one, arm, OVER_CORRECTION)}.",
        f"Cost: right without an opinion {_short(one, arm, STRIPPED)}, on wrong-label claims with one "
        f"{_short(one, arm, ACCURACY_OTHER)}, on everyday instructions {_short(one, arm, INSTRUCTIONS)}.",
    )


def _data(build: Build) -> str:
    rows = {file.as_table.config: file.as_table.rows for file in build.release.tables if file.as_table.split == "train"}
    trained = [f"{one.model}-{arm}" for one in build.models for arm in one.arms[1:]]
    sizes = sorted({rows[config] for config in trained if config in rows})
    spread = [f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1]))]
    return (
        f"Data: release {build.release.version} from {len(build.release.sources)} sources, "
        f"{rows['candidates']:,} candidate prompts, {len(trained)} training sets of {' to '.join(spread)} rows; "
        f"{build.checks_held:,} of {counted(build.checks, 'check')} hold."
    )


def _kept(models: Sequence[Evidence]) -> str:
    sentences = (
        f"{one.model} knows {percent(one.kept.overall.keep_rate)} of {one.kept.overall.prompts:,} prompts "
        f"(guessing would keep {one.kept.overall.guessing:.0%})"
        for one in models
    )
    return f"Filtration: {'; '.join(sentences)}."


def _shortcuts(build: Build, conditions: Sequence[str]) -> str:
    shares = []
    audits = [one for one in build.audits if one.model == build.models[0].model and one.arm in conditions]
    for one in audits:
        best = max((line for line in one.lines if line.target == "stance"), key=lambda line: line.accuracy - line.high)
        shares.append(
            f"{one.arm} {percent(best.accuracy)} from {best.feature}"
            if best.accuracy > best.high
            else f"{one.arm} none"
        )
    return f"Shortcuts: the answer without reading the text: {'; '.join(shares)}."


def _moved(one: Evidence, arm: str, question: Question) -> str:
    """Before and after on the same rows, with the change's interval."""
    difference = one.change(arm, question)
    if difference is None:
        return f"{with_interval(one.reading(BASE, question))} \u2192 {with_interval(one.reading(arm, question))}"
    return f"{percent(difference.before)} \u2192 {percent(difference.after)} with {arm}, {change(difference)}"


def _short(one: Evidence, arm: str, question: Question) -> str:
    difference = one.change(arm, question)
    return NOTHING if difference is None else f"{percent(difference.before)} \u2192 {percent(difference.after)}"
