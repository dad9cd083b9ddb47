"""What is said of single tables, checked once more by Great Expectations, and its pages for people.

A suite for each table, of its own expectations. It counts for itself, and must come to our own count: `rules` decides
and names rows, this is the second opinion. Frames are narrow, so that memory stays bounded: values of closed
vocabularies as categories, of a text its length, and whether there is a value where nothing else is said of it. The
pages hold clock times and random ids, so they stay outside what DVC tracks.
"""

import gc
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import ownership
from syco_data.errors import SycoError
from syco_data.validate import offline
from syco_data.validate.build_checks import CheckedTable
from syco_data.validate.findings import Checked, Finding
from syco_data.validate.rules import Rule

RARE = (200_000, 20, 20)  # objects made between two searches for garbage
HINT = "Name a folder of its own in validate.docs (pages of an earlier version: remove them yourself)"
KIND = "pages"


def write_pages(tables: Mapping[str, CheckedTable], checked: Checked, target: Path) -> Path:
    """Validates everything that was checked with Great Expectations, and returns the index of its pages."""
    with Pages(target) as pages:
        for name in dict.fromkeys(finding.table for finding in checked.findings):
            pages.table(tables[name], [one for one in checked.findings if one.table == name])
        pages.finish(checked)
    return target / offline.INDEX


class Pages:
    """Great Expectations on a build, by one thread: its import and its validations take as long as the checks do.

    Tables are handed over by `table` as soon as their rules are counted; `finish` raises `SycoError` where Great
    Expectations counts other than we do: one of the two is wrong.
    """

    def __init__(self, target: Path) -> None:
        self._replacing, self._thread = ownership.replacing(target, HINT, kind=KIND), ThreadPoolExecutor(1)
        # It makes millions of small objects that stay: looking through them for garbage takes a tenth of its time.
        self._searches = gc.get_threshold()

    def __enter__(self) -> "Pages":
        self._folder = self._replacing.__enter__()
        gc.set_threshold(*RARE)
        self._tasks = [self._thread.submit(self._open)]
        return self

    def __exit__(self, *error: Any) -> None:
        self._thread.shutdown(cancel_futures=True)
        gc.set_threshold(*self._searches)
        self._replacing.__exit__(*error)

    def table(self, table: CheckedTable, findings: list[Finding]) -> None:
        """Takes those findings on one table that a plain expectation can state."""
        if stated := [(one.rule, one) for one in findings if one.rule]:
            self._tasks.append(self._thread.submit(self._validate, table, stated))

    def finish(self, checked: Checked) -> None:
        """Writes the pages, which are in their place when the block ends; the index lists all findings."""
        self._tasks.append(self._thread.submit(self._write, checked))
        for task in self._tasks:
            task.result()

    def _open(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        self._context = _context(self._folder)
        # One for all frames: each asset more is a copy of the whole configuration.
        asset = self._context.data_sources.add_pandas("build").add_dataframe_asset("frame")
        self._batch = asset.add_batch_definition_whole_dataframe("whole")

    def _validate(self, table: CheckedTable, findings: list[tuple[Rule, Finding]]) -> None:
        """Runs the suite of one table and compares the counts."""
        import great_expectations as gx

        # Handed over at once: a suite compares every expectation that is added later with all before it.
        rules = [rule for rule, _ in findings]
        suite = gx.ExpectationSuite(name=table.name.replace("/", "."), expectations=expectations(rules))
        definition = gx.ValidationDefinition(name=suite.name, data=self._batch, suite=self._context.suites.add(suite))
        added = self._context.validation_definitions.add(definition)
        results = added.run(batch_parameters={"dataframe": _frame(table, rules)}, result_format="BASIC").results
        outcomes = {result.expectation_config.meta["rule"]: result for result in results}
        for rule, finding in findings:
            _compare(outcomes[rule.name], rule, finding)

    def _write(self, checked: Checked) -> None:
        self._context.build_data_docs()
        offline.make(self._folder, checked.findings)


def _context(target: Path) -> Any:
    """An ephemeral context whose one site of pages lies at `target`."""
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(
        site_name="checks",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,  # pyrefly: ignore[bad-typed-dict-key]
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(target.resolve()),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            # The pages of results show every expectation: its own pages would say it twice.
            # pyrefly: ignore[bad-typed-dict-key]
            "site_section_builders": {"expectations": "none", "profiling": "none"},
        },
    )
    return context


def expectations(rules: list[Rule]) -> list[Any]:
    """One expectation for each rule of a table; `meta` carries the rule's name to the result."""
    import great_expectations.expectations as gxe

    lengths = [_length(rule) for rule in rules if rule.kind == "characters"]

    def expectation(rule: Rule) -> Any:
        column, bounds = rule.column, {"min_value": rule.low, "max_value": rule.high}
        if rule.kind == "columns":
            return gxe.ExpectTableColumnsToMatchSet(column_set=[*rule.values, *lengths])
        if rule.kind == "rows" and rule.low is not None:
            return gxe.ExpectTableRowCountToEqual(value=int(rule.low))
        if rule.kind == "key":
            return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(rule.values))
        if rule.kind == "present":
            return gxe.ExpectColumnValuesToNotBeNull(column=column)
        if rule.kind == "unique":
            return gxe.ExpectColumnValuesToBeUnique(column=column)
        if rule.kind == "among":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(rule.values))
        if rule.kind == "pattern":
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=rule.pattern)
        column = _length(rule) if rule.kind == "characters" else column
        return gxe.ExpectColumnValuesToBeBetween(column=column, **bounds)

    stated = [expectation(rule) for rule in rules]
    for rule, one in zip(rules, stated, strict=True):
        one.meta = {"rule": rule.name}
    return stated


def _length(rule: Rule) -> str:
    return f"{rule.column}_characters"


def _frame(table: CheckedTable, rules: list[Rule]) -> Any:
    """Every column that the file has, each as narrow as its rules allow, and the lengths of texts."""
    among = {rule.column for rule in rules if rule.kind == "among"}
    columns = {rule.column for rule in rules if rule.kind in ("unique", "pattern", "between")}
    columns |= {name for rule in rules if rule.kind == "key" for name in rule.values}
    narrow = {
        name: pl.col(name).cast(pl.Categorical)
        if name in among
        else pl.col(name)
        if name in columns
        else pl.when(pl.col(name).is_not_null()).then(1)
        for name in table.rows.collect_schema()
    }
    lengths = {_length(rule): pl.col(rule.column).str.len_chars() for rule in rules if rule.kind == "characters"}
    lengths = {name: length.cast(pl.Int64) for name, length in lengths.items()}
    return table.rows.select(**narrow, **lengths).collect(engine="streaming").to_pandas()


def _compare(result: Any, rule: Rule, finding: Finding) -> None:
    """Raises `SycoError` where Great Expectations failed, or counts other than we do."""
    what = f"check '{finding.check}' of {finding.table}"
    if result.exception_info.get("raised_exception"):
        raise SycoError(f"Great Expectations failed at {what}: {result.exception_info}")
    if rule.kind in ("columns", "rows"):
        # It sees no type of a column, so that it may pass a shape that we do not.
        if result.success != finding.holds and not (rule.kind == "columns" and result.success):
            raise SycoError(f"{what}: Great Expectations says {result.success}, we say {finding.holds}")
        return
    count = result.result["unexpected_count"]
    if count != finding.offending or result.success != finding.holds:
        raise SycoError(f"{what}: Great Expectations counts {count:,} offenders, we count {finding.offending:,}")
