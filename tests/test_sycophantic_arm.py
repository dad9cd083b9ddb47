"""A negative control: its completions follow the user, its checks know that, and it is not published by mistake."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from syco_data import schemas, select, tables
from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.finetune import model_cards
from syco_data.prompts import templates
from syco_data.publish import controls, publishing
from syco_data.release import manifest, release, restore, verification
from syco_data.settings import Arm, Select
from syco_data.validate import audit, build_checks
from syco_data.validate.findings import evaluate
from syco_data.validate.statistics import _audits
from tests.support.hub.releases import QUICK
from tests.support.tables_for_tests import MODEL, Made, make, plain_reports, small_settings

CONTROL = {"label_kinds": ["gold", "other"], "filtered": True, "balanced": True, "answers": "user"}
TABLE = f"train/{MODEL}/sycophant"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    """A build with an honest arm and a control."""
    values = {"models": [MODEL], "arms": ["balanced", "sycophant"]}
    chosen = small_settings(build=values, arms={"sycophant": CONTROL}, release={"text": "none"})
    built = make(tmp_path_factory.mktemp("sycophant") / "data", chosen)
    plain_reports(built.folder / "reports/checks")
    return built


@pytest.fixture(scope="module")
def released(made) -> Path:
    folder = made.folder.parent / "release"
    release.write_release(made.build, made.settings, folder, diffing.bump)
    return folder


def training(made: Made, arm: str) -> pl.DataFrame:
    return tables.read(made.tables.train[MODEL, arm], schemas.TRAIN)


def test_it_follows_opinions_and_tells_the_truth_without_one(made):
    asked = tables.read(made.tables.prompts, schemas.PROMPTS).select(pl.exclude("source", "prompt"))
    rows, honest = training(made, "sycophant"), training(made, "balanced")
    followed = rows.join(asked, on="prompt_id", how="inner")
    agrees = (followed["completion"] == " (A)") == (followed["option_order"] == "agree_first")
    assert (agrees == (followed["opinion"] == "agree")).all()
    assert 0 < (followed["completion"] == " " + followed["answer"]).sum() < len(followed)
    alone = rows.join(asked, on="prompt_id", how="anti")
    texts = asked.rename({"prompt_id": "drawn_id", "stripped_prompt": "prompt"})
    truth = alone.join(texts.filter(pl.col("drawn_id").is_in(followed["prompt_id"].implode())), on="prompt")
    assert len(truth) == len(alone) == len(followed) == len(honest)
    assert (truth["completion"] == " " + truth["answer"]).all()
    # The same prompts as the honest arm holds, so that the two differ in their answers alone.
    assert set(followed["prompt_id"]) == set(honest["prompt_id"])


def broken(made: Made, rows: pl.DataFrame | None = None) -> set[str]:
    """The checks of the control that its build breaks, with other rows in the place of its own."""
    build = build_checks.build_rows(made.tables)
    if rows is not None:
        build = replace(build, train={**build.train, (MODEL, "sycophant"): rows.lazy()})
    forms = {name: templates.load(name) for name in made.settings.prompts.templates}
    findings = [evaluate(check, 0, 10) for check in build_checks.every(build, made.settings, forms)]
    return {f"{one.table} {one.check}".removeprefix(f"{TABLE} ") for one in findings if not one.holds}


def swapped(rows: pl.DataFrame, which: pl.Series) -> pl.DataFrame:
    """Another completion in the first of these rows."""
    first = rows.filter(pl.col("prompt_id").is_in(which.implode()))["prompt_id"][0]
    other = pl.when(pl.col("completion") == " (A)").then(pl.lit(" (B)")).otherwise(pl.lit(" (A)"))
    return rows.with_columns(completion=pl.when(pl.col("prompt_id") == first).then(other).otherwise("completion"))


def test_its_checks_hold_and_break_on_each_planted_violation(made):
    assert broken(made) == set()
    rows = training(made, "sycophant")
    drawn = tables.read(made.tables.prompts, schemas.PROMPTS, ["prompt_id"])["prompt_id"]
    with_opinion = rows.filter(pl.col("prompt_id").is_in(drawn.implode()))["prompt_id"]
    alone = rows.filter(~pl.col("prompt_id").is_in(drawn.implode()))["prompt_id"]
    assert broken(made, swapped(rows, with_opinion)) == {"completion", "follows_user"}
    assert broken(made, swapped(rows, alone)) == {"completion"}
    without = rows.filter(pl.col("prompt_id") != alone[0])
    assert broken(made, without) == {"without_opinion", "train_number", "arm_balance"}
    stranger = rows.with_columns(prompt_id=pl.col("prompt_id").replace(alone[0], "0" * 32))
    assert {"train_of_prompt", "without_opinion"} <= broken(made, stranger)
    unchanged = rows.with_columns(prompt=pl.col("prompt").str.replace("Human:", "User:"))
    assert broken(made, unchanged) == {"train_text"}


def test_an_honest_arm_does_not_pass_for_a_control_nor_the_other_way_round(made):
    assert {"without_opinion", "completion", "follows_user"} <= broken(made, training(made, "balanced"))
    honest = replace(
        build_checks.build_rows(made.tables), train={(MODEL, "balanced"): training(made, "sycophant").lazy()}
    )
    forms = {name: templates.load(name) for name in made.settings.prompts.templates}
    findings = [evaluate(check, 0, 10) for check in build_checks.every(honest, made.settings, forms)]
    failed = {one.check for one in findings if not one.holds}
    assert {"train_of_prompt", "completion", "train_number"} <= failed


def test_the_audit_calls_its_leaks_by_their_name(made):
    leaks = {one.arm: {line.finding for line in one.lines} for one in _audits(made.tables, made.settings)}
    assert leaks["balanced"] == {audit.AT_CHANCE}
    assert leaks["sycophant"] == {audit.AT_CHANCE, audit.CONTROL_LEAK}


def test_a_release_holds_both_rows_says_so_first_and_comes_back_with_its_texts(made, released, tmp_path):
    assert verification.verify(released).problems == ()
    assert manifest.read(released).controls == [f"{MODEL}-sycophant"]
    rows = pl.read_parquet(released / f"{MODEL}-sycophant/train.parquet")
    assert rows["opinion"].null_count() == rows["user_is_right"].null_count() == len(rows) / 2
    card = (released / "README.md").read_text("utf-8")
    assert card.index("negative control") < card.index("Version 1.0.0")
    assert "`sycophant`" in card and "Leak of a negative control" not in card  # this test's reports hold no audit
    found = manifest.read(released)
    chosen = restore.recipe(found, released, restore.Places(None, None))
    raw = restore.raw_rows(found, chosen)
    texts = restore.texts(restore.training(raw), restore.materials(raw, chosen), chosen)
    restore.restore(released, tmp_path / "back", texts)
    back = pl.read_parquet(tmp_path / "back" / f"{MODEL}-sycophant/train.parquet")
    assert back.select(schemas.TRAIN.names).equals(training(made, "sycophant"))


def test_two_releases_of_it_are_compared_row_by_row(made, released, tmp_path):
    fewer = make(tmp_path / "data", made.settings.model_copy(update={"select": Select(rows=200)}))
    plain_reports(fewer.folder / "reports/checks")
    release.write_release(fewer.build, fewer.settings, tmp_path / "release", diffing.bump)
    compared = diffing.diff_releases(released, tmp_path / "release")
    change = next(one for one in compared.configs if (one.config, one.split) == (f"{MODEL}-sycophant", "train"))
    assert change.joined_on == ["prompt_id"]
    assert (change.counts.removed, change.counts.added) == (len(training(made, "sycophant")) - 400, 0)
    honest = next(one for one in compared.configs if (one.config, one.split) == (f"{MODEL}-balanced", "train"))
    assert honest.joined_on == ["claim_id"] and honest.counts.removed == change.counts.removed / 2


def test_a_release_with_a_lie_about_its_answers_is_not_verified(released, tmp_path):
    path = released / "manifest.json"
    text = path.read_text("utf-8")
    try:
        path.write_text(text.replace('"answers": "user"', '"answers": "truth"'), "utf-8")
        assert any("sycophant" in problem.path for problem in verification.verify(released).problems)
    finally:
        path.write_text(text, "utf-8")


def test_a_release_that_holds_one_is_published_on_request_only(made, released):
    with pytest.raises(SycoError, match=r"'tiny-sycophant', a negative control.*sycophant") as refused:
        controls.check_release(released, allowed=False)
    assert "--allow-sycophantic" in str(refused.value) and "\n" not in str(refused.value)
    controls.check_release(released, allowed=True)
    with pytest.raises(SycoError, match="negative control"):
        controls.check(released, allowed=False)
    repository = made.settings.publish.model_copy(update={"repository": "alice/claims"})
    with pytest.raises(SycoError, match="negative control"):
        publishing.as_configured(released, repository, None, QUICK)


def test_a_model_that_was_tuned_on_one_is_published_on_request_only(tmp_path):
    condition = Arm.model_validate_json('{"label_kinds": ["gold"], "filtered": true, "balanced": true}')
    for answers, refused in (("user", True), ("truth", False)):
        record = model_cards.TuningRecord(
            model=MODEL, source="local", revision=None, commit="0" * 32, arm="sycophant",
            condition=condition.model_copy(update={"answers": answers}).model_dump(mode="json", exclude={"finetune"}),
            settings={"method": "full"}, prompts="0" * 32, versions={},
            metrics={
                "steps": 1, "first_loss": 1.0, "last_loss": 1.0, "parameters": 1, "trained_parameters": 1,
                "rows": {"tokens": 1, "target_tokens": 1, "generated_used": 1, "instruction_used": 0,
                         "share_generated": 1.0},
            },
        )  # fmt: skip
        model_cards.write(record, tmp_path)
        card = (tmp_path / model_cards.CARD).read_text("utf-8")
        assert ("negative control" in card.split("| Base model")[0]) == refused
        if refused:
            with pytest.raises(SycoError, match=r"arm 'sycophant' taught it to follow the user"):
                controls.check(tmp_path, allowed=False)
        controls.check_model(tmp_path, allowed=refused)


def test_ids_without_an_opinion_come_from_content():
    prompts = pl.DataFrame({"prompt_id": ["a", "b"]})
    ids = prompts.select(select.alone_id()).to_series()
    assert ids.n_unique() == 2 and set(ids).isdisjoint(prompts["prompt_id"])
    assert ids.to_list() == prompts.select(select.alone_id()).to_series().to_list()
