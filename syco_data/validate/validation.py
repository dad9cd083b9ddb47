"""All checks of a build: shapes, column rules, checks over rows and tables, statistics."""

from collections.abc import Callable, Mapping

import polars as pl

from syco_data.build import Tables
from syco_data.prompts.templates import Template
from syco_data.settings import Settings
from syco_data.validate import build_checks, columns, statistics
from syco_data.validate.build_checks import CheckedTable
from syco_data.validate.findings import Checked, Finding, evaluate
from syco_data.validate.rules import Rule

TableDone = Callable[[CheckedTable, list[Finding]], None]


def check_build(
    build: Tables, templates: Mapping[str, Template], settings: Settings, table_done: TableDone | None = None
) -> Checked:
    """Checks a whole build; `table_done` gets what plain expectations say of each table as soon as it is there."""
    table_done = table_done or (lambda table, findings: None)
    tables, examples = build_checks.named_tables(build), settings.checks.examples
    shapes = {name: _shape(table, examples) for name, table in tables.items()}
    if not all(shape.holds for shape in shapes.values()):
        # Nothing else can be read from tables of another shape.
        for name, shape in shapes.items():
            table_done(tables[name], [shape])
        return Checked(tuple(shapes.values()), (), (), settings.checks.false_alarm_rate)
    submitted = statistics.submit(build, settings)
    rows = {name: table.rows.select(pl.len()).collect().item() for name, table in tables.items()}
    checks = build_checks.every(build_checks.build_rows(build), settings, templates)
    findings = list(shapes.values())
    for name, table in tables.items():
        sizes = [evaluate(check, rows[name], examples) for check in checks if check.table == name and check.rule]
        own = [*_columns(table, rows[name], settings), *sizes]
        table_done(table, [shapes[name], *own])
        findings += own
    findings += [evaluate(check, rows[check.table], examples) for check in checks if not check.rule]
    outcome = statistics.outcome(submitted)
    return Checked((*findings, *outcome.findings), outcome.tests, outcome.audited, settings.checks.false_alarm_rate)


def _shape(table: CheckedTable, examples: int) -> Finding:
    rule = Rule("columns", values=tuple(table.schema.columns))
    wrong = columns.shape_errors(table.rows, table.schema)
    return Finding("schema", table.name, rule.description, len(rule.values), len(wrong), tuple(wrong[:examples]), rule)


def _columns(table: CheckedTable, rows: int, settings: Settings) -> list[Finding]:
    """All rules of a table in one pass; only a rule that is broken is read a second time."""
    checks = columns.checks(table.name, table.rows, table.schema, settings)
    counted = table.rows.select((~check.rule.holds()).sum().alias(check.name) for check in checks if check.rule)
    counts = counted.collect(engine="streaming").row(0, named=True)
    findings = []
    for check in checks:
        offending = int(counts[check.name])
        first = evaluate(check, rows, settings.checks.examples).first if offending else ()
        findings.append(Finding(check.name, check.table, check.description, rows, offending, first, check.rule))
    return findings
