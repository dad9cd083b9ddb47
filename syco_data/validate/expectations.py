"""The checks of a build, handed to Great Expectations, and its pages for people.

Column rules become expectations over narrow frames, so that memory stays bounded. Closed vocabularies are handed over
as categories; of a bound or a long list, which would be compared row by row in Python, it gets whether each row keeps
to it. Each of its own expectations takes 25 ms whatever the table: so what is said of many columns of one table is one
of `custom_expectations`, as is a law, by the rows that break it. All must agree with our own count. The pages hold
clock times and random ids, so they stay outside what DVC tracks.
"""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import ownership
from syco_data.errors import SycoError
from syco_data.validate import offline
from syco_data.validate.checks import Checked, Finding, Table
from syco_data.validate.columns import Rule

RARE = (200_000, 20, 20)  # objects made between two searches for garbage
NO_NULLS, LISTED, STATEMENTS = "no nulls", "listed values", "statements"
HINT = "Name a folder of its own in validate.docs (pages of an earlier version: remove them yourself)"
KIND = "pages"
LONG = 50  # values; Great Expectations copies a list of allowed values many times over


def write_pages(checked: Checked, target: Path) -> Path:
    """Validates everything that was checked with Great Expectations, and returns the index of its pages."""
    with Pages(target) as pages:
        for table in dict.fromkeys(finding.table for finding in checked.findings):
            pages.columns(checked.tables[table], [one for one in checked.findings if one.table == table])
        pages.finish(checked)
    return target / offline.INDEX


class Pages:
    """Great Expectations on a build, by one thread: its import and its validations take as long as the checks do.

    Tables are handed over by `columns` as soon as their rules are counted; `finish` adds what is left, and raises
    `SycoError` where Great Expectations counts other than we do: one of the two is wrong.
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

    def columns(self, table: Table, findings: list[Finding]) -> None:
        """Takes the column rules of one table, and leaves its other findings to `finish`."""
        if rules := [one for one in findings if _is_column_check(one)]:
            self._tasks.append(self._thread.submit(self._columns, table, rules))

    def finish(self, checked: Checked) -> None:
        """Validates the laws and writes the pages, which are in their place when the block ends."""
        self._tasks.append(self._thread.submit(self._laws, [f for f in checked.findings if not _is_column_check(f)]))
        for task in self._tasks:
            task.result()

    def _open(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        self._context = _context(self._folder)
        # One for all frames: each asset more is a copy of the whole configuration.
        asset = self._context.data_sources.add_pandas("build").add_dataframe_asset("frame")
        self._batch = asset.add_batch_definition_whole_dataframe("whole")

    def _columns(self, table: Table, rules: list[Finding]) -> None:
        _validate(self._context, self._batch, f"columns of {table.name}", _frame(table, rules), rules)

    def _laws(self, findings: list[Finding]) -> None:
        _validate(self._context, self._batch, "laws of the build", _offenders(findings), findings)
        self._context.build_data_docs()
        offline.make(self._folder)


def _is_column_check(finding: Finding) -> bool:
    """Rules of the many small source tables stand among the laws: a page for each would hide the others."""
    return finding.rule is not None and not finding.table.startswith("raw/")


def _context(target: Path) -> Any:
    """An ephemeral context whose one site of pages lies at `target`."""
    import great_expectations

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(
        site_name="checks",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(target.resolve()),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            # The pages of results show every expectation: its own pages would say it twice.
            "site_section_builders": {"expectations": "none", "profiling": "none"},
        },
    )
    return context


def _validate(context: Any, batch: Any, name: str, frame: Any, findings: list[Finding]) -> None:
    """Runs one suite over one frame and compares the counts."""
    import great_expectations as gx

    # Handed over at once: a suite compares every expectation that is added later with all before it.
    suite = gx.ExpectationSuite(name=name.replace("/", "."), expectations=_expectations(findings))
    definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=context.suites.add(suite))
    added = context.validation_definitions.add(definition)
    results = added.run(batch_parameters={"dataframe": frame}, result_format="BASIC").results
    _compare({result.expectation_config.meta["finding"]: result for result in results}, findings)


def _name(finding: Finding) -> str:
    return f"{finding.law} of {finding.table}"


def _compare(results: dict[str, Any], findings: list[Finding]) -> None:
    for finding in findings:
        result = results[_group(finding) or _name(finding)]
        if result.exception_info.get("raised_exception"):
            raise SycoError(f"Great Expectations failed at '{finding.law}': {result.exception_info}")
        counted = _counted(result, finding)
        if counted != finding.offending or result.success != _should_succeed(finding, findings):
            raise SycoError(
                f"law '{finding.law}' of {finding.table}: Great Expectations counts {counted:,} offenders, "
                f"we count {finding.offending:,}"
            )


def _group(finding: Finding) -> str | None:
    """The expectation that speaks of many columns at once and of this finding's too, if there is one."""
    if not _is_column_check(finding):
        return None
    if _is_stated(finding.rule):
        return STATEMENTS
    return {"present": NO_NULLS, "among": LISTED}.get(finding.rule.kind)


def _should_succeed(finding: Finding, findings: list[Finding]) -> bool:
    """Whether the finding's expectation holds, with all others that it speaks of."""
    group = _group(finding)
    return all(one.holds for one in findings if _group(one) == group) if group else finding.holds


def _counted(result: Any, finding: Finding) -> int:
    if group := _group(finding):
        return result.result["details"][_subject(finding.rule, group)]
    return result.result.get("unexpected_count", 0)


def _subject(rule: Rule, group: str) -> str:
    return rule.says if group == STATEMENTS else rule.column


def _expectations(findings: list[Finding]) -> list[Any]:
    """One expectation for each finding; what is said of many columns at once is one for all of them.

    `meta` carries the law's name to the result.
    """
    from syco_data.validate import custom_expectations as custom

    rules = {group: [one.rule for one in findings if _group(one) == group] for group in (NO_NULLS, LISTED, STATEMENTS)}
    made = [_expectation(finding) for finding in findings if not _group(finding)]
    if columns := [rule.column for rule in rules[NO_NULLS]]:
        made.append(custom.ExpectColumnsToHaveNoNulls(columns=columns, meta={"finding": NO_NULLS}))
    if listed := {rule.column: list(rule.values) for rule in rules[LISTED]}:
        made.append(custom.ExpectColumnsToHoldListedValues(listed=listed, meta={"finding": LISTED}))
    if statements := [rule.says for rule in rules[STATEMENTS]]:
        made.append(custom.ExpectStatementsToHold(statements=statements, meta={"finding": STATEMENTS}))
    return made


def _expectation(finding: Finding) -> Any:
    """The expectation of one finding."""
    import great_expectations.expectations as gxe

    from syco_data.validate.custom_expectations import ExpectLawToHold

    meta, rule = {"finding": _name(finding)}, finding.rule
    if not _is_column_check(finding):
        return ExpectLawToHold(
            law=_name(finding), says=finding.says, rows=finding.rows, offending=finding.offending, meta=meta
        )
    if rule.kind == "unique":
        return gxe.ExpectColumnValuesToBeUnique(column=rule.column, meta=meta)
    return gxe.ExpectColumnValuesToMatchRegex(column=rule.column, regex=rule.pattern, meta=meta)


def _offenders(findings: list[Finding]) -> Any:
    """The first offenders of each law, one row each, and a row for those that are not named."""
    rows = [(_name(finding), name, 1) for finding in findings for name in finding.first]
    rows += [
        (_name(finding), "", finding.offending - len(finding.first))
        for finding in findings
        if finding.offending > len(finding.first)
    ]
    schema = {"law": pl.String, "id": pl.String, "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").to_pandas()


def _frame(table: Table, findings: list[Finding]) -> Any:
    """The columns that the rules speak of, each as narrow as it can be."""
    rules = {finding.rule for finding in findings}
    stated = {rule.says: rule.holds() for rule in rules if _is_stated(rule)}
    wanted = stated | {rule.column: _narrow(rule.column, rules) for rule in rules if not _is_stated(rule)}
    ordered = {name: wanted[name] for name in sorted(wanted)}
    return table.rows.select(**ordered).collect(engine="streaming").to_pandas()


def _is_stated(rule: Rule) -> bool:
    """Whether a rule is handed over as what it says of each row, true or false."""
    return rule.kind in ("between", "characters") or (rule.kind == "among" and len(rule.values) > LONG)


def _narrow(name: str, rules: set[Rule]) -> pl.Expr:
    """A column as narrow as the rules that read it allow; of a text that is measured only its absence matters."""
    kinds = {rule.kind for rule in rules if rule.column == name and not _is_stated(rule)}
    if kinds == {"present"}:
        return pl.when(pl.col(name).is_not_null()).then(1)
    return pl.col(name).cast(pl.Categorical) if "among" in kinds else pl.col(name)
