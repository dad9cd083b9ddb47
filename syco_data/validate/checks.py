"""All checks of a build: schemas, column rules, laws, independence, shares, shortcuts; findings and a report.

The report is plain values and stable to the byte: no clock, no random ids, no path. Great Expectations gets the
same rules and the same offenders (`expectations`) and writes pages for people beside it.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

import polars as pl

from syco_data import schemas, tables
from syco_data.build import Tables
from syco_data.errors import CheckFailed, SycoError
from syco_data.prompts.templates import Template
from syco_data.schemas import Schema
from syco_data.settings import Settings
from syco_data.sources import SOURCES, Source
from syco_data.validate import audit, columns, independence, laws, shares
from syco_data.validate.audit import Audited
from syco_data.validate.columns import Rule
from syco_data.validate.independence import Test
from syco_data.validate.lawbook import Law
from syco_data.validate.laws import Subject

SCHEMA = 1
# What `show` can look up: the tables whose ids it knows.
SHOWN = ("claims", "prompts", "probes", "verdicts", "train")
SHOWABLE = re.compile(r"[0-9a-f]{32}|[a-z0-9_]+/\d+")  # an id, or a source and its row


@dataclass(frozen=True)
class Finding:
    """What one law found in one table: `offending` rows of `rows`, the first of them by name."""

    law: str
    table: str
    says: str
    rows: int
    offending: int
    first: tuple[str, ...]
    rule: Rule | None = None

    @property
    def holds(self) -> bool:
        return self.offending == 0

    @property
    def look(self) -> str:
        """The command that shows one of the offenders."""
        if self.first and self.table.split("/")[0] in SHOWN and SHOWABLE.fullmatch(self.first[0]):
            return f"python -m syco_data show {self.first[0]}"
        return "data/reports/checks/checks.json lists them"


@dataclass(frozen=True)
class Table:
    """One table of a build as the checks see it."""

    name: str
    schema: Schema
    rows: pl.LazyFrame


Told = Callable[[Table, list[Finding]], None]


@dataclass(frozen=True)
class Statistics:
    """What is found by statistics, beside the laws and rules."""

    shares: Finding
    tests: tuple[Test, ...]
    audited: tuple[Audited, ...]


@dataclass(frozen=True)
class Checked:
    """Everything that was found; `tables` are the tables that were looked at, by name."""

    tables: dict[str, Table]
    findings: tuple[Finding, ...]
    tests: tuple[Test, ...]
    audited: tuple[Audited, ...]
    false_alarm_rate: float

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]


def check(build: Tables, forms: Mapping[str, Template], settings: Settings, told: Told | None = None) -> Checked:
    """Checks a whole build; `told` hears of each table's column findings as soon as they are there."""
    named = named_tables(build)
    count = settings.checks.examples
    shapes = [finding for table in named.values() for finding in _shapes(table, count)]
    if not all(finding.holds for finding in shapes):
        # No other law can be read from tables of another shape.
        return Checked(named, tuple(shapes), (), (), settings.checks.false_alarm_rate)
    beside = _submitted(build, settings)
    findings = [*_rules(named, settings, told), *_laws(named, subject(build), settings, forms)]
    try:
        done = beside.result()
    except BrokenProcessPool as error:
        aside.cache_clear()
        raise SycoError("the statistics were ended from outside", "Is there memory enough? Run it again") from error
    findings += [done.shares, *_independence(done.tests, settings)]
    findings += [_shortcuts(one, count) for one in done.audited]
    return Checked(named, (*shapes, *findings), done.tests, done.audited, settings.checks.false_alarm_rate)


@cache
def aside() -> ProcessPoolExecutor:
    """A process for statistics, which hold Python's lock as Great Expectations does; it stays with what it loaded.

    All that needs scipy is done there: two threads that import one library at once may see it half made.
    """
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A process that was killed cannot tell this one to end: it looks after itself."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _submitted(build: Tables, settings: Settings) -> Future[Statistics]:
    try:
        return aside().submit(_statistics, build, settings)
    except BrokenProcessPool:
        # It ended between two checks of this process.
        aside.cache_clear()
        return aside().submit(_statistics, build, settings)


def _statistics(build: Tables, settings: Settings) -> Statistics:
    """The shares of the sources, the tests of independence, and the audit of every training set."""
    named = named_tables(build)
    law = shares.law(named["prompts"].rows, named["claims"].rows, settings)
    finding = evaluate(law, _rows(named[law.table]), settings.checks.examples)
    return Statistics(finding, tuple(_tests(named, settings)), tuple(_audits(build, settings)))


def _rules(named: Mapping[str, Table], settings: Settings, told: Told | None) -> Iterator[Finding]:
    """Findings on every column."""
    for table in named.values():
        found = _columns(table, _rows(table), settings)
        if told:
            told(table, found)
        yield from found


def _rows(table: Table) -> int:
    return table.rows.select(pl.len()).collect().item()


def _laws(
    named: Mapping[str, Table], build: Subject, settings: Settings, forms: Mapping[str, Template]
) -> Iterator[Finding]:
    """Findings on every law."""
    rows = {name: _rows(table) for name, table in named.items()}
    for law in laws.every(build, settings, forms):
        yield evaluate(law, rows[law.table], settings.checks.examples)


def named_tables(build: Tables) -> dict[str, Table]:
    """Every table of a build by the name that findings call it."""
    return {one.name: Table(one.name, one.schema, tables.scan_any(one.path, one.schema)) for one in build.entries()}


def subject(build: Tables) -> Subject:
    """The tables as the laws take them: source rows apart by split."""
    named = {name: table.rows for name, table in named_tables(build).items()}
    return Subject(
        raw={key: _split(named[f"raw/{key}"], SOURCES[key], SOURCES[key].train) for key in build.raw},
        held_out={key: _split(named[f"raw/{key}"], SOURCES[key], SOURCES[key].held_out) for key in build.raw},
        claims=named["claims"],
        dropped_rows=named["claims/dropped"],
        prompts=named["prompts"],
        not_sampled=named["prompts/dropped"],
        probes=named["probes"],
        unused_probes=named["probes/dropped"],
        verdicts={model: named[f"verdicts/{model}"] for model in build.verdicts},
        train={(model, arm): named[f"train/{model}/{arm}"] for model, arm in build.train},
        dropped_prompts={(model, arm): named[f"train/{model}/{arm}/dropped"] for model, arm in build.train},
    )


def _split(rows: pl.LazyFrame, source: Source, split: str) -> pl.LazyFrame:
    return rows.filter(pl.col("split") == split).select("row", "label", *source.text_columns)


def evaluate(law: Law, rows: int, examples: int, rule: Rule | None = None) -> Finding:
    """Counts a law's offenders and names the first of them."""
    ids = law.offenders.select(pl.col("id").cast(pl.String)).collect(engine="streaming")["id"].unique().sort()
    return Finding(law.name, law.table, law.says, rows, len(ids), tuple(ids.head(examples)), rule)


def _shapes(table: Table, examples: int) -> Iterator[Finding]:
    wrong = columns.faults(table.rows, table.schema)
    says = "the table has the columns of its schema, of the schema's types"
    yield Finding("schema", table.name, says, len(table.schema.columns), len(wrong), tuple(wrong[:examples]))


def _columns(table: Table, rows: int, settings: Settings) -> list[Finding]:
    """All rules of a table in one pass; only a rule that is broken is read a second time."""
    rules = columns.laws(table.name, table.rows, table.schema, settings)
    if not rules:
        return []
    counted = table.rows.select((~rule.holds()).sum().alias(rule.name) for rule in rules).collect(engine="streaming")
    found = []
    for rule, law in rules.items():
        broken = int(counted[rule.name].item())
        first = evaluate(law, rows, settings.checks.examples).first if broken else ()
        found.append(Finding(law.name, law.table, law.says, rows, broken, first, rule))
    return found


def _tests(named: Mapping[str, Table], settings: Settings) -> list[Test]:
    """Independence among the candidates, and of the opinion in every training set."""
    asked = named["prompts"].rows.select("prompt_id", "source", *independence.DRAWN)
    groups, pairs = {"prompts": asked.drop("prompt_id")}, {"prompts": independence.promised(settings)}
    coins = {"prompts": independence.coins(settings)}
    for name, table in named.items():
        if table.schema is schemas.TRAIN:
            groups[name] = asked.join(table.rows.select("prompt_id"), on="prompt_id", how="semi").drop("prompt_id")
            pairs[name] = independence.promised_of_training()
            coins[name] = independence.coins_of_training()
    return independence.tests(groups, pairs, coins)


def _independence(tests: tuple[Test, ...], settings: Settings) -> Iterator[Finding]:
    rate = settings.checks.false_alarm_rate
    for table in dict.fromkeys(test.table for test in tests):
        of_table = [test for test in tests if test.table == table]
        broken = sorted((test for test in of_table if test.adjusted < rate), key=lambda test: test.p_value)
        first = tuple(f"{test.name} (p = {test.p_value:.2g})" for test in broken[: settings.checks.examples])
        says = (
            "opinion, truth, polarity, label kind and option order are independent of each other and of the source, "
            "and each value is drawn as often as its share says"
            if table == "prompts"
            else "the opinion is independent of everything else, and half of the users agree"
        )
        says += f" (false alarms in {rate:.2%} of sound builds, over {len(tests):,} tests)"
        yield Finding("independence", table, says, len(of_table), len(broken), first)


def _audits(build: Tables, settings: Settings) -> Iterator[Audited]:
    asked = tables.scan(build.prompts, schemas.PROMPTS)
    labels = tables.scan(build.claims, schemas.CLAIMS).select("claim_id", "label")
    for (model, arm), path in build.train.items():
        kept = tables.scan(path, schemas.TRAIN).select("prompt_id")
        joined = asked.join(kept, on="prompt_id", how="semi").join(labels, on="claim_id", how="inner")
        shown = joined.select(audit.COLUMNS)
        yield audit.audit(model, arm, shown, settings.arms[arm], settings.checks.audit)


def _shortcuts(one: Audited, examples: int) -> Finding:
    says = "no surface feature alone predicts the answer better than chance, or the arm is known to leak"
    first = tuple(f"{line.feature} predicts the {line.target}: {line.accuracy:.1%}" for line in one.leaks)
    return Finding("shortcut", f"train/{one.model}/{one.arm}", says, len(one.lines), len(first), first[:examples])


def report(checked: Checked) -> dict[str, Any]:
    """`checks.json`: every law with its count and first offenders, every independence test."""
    return {
        "schema": SCHEMA,
        "passed": not checked.failed,
        "false_alarm_rate": checked.false_alarm_rate,
        "laws": [
            {name: value for name, value in asdict(finding).items() if name != "rule"} | {"holds": finding.holds}
            for finding in checked.findings
        ],
        "independence": [
            {
                "table": test.table, "where": test.where, "pair": list(test.pair), "rows": test.rows,
                "p_value": float(f"{test.p_value:.6g}"), "adjusted": float(f"{test.adjusted:.6g}"),
            }
            for test in checked.tests
        ],
    }  # fmt: skip


def require(checked: Checked) -> None:
    """Raises `CheckFailed` that names the laws, the counts, the first offenders and the command that shows one."""
    failed = checked.failed
    if not failed:
        return
    told = "; ".join(
        f"law '{one.law}' of {one.table} ({one.says}) is broken {one.offending:,} times, "
        f"first: {', '.join(one.first)} ({one.look})"
        for one in failed
    )
    raise CheckFailed(f"{len(failed)} of {len(checked.findings)} checks failed. {told}", failed[0].look)
