"""Every column rule of every table can fail: one bad cell breaks that rule, and no rule about another column."""

from functools import cache

import polars as pl
import pytest

from syco_data.validate import build_checks, columns
from syco_data.validate.rules import Rule
from tests.support.tables_for_tests import shared_build, small_settings

SETTINGS = small_settings()


@cache
def tables() -> dict[str, build_checks.CheckedTable]:
    return build_checks.named_tables(shared_build().tables)


def every_rule() -> list[tuple[str, str]]:
    return [(name, rule.name) for name, table in tables().items() for rule in columns.rules(table.schema, SETTINGS)]


def bad_cell(rule: Rule, column: pl.Series) -> object:
    """A value that breaks the rule, of the column's own type."""
    if rule.kind == "present":
        return None
    if rule.kind in ("unique", "key"):
        return column[1]
    if rule.kind == "between":
        return rule.high + 1 if rule.high is not None else rule.low - 1
    if rule.kind == "characters":
        return "" if rule.high is None else "x" * (int(rule.high) + 1)
    return {"among": "none of them", "pattern": "NO-ID"}[rule.kind]


@pytest.mark.parametrize(("table", "name"), every_rule())
def test_a_bad_cell_breaks_its_rule_and_none_of_another_column(table, name):
    looked_at = tables()[table]
    rules = columns.rules(looked_at.schema, SETTINGS)
    rule = next(one for one in rules if one.name == name)
    df = looked_at.rows.collect()
    first = pl.int_range(pl.len()) == 0
    names = rule.values if rule.kind == "key" else [rule.column]
    cells = {name: pl.lit(bad_cell(rule, df[name]), dtype=df.schema[name]) for name in names}
    planted = df.with_columns(pl.when(first).then(value).otherwise(name).alias(name) for name, value in cells.items())

    def broken(rows: pl.DataFrame) -> dict[str, int]:
        counts = rows.select((~one.holds()).sum().alias(one.name) for one in rules).row(0, named=True)
        return {key: count for key, count in counts.items() if count}

    assert broken(df) == {}
    result = broken(planted)
    assert result.pop(name) == (2 if rule.kind in ("unique", "key") else 1)
    assert {one.column for one in rules if one.name in result} <= {rule.column, ""}
    checks = columns.checks(table, planted.lazy(), looked_at.schema, SETTINGS)
    named = next(check for check in checks if check.rule == rule).offenders.collect()
    assert len(named) == (2 if rule.kind in ("unique", "key") else 1)
