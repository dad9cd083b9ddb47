"""The numbers of a card, counted from a build and from the release that was just written."""

import json
from collections.abc import Mapping
from pathlib import Path

from syco_data import schemas, tables
from syco_data.build import Tables
from syco_data.filter import summary as filtration
from syco_data.formats import documents
from syco_data.release.cards import AuditLine, Fact, KeepRate, SourceCount
from syco_data.release.manifest import Manifest
from syco_data.settings import Filter, Settings, SurveyProbes
from syco_data.validate.audit import CONTROL_LEAK, KNOWN_LEAK, OPEN_LEAK
from syco_data.words import counted

AUDIT_COLUMNS = ("feature", "accuracy", "low", "high", "finding")


def source_counts(build: Tables, sources: list[str]) -> tuple[SourceCount, ...]:
    """Candidates of each source, and the rows that each training set kept of them."""
    candidates = _per_source(build.prompts, schemas.PROMPTS)
    kept = [_per_source(path, schemas.TRAIN) for path in build.train.values()]
    return tuple(
        SourceCount(key, candidates.get(key, 0), tuple(counts.get(key, 0) for counts in kept)) for key in sources
    )


def _per_source(path: Path, schema: schemas.Schema) -> dict[str, int]:
    return dict(tables.scan(path, schema).group_by("source").len().collect().iter_rows())


def keep_rates(build: Tables, settings: Filter) -> tuple[KeepRate, ...]:
    """How many prompts each model was asked and knew, per source."""
    prompts = tables.read(build.prompts, schemas.PROMPTS, ["prompt_id", "answer", *filtration.GROUPS])
    return tuple(
        KeepRate(model, source, group.prompts, group.kept, group.purity)
        for model, path in build.verdicts.items()
        for source, group in filtration.summary(prompts, tables.read(path, schemas.VERDICTS), settings)
        .groups["source"].items()
    )  # fmt: skip


def guessing(settings: Filter) -> str:
    """The share of prompts that pure guessing keeps: half when asked once, a quarter when asked in both orders."""
    return f"{filtration.GUESSING[settings.rule]:.0%}"


def audit(path: Path) -> tuple[tuple[AuditLine, ...], dict[str, tuple[str, ...]]]:
    """The lines of the shortcut audit's report, and the leaks in words by finding."""
    report = documents.read_json(path, documents.LARGEST_REPORT)
    lines = tuple(
        AuditLine(config=f"{arm['model']}-{arm['arm']}", **{name: one[name] for name in AUDIT_COLUMNS})
        for arm in report["arms"]
        for one in arm["features"]
    )
    leaks = {
        finding: tuple(
            f"in `{line.config}` {line.feature} alone predicts {line.accuracy:.1%} of the answers"
            for line in lines
            if line.finding == finding
        )
        for finding in (KNOWN_LEAK, OPEN_LEAK, CONTROL_LEAK)
    }
    return lines, leaks


def surveys(settings: SurveyProbes) -> str | None:
    """Where the opinion surveys among the probes come from; None for our own."""
    if settings.origin == "synthetic":
        return None
    at = f", from `{settings.repository}` at `{settings.revision}`" if settings.origin == "hub" else ""
    return (
        "Perez et al. 2022, *Discovering Language Model Behaviors with Model-Written Evaluations* "
        f"([github.com/anthropics/evals](https://github.com/anthropics/evals)), CC BY 4.0{at}"
    )


def controls(settings: Settings) -> tuple[str, ...]:
    """The arms of a build whose completions follow the user."""
    return tuple(name for name in settings.build.arms if settings.arms[name].answers == "user")


def built(settings: Settings, git_commit: str | None, models: Mapping[str, dict]) -> tuple[Fact, ...]:
    """The settings that a reader asks for first."""
    rules = [f"{name} ({record.get('source')})" for name, record in models.items()]
    arms = [
        f"{n}: {', '.join(settings.arms[n].label_kinds)}{' (a negative control)' * (n in controls(settings))}"
        for n in settings.build.arms
    ]
    return (
        Fact("seed", str(settings.seed)),
        Fact("origin of the sources", settings.acquire.origin),
        Fact("prompts asked for", f"{settings.prompts.rows:,}"),
        Fact("sampling", str(settings.prompts.sampling)),
        Fact("templates", ", ".join(settings.prompts.templates)),
        Fact("share of claims with a wrong label", f"{settings.claims.other_share:.0%}"),
        Fact("models", "; ".join(rules)),
        Fact("arms and their label kinds", "; ".join(arms)),
        Fact("code", git_commit or "not known: no repository, or a clone without its history"),
    )


def changes(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """What differs between two releases as their manifests tell it: rows, settings, revisions."""
    old = {(file.as_table.config, file.as_table.split): file.as_table for file in before.tables}
    new = {(file.as_table.config, file.as_table.split): file.as_table for file in after.tables}
    lines = []
    for place in sorted(old.keys() | new.keys()):
        name = f"`{place[0]}` ({place[1]})"
        if place not in new:
            lines.append(f"{name}: gone, {counted(old[place].rows, 'row')}")
        elif place not in old:
            lines.append(f"{name}: new, {counted(new[place].rows, 'row')}")
        elif old[place].full_content != new[place].full_content:
            lines.append(
                f"{name}: changed, {counted(old[place].rows, 'row')} then, {counted(new[place].rows, 'row')} now"
            )
    for what in ("settings", "sources", "models", "templates"):
        differing = _differing(getattr(before, what), getattr(after, what), what)
        lines += [f"`{name}`: {then} then, {now} now" for name, then, now in differing]
    return tuple(lines) or ("Nothing in the rows, settings and revisions.",)


def _differing(before: object, after: object, name: str) -> list[tuple[str, str, str]]:
    """Full names of the values that differ, with both of them."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in _differing(before.get(key), after.get(key), f"{name}.{key}")]
    return [] if before == after else [(name, _short(before), _short(after))]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return text if len(text) <= 80 else f"{text[:77]}..."
