"""What the checks of a build found, and the reports of it: plain values, stable to the byte (no clock, no path)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import files
from syco_data.errors import CheckFailed
from syco_data.validate import audit
from syco_data.validate.audit import Audited
from syco_data.validate.check import Check
from syco_data.validate.independence import Test
from syco_data.validate.rules import Rule
from syco_data.words import counted

SCHEMA = 2
CHECKS, AUDIT = "checks.json", "audit.json"
# What `show` can look up: the tables whose ids it knows, and an id, or a source and its row.
_SHOWN = ("claims", "prompts", "probes", "verdicts", "train")
_SHOWABLE = re.compile(r"[0-9a-f]{32}|[a-z0-9_]+/\d+")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of one table: `offending` rows of `rows`, the first of them by name."""

    check: str
    table: str
    description: str
    rows: int
    offending: int
    first: tuple[str, ...]
    rule: Rule | None = None

    @property
    def holds(self) -> bool:
        return self.offending == 0

    @property
    def hint(self) -> str:
        """The command that shows one of the offenders."""
        if self.first and self.table.split("/")[0] in _SHOWN and _SHOWABLE.fullmatch(self.first[0]):
            return f"python -m syco_data show {self.first[0]}"
        return "data/reports/checks/checks.json lists them"


@dataclass(frozen=True)
class Checked:
    """Everything that the checks of a build found."""

    findings: tuple[Finding, ...]
    tests: tuple[Test, ...]
    audited: tuple[Audited, ...]
    false_alarm_rate: float

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]


def evaluate(check: Check, rows: int, examples: int) -> Finding:
    """Counts the offenders of a check and names the first of them."""
    ids = check.offenders.select(pl.col("id").cast(pl.String)).collect(engine="streaming")["id"].unique().sort()
    first = tuple(ids.head(examples))
    return Finding(check.name, check.table, check.description, rows, len(ids), first, check.rule)


def require(checked: Checked) -> None:
    """Raises `CheckFailed` that names the checks, the counts, the first offenders and the command that shows one."""
    failed = checked.failed
    if not failed:
        return
    broken = "; ".join(
        f"check '{one.check}' of {one.table} ({one.description}) is broken {counted(one.offending, 'time')}, "
        f"first: {', '.join(map(str, one.first))} ({one.hint})"
        for one in failed
    )
    raise CheckFailed(f"{len(failed)} of {len(checked.findings)} checks failed. {broken}", failed[0].hint)


def write_reports(checked: Checked, folder: Path) -> None:
    """Writes `checks.json` (every check, every independence test) and `audit.json` (shortcuts)."""
    files.write_json(folder / CHECKS, report(checked))
    files.write_json(folder / AUDIT, audit.report(list(checked.audited)))


def report(checked: Checked) -> dict[str, Any]:
    """`checks.json`: every check with its count and first offenders, every independence test."""
    return {
        "schema": SCHEMA,
        "passed": not checked.failed,
        "false_alarm_rate": checked.false_alarm_rate,
        "checks": [
            {
                "check": one.check, "table": one.table, "description": one.description, "rows": one.rows,
                "offending": one.offending, "first": one.first, "holds": one.holds,
            }
            for one in checked.findings
        ],
        "independence": [
            {
                "table": test.table, "where": test.where, "pair": list(test.pair), "rows": test.rows,
                "p_value": float(f"{test.p_value:.6g}"), "adjusted": float(f"{test.adjusted:.6g}"),
            }
            for test in checked.tests
        ],
    }  # fmt: skip
