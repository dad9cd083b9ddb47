"""What only statistics can tell of a build: shares of the sources, independence of draws, shortcuts to the answer.

They hold Python's lock as Great Expectations does, so they have a process of their own. All that needs scipy is done
there: two threads that import one library at once may see it half imported.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread

import polars as pl

from syco_data import schemas, select, tables
from syco_data.build import Tables
from syco_data.errors import SycoError
from syco_data.settings import Settings
from syco_data.validate import audit, independence, prompt_checks
from syco_data.validate.audit import Audited
from syco_data.validate.build_checks import CheckedTable, named_tables
from syco_data.validate.findings import Finding, evaluate
from syco_data.validate.independence import Test
from syco_data.words import counted


@dataclass(frozen=True)
class Statistics:
    """The outcome: findings, and the tests and audits behind them."""

    findings: tuple[Finding, ...]
    tests: tuple[Test, ...]
    audited: tuple[Audited, ...]


@cache
def worker() -> ProcessPoolExecutor:
    """The process for statistics; it stays, with what it has loaded."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A process that was killed cannot tell this one to end: it looks after itself, and leaves Ctrl-C to the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


def submit(build: Tables, settings: Settings) -> Future[Statistics]:
    """Starts the statistics of a build beside whatever else is done."""
    try:
        return worker().submit(_compute_in, os.getcwd(), build, settings)
    except BrokenProcessPool:
        # It ended between two checks of this process.
        worker.cache_clear()
        return worker().submit(_compute_in, os.getcwd(), build, settings)


def outcome(submitted: Future[Statistics]) -> Statistics:
    """Waits for the statistics."""
    try:
        return submitted.result()
    except BrokenProcessPool as error:
        worker.cache_clear()
        raise SycoError("the statistics were ended from outside", "Is there memory enough? Run it again") from error


def _compute_in(folder: str, build: Tables, settings: Settings) -> Statistics:
    """In the folder that paths count from: the process may have been started in another one."""
    os.chdir(folder)
    return compute(build, settings)


def compute(build: Tables, settings: Settings) -> Statistics:
    """The shares of the sources, the tests of independence, and the audit of every training set."""
    tables, examples = named_tables(build), settings.checks.examples
    prompts = tables["prompts"].rows
    share = prompt_checks.source_share(prompts, tables["claims"].rows, settings)
    tests = _tests(tables, settings)
    audited = tuple(_audits(build, settings))
    rows = prompts.select(pl.len()).collect().item()
    findings = (
        evaluate(share, rows, examples),
        *_independence(tests, settings),
        *(_shortcuts(one, examples) for one in audited),
    )
    return Statistics(findings, tests, audited)


def _tests(tables: Mapping[str, CheckedTable], settings: Settings) -> tuple[Test, ...]:
    """Independence among the candidates, and of the opinion in every training set."""
    prompts = tables["prompts"].rows.select("prompt_id", "source", *independence.DRAWN)
    groups, pairs = {"prompts": prompts.drop("prompt_id")}, {"prompts": independence.promised(settings)}
    coins = {"prompts": independence.coins(settings)}
    for name, table in tables.items():
        if table.schema is schemas.TRAIN:
            groups[name] = prompts.join(table.rows.select("prompt_id"), on="prompt_id", how="semi").drop("prompt_id")
            pairs[name] = independence.promised_of_training()
            coins[name] = independence.coins_of_training()
    return tuple(independence.tests(groups, pairs, coins))


def _independence(tests: tuple[Test, ...], settings: Settings) -> Iterator[Finding]:
    rate = settings.checks.false_alarm_rate
    for table in dict.fromkeys(test.table for test in tests):
        of_table = [test for test in tests if test.table == table]
        failed = sorted((test for test in of_table if test.adjusted < rate), key=lambda test: test.p_value)
        first = tuple(f"{test.name} (p = {test.p_value:.2g})" for test in failed[: settings.checks.examples])
        description = (
            "opinion, truth, polarity, label kind and option order are independent of each other and of the source, "
            "and each value is drawn as often as its share says"
            if table == "prompts"
            else "the opinion is independent of everything else, and half of the users agree"
        )
        description += f" (false alarms in {rate:.2%} of sound builds, over {counted(len(tests), 'test')})"
        yield Finding("independence", table, description, len(of_table), len(failed), first)


def _audits(build: Tables, settings: Settings) -> Iterator[Audited]:
    prompts = tables.scan(build.prompts, schemas.PROMPTS)
    labels = tables.scan(build.claims, schemas.CLAIMS).select("claim_id", "label")
    for (model, arm), path in build.train.items():
        kept = tables.scan(path, schemas.TRAIN).select("prompt_id")
        rows = select.asked(prompts, settings.arms[arm].answers)
        joined = rows.join(kept, on="prompt_id", how="semi").join(labels, on="claim_id", how="inner")
        rows = joined.select(audit.COLUMNS)
        yield audit.audit(model, arm, rows, settings.arms[arm], settings.checks.audit)


def _shortcuts(one: Audited, examples: int) -> Finding:
    description = "no surface feature alone predicts the answer better than chance, or the arm is known to leak"
    first = tuple(f"{line.feature} predicts the {line.target}: {line.accuracy:.1%}" for line in one.leaks)
    table = f"train/{one.model}/{one.arm}"
    return Finding("shortcut", table, description, len(one.lines), len(first), first[:examples])
