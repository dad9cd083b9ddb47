"""Stage validate end to end: findings, the stable report, Great Expectations' count, pages without network."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import polars as pl
import pytest

from syco_data import ownership, schemas
from syco_data.errors import CheckFailed, SycoError
from syco_data.prompts import templates
from syco_data.validate import columns, expectations, findings, offline, validation
from syco_data.validate.build_checks import CheckedTable, named_tables
from syco_data.validate.findings import Checked, evaluate
from syco_data.validate.rules import Rule
from tests.support.tables_for_tests import MODEL, Made, shared_build, small_settings

SETTINGS = small_settings()
FORMS = {name: templates.load(name) for name in SETTINGS.prompts.templates}


def run(build: Made) -> Checked:
    return validation.check_build(build.tables, FORMS, SETTINGS)


@cache
def sound() -> Checked:
    return run(shared_build())


def damaged(folder: Path, path: str, change) -> Checked:
    """The checks of a copy of the sound build in which one table was changed behind the writer's back."""
    build = Made(Path(shutil.copytree(shared_build().folder, folder / "data")), SETTINGS)
    change(pl.read_parquet(build.folder / path)).write_parquet(build.folder / path)
    return run(build)


def first_row(name: str, value: object) -> object:
    """Sets one column of the first row."""
    return lambda df: df.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(value)).otherwise(name).alias(name)
    )


def test_a_sound_build_passes_and_every_table_is_looked_at():
    result = sound()
    assert result.failed == []
    assert {one.table for one in result.findings} == set(named_tables(shared_build().tables))
    findings.require(result)


@pytest.mark.parametrize(
    ("path", "change", "table", "check"),
    [
        (f"verdicts/{MODEL}/verdicts.parquet", first_row("logprob_a", 0.5), f"verdicts/{MODEL}", "logprob_a_between"),
        ("prompts/prompts.parquet", first_row("age", 29), "prompts", "age_between"),
        ("prompts/prompts.parquet", first_row("school_1", "Nowhere"), "prompts", "school_1_among"),
        ("claims/dropped.parquet", first_row("reason", "whim"), "claims/dropped", "reason_among"),
        ("prompts/dropped.parquet", first_row("reason", None), "prompts/dropped", "reason_present"),
        (f"train/{MODEL}/balanced/dropped.parquet", first_row("source", "elsewhere"),
         f"train/{MODEL}/balanced/dropped", "source_among"),
        ("probes/probes.parquet", first_row("split", "training"), "probes", "split_among"),
        ("raw/sst2/rows.parquet", first_row("split", "elsewhere"), "raw/sst2", "split_among"),
        ("prompts/dropped.parquet", lambda df: pl.concat([df, df.head(1)]), "prompts/dropped", "claim_id_unique"),
    ],
)  # fmt: skip
def test_a_column_rule_can_fail(tmp_path, path, change, table, check):
    result = damaged(tmp_path, path, change)
    broken = {(one.table, one.check): one for one in result.failed}
    assert (table, check) in broken and broken[table, check].offending in (1, 2) and broken[table, check].first
    with pytest.raises(CheckFailed, match=check):
        findings.require(result)


@pytest.mark.parametrize(
    "change", [lambda df: df.drop("age"), lambda df: df.with_columns(pl.col("age").cast(pl.Int32)),
               lambda df: df.with_columns(more=pl.lit(1))],
)  # fmt: skip
def test_a_table_of_another_shape_stops_before_anything_else(tmp_path, change):
    result = damaged(tmp_path, "prompts/prompts.parquet", change)
    assert [(one.table, one.check) for one in result.failed] == [("prompts", "schema")]
    assert result.tests == () and result.audited == ()


def test_a_torn_file_is_one_line(tmp_path):
    build = Made(Path(shutil.copytree(shared_build().folder, tmp_path / "data")), SETTINGS)
    path = build.folder / "prompts/prompts.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SycoError, match=r"prompts.*cannot be read.*dvc repro"):
        run(build)


def test_a_failure_names_check_count_ten_ids_and_a_command(tmp_path):
    result = damaged(
        tmp_path, "prompts/prompts.parquet", lambda df: df.with_columns(user_is_right=~pl.col("user_is_right"))
    )
    with pytest.raises(CheckFailed) as caught:
        findings.require(result)
    text = str(caught.value)
    assert "'user_is_right'" in text and "2,000 times" in text
    first = next(one for one in result.failed if one.check == "user_is_right").first
    assert len(first) == 10 and all(name in text for name in first)
    assert f"python -m syco_data show {first[0]}" in text


def test_the_report_is_stable_to_the_byte_and_holds_no_clock(tmp_path):
    findings.write_reports(sound(), tmp_path / "a")
    findings.write_reports(run(shared_build()), tmp_path / "b")
    for name in ("checks.json", "audit.json"):
        text = (tmp_path / "a" / name).read_text(encoding="utf-8")
        assert text == (tmp_path / "b" / name).read_text(encoding="utf-8")
        assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", text) and str(tmp_path) not in text
    result = json.loads((tmp_path / "a/checks.json").read_text(encoding="utf-8"))
    assert result["passed"] and len(result["independence"]) == len(sound().tests) > 50
    assert {one["check"] for one in result["checks"]} >= {
        "independence",
        "shortcut",
        "source_share",
        "nothing_lost",
        "answer",
    }


def test_the_documentation_names_every_check():
    text = (Path(__file__).parents[2] / "docs/validate.md").read_text(encoding="utf-8")
    columns_, tables_ = text.split("Tables and rows:")
    named = lambda part: re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)  # noqa: E731
    kinds = {one.rule.kind for one in sound().findings if one.rule} - {"columns", "rows", "key"}
    assert sorted(named(columns_)) == sorted(kinds) and "`key_unique`" in columns_
    others = {one.check for one in sound().findings if not one.rule or one.rule.kind in ("columns", "rows")}
    assert sorted(named(tables_)) == sorted(others)


def test_published_leaks_by_polarity_and_is_known_to(tmp_path):
    arms = {one.arm: {(line.feature, line.target): line for line in one.lines} for one in sound().audited}
    assert arms["published"]["polarity", "stance"].accuracy == 1.0
    assert arms["published"]["polarity", "stance"].finding == "known leak"
    assert {line.finding for line in arms["balanced"].values()} == {"at chance"}


def test_every_rule_of_a_schema_speaks_of_its_columns():
    for schema in (schemas.CLAIMS, schemas.PROMPTS, schemas.VERDICTS, schemas.TRAIN, schemas.PROBES):
        rules = columns.rules(schema, SETTINGS)
        assert {rule.column for rule in rules} <= set(schema.names)
        present = {rule.column for rule in rules if rule.kind == "present"}
        assert present == set(schema.names) - schema.nullable


@pytest.mark.slow
class TestPages:
    def test_great_expectations_counts_what_we_count_and_its_pages_need_no_network(self, tmp_path):
        def damage(df: pl.DataFrame) -> pl.DataFrame:
            nameless = pl.when(pl.int_range(pl.len()) > 2).then("name")
            return df.with_columns(age=pl.lit(7, dtype=pl.Int64), opinion=pl.lit("shrug"), name=nameless)

        result = damaged(tmp_path, "prompts/prompts.parquet", damage)
        assert {"age_between", "opinion_among", "name_present"} <= {one.check for one in result.failed}
        named = named_tables(Made(tmp_path / "data", SETTINGS).tables)
        index = expectations.write_pages(named, result, tmp_path / "pages")
        pages = list((tmp_path / "pages").rglob("*.html"))
        assert "failed" in index.read_text(encoding="utf-8") and len(pages) > 5
        for page in pages:
            text = page.read_text(encoding="utf-8")
            assert "<script" not in text and "<link" not in text and not re.search(r"<img[^>]+src=.?https?:", text)
        assert all(name in index.read_text(encoding="utf-8") for name in ("independence", "nothing_lost", "shortcut"))
        self._looked_at(index)

    def _looked_at(self, index: Path) -> None:
        chromium = shutil.which("chromium")
        if chromium is None:
            pytest.skip("no chromium on PATH: the pages were not opened")
        result = subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
             "--dump-dom",
             index.as_uri()],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert "Checks of the build" in result.stdout and "prompts" in result.stdout

    @pytest.mark.parametrize("name", ["schema", "prompt_number"])
    def test_a_size_or_shape_that_differs_from_ours_is_an_error(self, tmp_path, name):
        right = next(one for one in sound().findings if one.check == name)
        wrong = replace(right, rule=replace(right.rule, values=("age",), low=3))
        named = named_tables(shared_build().tables)
        with pytest.raises(SycoError, match="Great Expectations says False, we say True"):
            expectations.write_pages(named, replace(sound(), findings=(wrong,)), tmp_path / "pages")

    def test_every_kind_of_rule_is_an_expectation_of_the_library(self):
        rules = list({one.rule for one in sound().findings if one.rule})
        stated = expectations.expectations(rules)
        assert {type(one).__module__.split(".")[0] for one in stated} == {"great_expectations"}
        assert {rule.kind for rule in rules} == set(get_args(get_type_hints(Rule)["kind"]))

    def test_a_table_without_rows_passes(self, tmp_path):
        rows = pl.DataFrame(schema=schemas.NOT_SAMPLED.columns).lazy()
        table = CheckedTable("prompts/dropped", schemas.NOT_SAMPLED, rows)
        checks = columns.checks(table.name, rows, table.schema, SETTINGS)
        empty = replace(sound(), findings=tuple(evaluate(check, 0, 10) for check in checks))
        assert expectations.write_pages({table.name: table}, empty, tmp_path / "pages").is_file()

    @pytest.mark.parametrize(
        "name",
        ["age_between", "age_present", "claim_characters", "key_unique", "opinion_among", "prompt_id_pattern",
         "prompt_id_unique"],
    )  # fmt: skip
    def test_a_count_that_differs_from_ours_is_an_error(self, tmp_path, name):
        result = sound()
        wrong = next(one for one in result.findings if one.check == name)
        lying = replace(result, findings=(replace(wrong, offending=3),))
        with pytest.raises(SycoError, match="Great Expectations counts 0 offenders, we count 3"):
            expectations.write_pages(named_tables(shared_build().tables), lying, tmp_path / "pages")


def test_a_page_that_would_fetch_something_is_cleaned():
    page = (
        '<html><head><link rel="stylesheet" href="https://cdn.example/a.css"><script src="https://cdn.example/a.js"></script>'
        '</head><body onload="go()"><img src="https://cdn.example/a.png"><p>kept</p><script>go()</script></body></html>'
    )
    cleaned = offline.clean(page)
    assert "cdn.example" not in cleaned and "<script" not in cleaned and "onload" not in cleaned and "kept" in cleaned


def test_opinions_that_follow_the_truth_stop_the_build(tmp_path):
    """Every part of a row agrees with every other: only the statistics of the table tell."""

    def follow(df: pl.DataFrame) -> pl.DataFrame:
        agree = pl.when("truth").then(pl.lit("agree")).otherwise(pl.lit("disagree"))
        return df.with_columns(opinion=agree, user_is_right=pl.lit(True))

    result = damaged(tmp_path, "prompts/prompts.parquet", follow)
    named = {(one.table, one.check) for one in result.failed}
    assert ("prompts", "independence") in named
    # The texts still hold the opinions that were drawn, which is a check of its own.
    assert named <= {("prompts", "independence"), ("prompts", "opinion_in_prompt")} | {
        (f"train/{MODEL}/{arm}", name) for arm in SETTINGS.build.arms for name in ("independence", "shortcut")
    }
    broken = next(one for one in result.failed if (one.table, one.check) == ("prompts", "independence"))
    assert "opinion x truth in all sources" in broken.first[0]
    with pytest.raises(CheckFailed, match="independence"):
        findings.require(result)


def test_a_leak_in_a_balanced_arm_stops_the_build(tmp_path):
    """Training rows of one polarity for true claims: unlike any filtration would leave them, and a shortcut."""

    def lean(df: pl.DataFrame) -> pl.DataFrame:
        rows = pl.read_parquet(shared_build().folder / "prompts/prompts.parquet")
        leaning = rows.filter(pl.col("truth") == (pl.col("polarity") == "is"))
        return df.join(leaning.select("prompt_id"), on="prompt_id", how="semi", maintain_order="left")

    result = damaged(tmp_path, f"train/{MODEL}/balanced/train.parquet", lean)
    named = {(one.table, one.check) for one in result.failed}
    table = f"train/{MODEL}/balanced"
    assert (table, "shortcut") in named
    assert named <= {
        (table, check) for check in ("shortcut", "nothing_lost", "arm_balance", "train_number", "independence")
    }
    broken = next(one for one in result.failed if one.check == "shortcut")
    assert broken.first[0].startswith("polarity predicts the stance: 100.0%")


class TestThePagesFolder:
    """`validate.docs` names a folder that is replaced at each run: never one of somebody else."""

    @pytest.mark.parametrize("docs", ["docs", ".", ""])
    def test_a_folder_of_somebody_is_refused_before_anything_is_checked(self, tmp_path, docs):
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "scaling.md").write_text("mine")
        with pytest.raises(SycoError, match=r"Nothing was removed. Name a folder of its own in validate\.docs"):
            expectations.Pages(tmp_path / docs).__enter__()
        assert (tmp_path / "docs" / "scaling.md").read_text() == "mine"

    def test_a_run_that_fails_keeps_the_pages_of_before(self, tmp_path):
        with ownership.replacing(tmp_path / "pages", "", kind="pages") as folder:
            (folder / "index.html").write_text("before")
        with pytest.raises(RuntimeError), expectations.Pages(tmp_path / "pages"):
            raise RuntimeError
        assert (tmp_path / "pages" / "index.html").read_text() == "before"
        assert [path.name for path in tmp_path.iterdir()] == ["pages"]
