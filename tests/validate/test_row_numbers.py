"""Numbers of prompts and training rows: as the settings ask, under every rule, in builds and in releases."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from syco_data.diff import diffing
from syco_data.prompts import templates
from syco_data.release import checks, manifest, release, verification
from syco_data.settings import Settings
from syco_data.validate import build_checks
from syco_data.validate.build_checks import BuildRows
from syco_data.validate.findings import evaluate
from tests.release.test_verification import forge
from tests.support.hub.releases import edit
from tests.support.tables_for_tests import (
    MODEL,
    Made,
    make,
    plain_reports,
    shared_build,
    shared_release,
    small_settings,
)

PROMPTS, CANDIDATES = ("prompts", "prompt_number"), "candidates/train.parquet"
RULES = {
    "proportional": {"prompts": {"sampling": "proportional"}},
    "all of a capped pool": {"prompts": {"sampling": "proportional", "cap": 50, "rows": 300}},
    "balanced with a cap": {"prompts": {"cap": 200, "rows": 700}},
    "shares": {"prompts": {"sampling": {"sst2": 0.25, "snli": 0.75}, "rows": 400}},
    "a number of training rows": {"select": {"rows": 500}},
    "published pool": {"claims": {"compat": "published"}, "build": {"models": [MODEL], "arms": ["published"]}},
    "an odd number, no pairs": {"select": {"rows": 333}, "build": {"models": [MODEL], "arms": ["published"]}},
    "texts of a source withheld": {"sources": {"sst2": {"revision": "main", "licence": "no_text"}}},
    "no texts": {"release": {"text": "none"}},
}


@pytest.fixture(scope="module", params=RULES)
def made(request, tmp_path_factory) -> Made:
    """A build under each rule, and a release of it."""
    folder = tmp_path_factory.mktemp("numbers")
    built = make(folder / "data", small_settings(**RULES[request.param]))
    plain_reports(built.folder / "reports/checks")
    release.write_release(built.build, built.settings, folder / "release", diffing.bump)
    return built


def subject(build: Made) -> BuildRows:
    return build_checks.build_rows(build.tables)


def broken(build: BuildRows, settings: Settings) -> set[tuple[str, str]]:
    forms = {name: templates.load(name) for name in settings.prompts.templates}
    findings = [evaluate(check, 0, 10) for check in build_checks.every(build, settings, forms)]
    return {(one.table, one.check) for one in findings if not one.holds}


def with_rows(settings: Settings, group: str, rows: int) -> Settings:
    return settings.model_copy(update={group: getattr(settings, group).model_copy(update={"rows": rows})})


def sets(build: Made) -> set[tuple[str, str]]:
    return {(f"train/{MODEL}/{arm}", "train_number") for arm in build.settings.build.arms}


def problems(folder: Path) -> dict[str, str]:
    return {one.path: one.what for one in verification.verify(folder).problems}


def test_a_build_has_the_numbers_that_were_asked_for(made):
    assert broken(subject(made), made.settings) == set()
    assert problems(made.folder.parent / "release") == {}


def test_prompts_of_another_number_are_found(made, tmp_path):
    """A table that was made for other settings, as DVC's run cache gave it back."""
    rows = made.settings.prompts.rows
    assert broken(subject(made), with_rows(made.settings, "prompts", rows - 1)) == {PROMPTS}
    folder = Path(shutil.copytree(made.folder.parent / "release", tmp_path / "release"))
    edit(folder, lambda values: values["settings"]["prompts"].update(rows=rows - 1))
    assert f"first: {rows} rows and not {rows - 1}" in problems(folder).pop(CANDIDATES)


def test_training_sets_of_another_number_are_found(made, tmp_path):
    there = len(pl.read_parquet(next(iter(made.tables.train.values()))))
    assert broken(subject(made), with_rows(made.settings, "select", there - 2)) == sets(made)
    folder = Path(shutil.copytree(made.folder.parent / "release", tmp_path / "release"))
    edit(folder, lambda values: values["settings"]["select"].update(rows=there - 2))
    result = problems(folder)
    assert set(result) == {f"{MODEL}-{arm}/train.parquet" for arm in made.settings.build.arms}
    assert all(f"first: {there} rows and not {there - 2}" in what for what in result.values())


@cache
def sound() -> BuildRows:
    return subject(shared_build())


def pair() -> list[str]:
    """A true and a false claim of one cell of the balanced arm."""
    cell = ["source", "label", "polarity", "template", "option_order"]
    drawn = sound().prompts.join(sound().claims.select("claim_id", "label"), on="claim_id")
    rows = drawn.join(sound().train[MODEL, "balanced"].select("prompt_id"), on="prompt_id", how="semi").collect()
    both = (
        rows.filter(pl.col("truth").n_unique().over(cell) == 2)
        .sort(*cell, "prompt_id")
        .group_by(*cell, maintain_order=True)
    )
    _, first = next(iter(both))
    return [first.filter(pl.col("truth") == truth)["prompt_id"][0] for truth in (True, False)]


def test_a_matched_set_that_lost_a_pair_is_found():
    """The pair is among the dropped prompts and its cell is balanced: only the number tells."""
    build, key, settings = sound(), (MODEL, "balanced"), shared_build().settings
    out = pl.col("prompt_id").is_in(pair())
    gone = build.train[key].filter(out).select("prompt_id", "source", reason=pl.lit("not_sampled"))
    dropped = pl.concat([build.dropped_prompts[key], gone])
    planted = replace(
        build,
        train={**build.train, key: build.train[key].filter(~out)},
        dropped_prompts={**build.dropped_prompts, key: dropped},
    )
    assert broken(planted, settings) == {(f"train/{MODEL}/balanced", "train_number")}


def test_a_released_set_that_lost_a_pair_is_found(tmp_path):
    folder = tmp_path / "release"
    release.write_release(shared_build().build, shared_build().settings, folder, diffing.bump)
    out = pl.col("prompt_id").is_in(pair())
    path = f"{MODEL}-balanced/train.parquet"
    left = pl.read_parquet(folder / path)
    forge(folder, path, left.filter(~out))
    tags = {"stage": "select", "model": MODEL, "arm": "balanced", "reason": "not_sampled"}
    gone = left.filter(out).select("source", "prompt_id", dropped_id=pl.col("prompt_id").str.reverse())
    gone = gone.with_columns(pl.lit(value).alias(name) for name, value in tags.items())
    dropped = pl.concat([pl.read_parquet(folder / "dropped/train.parquet"), gone], how="diagonal")
    forge(folder, "dropped/train.parquet", dropped.sort("dropped_id"))
    result = problems(folder)
    assert set(result) == {path} and "train_number" in result[path]


TRICKS = {
    "no number": (lambda v: v["settings"]["prompts"].pop("rows"), "prompts.rows: Field required"),
    "a number in quotes": (lambda v: v["settings"]["prompts"].update(rows="2000"), "prompts.rows: Input should be"),
    "a flag": (lambda v: v["settings"]["prompts"].update(rows=True), "prompts.rows: Input should be"),
    "no select": (lambda v: v["settings"].pop("select"), "select: Field required"),
    "an arm of nothing": (lambda v: v["settings"]["arms"].update(balanced={}), "label_kinds: Field required"),
    "no settings at all": (lambda v: v.update(settings={}), "prompts: Field required"),
    "an arm less": (lambda v: v["settings"]["build"].update(arms=["balanced"]), "3 sets for 1 models and 1 arms"),
    "an arm more": (lambda v: v["settings"]["build"]["arms"].append("x"), "3 sets for 1 models and 4 arms"),
    "another arm": (
        lambda v: v["settings"]["build"].update(arms=["balanced", "published", "x"]),
        "none for model 'tiny' and arm 'x'",
    ),
    "another model": (lambda v: v["settings"]["build"].update(models=["x"]), "none for model 'x'"),
    "no arm": (lambda v: v["settings"]["build"].update(arms=[]), "build.arms: List should have at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_settings_that_name_no_numbers_are_a_problem_and_no_error(name, tmp_path):
    change, message = TRICKS[name]
    folder = tmp_path / "release"
    release.write_release(shared_build().build, shared_build().settings, folder, diffing.bump)
    edit(folder, change)
    result = problems(folder)
    assert set(result) == {manifest.NAME} and message in result[manifest.NAME] and "\n" not in result[manifest.NAME]


def test_the_verdicts_of_a_model_that_are_gone():
    record = manifest.read(shared_release())
    less = [file for file in record.files if file.path != f"verdicts-{MODEL}/train.parquet"]
    less = record.model_copy(update={"files": less})
    check = next(one for one in checks.of_release(shared_release(), less) if one.table == manifest.NAME)
    assert evaluate(check, 0, 1).first == (f"no verdicts of model '{MODEL}'",)
