"""One list of a build's tables: stages write them there, checks look at each, and a release is made of them."""

import re
import shutil
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import yaml

from stages.folders import DATA
from stages.tables import build_tables
from syco_data import settings
from syco_data.build import KINDS, Tables
from syco_data.prompts import templates
from syco_data.release import configs
from syco_data.validate import build_checks, columns, validation
from syco_data.validate.rules import Rule
from tests.support.tables_for_tests import KEYS, MODEL, Made, shared_build, small_settings

ROOT = Path(__file__).resolve().parents[1]
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SETTINGS = small_settings()
FORMS = {name: templates.load(name) for name in SETTINGS.prompts.templates}
ENTRIES = list(Tables.below(Path(), KEYS, [MODEL], SETTINGS.build.arms).entries())
NAMES = [entry.name for entry in ENTRIES]


@pytest.fixture
def made(tmp_path) -> Made:
    """A build that a test may damage."""
    return Made(Path(shutil.copytree(shared_build().folder, tmp_path / "data")), SETTINGS)


def change(build: Made, name: str, edit) -> None:
    """Another table in the place of one, behind the writer's back."""
    path = next(entry.path for entry in build.tables.entries() if entry.name == name)
    edit(pl.read_parquet(path)).write_parquet(path)


@cache
def rules() -> dict[str, list[Rule]]:
    return {entry.name: columns.rules(entry.schema, SETTINGS) for entry in ENTRIES}


def broken(build: Made) -> set[tuple[str, str]]:
    """Checks that do not hold, by (table, name); all that needs no statistics."""
    named = build_checks.named_tables(build.tables)
    every = [*build_checks.every(build_checks.build_rows(build.tables), SETTINGS, FORMS)]
    for name, table in named.items():
        every += columns.checks(name, table.rows, table.schema, SETTINGS)
    return {(check.table, check.name) for check in every if len(check.offenders.collect())}


def test_a_sound_build_breaks_nothing():
    assert broken(shared_build()) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_column_too_few_is_found_in_every_table(made, name):
    change(made, name, lambda df: df.drop(df.columns[-1]))
    result = validation.check_build(made.tables, FORMS, SETTINGS)
    assert [(one.table, one.check) for one in result.failed] == [(name, "schema")]


@pytest.mark.parametrize("name", NAMES)
def test_a_null_is_found_in_every_table(made, name):
    column = next(rule.column for rule in rules()[name] if rule.kind == "present")
    first = pl.int_range(pl.len()) == 0
    change(made, name, lambda df: df.with_columns(pl.when(~first).then(column).alias(column)))
    assert (name, f"{column}_present") in broken(made)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_is_lost_is_found_in_every_table(made, name, last):
    """Of the probes the rows of one held-out claim, as other families are drawn and not taken from a table.

    The first and the last row of a source are of different splits.
    """
    held_out = pl.col("item").filter(pl.col("probe") == "held_out")
    item = pl.col("item") == (held_out.last() if last else held_out.first())
    change(made, name, lambda df: df.filter(~item) if name == "probes" else df[:-1] if last else df[1:])
    assert broken(made)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_is_there_twice_is_found_in_every_table(made, name):
    change(made, name, lambda df: pl.concat([df, df[:1]]))
    assert broken(made)


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if "reason" in entry.schema.columns])
def test_a_reason_of_no_stage_is_found_in_every_table(made, name):
    whim = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("whim")).otherwise("reason").alias("reason")
    change(made, name, lambda df: df.with_columns(whim))
    assert (name, "reason_among") in broken(made)


def test_every_table_lies_in_an_out_of_the_graph_that_the_checks_and_a_release_wait_for():
    places = build_tables(settings.load(ROOT / "params.yaml"))
    for stage in ("validate", "release"):
        waits = [Path(dep) for dep in GRAPH[stage]["deps"] if dep.startswith("data/")]
        assert not [e.path for e in places.entries() if not any(e.path.is_relative_to(dep) for dep in waits)]
    assert {entry.path.parts[0] for entry in places.entries()} == {DATA.name}


def test_no_stage_up_to_the_checks_writes_a_table_of_its_own_place():
    """A table that is not in the list would be checked by nobody."""
    for name in ("claims", "prompts", "probes", "filter", "select"):
        text = (ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")
        assert ".parquet" not in text, name
        assert set(re.findall(r"places\.(\w+)", text)) <= KINDS.keys()


def test_a_finished_build_holds_the_tables_of_the_list_and_no_others():
    there = {path.relative_to(shared_build().folder).as_posix() for path in shared_build().folder.rglob("*.parquet")}
    assert there == {entry.path.as_posix() for entry in ENTRIES}


def test_a_release_holds_the_dropped_rows_of_every_table_of_them():
    tables = shared_build().tables
    dropped = configs.dropped(tables)
    for entry in tables.entries():
        if entry.drops:
            mine = pl.col("stage").eq(entry.drops) & pl.col("arm").eq_missing(pl.lit(entry.arm, dtype=pl.String))
            assert len(dropped.filter(mine)) == len(pl.read_parquet(entry.path)) > 0, entry.name
