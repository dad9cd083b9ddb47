"""The checks of a build, handed to Great Expectations, and its pages for people.

Column rules become its own expectations over narrow frames, so that memory stays bounded. A closed vocabulary is
handed over as categories; of a bound or a long list, which it would compare row by row in Python, it gets whether
each row keeps to it. A law becomes the custom expectation `ExpectLawToHold` over the rows that break it. Both must
agree with our own count. The pages hold clock times and random ids, so they stay outside what DVC tracks.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from syco_data.checking import offline
from syco_data.checking.checks import Checked, Finding, Table
from syco_data.checking.columns import Rule
from syco_data.errors import SycoError

LONG = 50  # values; Great Expectations copies a list of allowed values many times over


def write_pages(checked: Checked, target: Path) -> Path:
    """Validates everything that was checked with Great Expectations, and returns the index of its pages."""
    with Pages(target) as pages:
        for table in dict.fromkeys(finding.table for finding in checked.findings):
            pages.columns(checked.tables[table], [one for one in checked.findings if one.table == table])
        return pages.finish(checked)


class Pages:
    """Great Expectations on a build, by one thread: its import and its validations take as long as the checks do.

    Tables are handed over by `columns` as soon as their rules are counted; `finish` adds what is left, and raises
    `SycoError` where Great Expectations counts other than we do: one of the two is wrong.
    """

    def __init__(self, target: Path) -> None:
        self._target, self._thread = target, ThreadPoolExecutor(1)
        self._tasks = [self._thread.submit(self._open)]

    def __enter__(self) -> "Pages":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def columns(self, table: Table, findings: list[Finding]) -> None:
        """Takes the column rules of one table, and leaves its other findings to `finish`."""
        if rules := [one for one in findings if _is_column_check(one)]:
            self._tasks.append(self._thread.submit(self._columns, table, rules))

    def finish(self, checked: Checked) -> Path:
        """Validates the laws, writes the pages and returns their index."""
        self._tasks.append(self._thread.submit(self._laws, [f for f in checked.findings if not _is_column_check(f)]))
        return [task.result() for task in self._tasks][-1]

    def _open(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        shutil.rmtree(self._target, ignore_errors=True)
        self._target.mkdir(parents=True)
        self._context = _context(self._target)
        self._source = self._context.data_sources.add_pandas("build")

    def _columns(self, table: Table, rules: list[Finding]) -> None:
        _validate(self._context, self._source, f"columns of {table.name}", _frame(table, rules), rules)

    def _laws(self, findings: list[Finding]) -> Path:
        _validate(self._context, self._source, "laws of the build", _offenders(findings), findings)
        self._context.build_data_docs()
        return offline.make(self._target)


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
        },
    )
    return context


def _validate(context: Any, source: Any, name: str, frame: Any, findings: list[Finding]) -> None:
    """Runs one suite over one frame and compares the counts."""
    import great_expectations as gx

    # Handed over at once: a suite compares every expectation that is added later with all before it.
    suite = gx.ExpectationSuite(name=name.replace("/", "."), expectations=[_expectation(one) for one in findings])
    asset = source.add_dataframe_asset(name.replace("/", "."))
    definition = gx.ValidationDefinition(
        name=suite.name, data=asset.add_batch_definition_whole_dataframe("whole"), suite=context.suites.add(suite)
    )
    added = context.validation_definitions.add(definition)
    results = added.run(batch_parameters={"dataframe": frame}, result_format="BASIC").results
    _compare({result.expectation_config.meta["finding"]: result for result in results}, findings)


def _name(finding: Finding) -> str:
    return f"{finding.law} of {finding.table}"


def _compare(results: dict[str, Any], findings: list[Finding]) -> None:
    for finding in findings:
        result = results[_name(finding)]
        if result.exception_info.get("raised_exception"):
            raise SycoError(f"Great Expectations failed at '{finding.law}': {result.exception_info}")
        counted = result.result.get("unexpected_count", 0)
        if counted != finding.offending or result.success != finding.holds:
            raise SycoError(
                f"law '{finding.law}' of {finding.table}: Great Expectations counts {counted:,} offenders, "
                f"we count {finding.offending:,}"
            )


def _expectation(finding: Finding) -> Any:
    """The expectation of one finding; `meta` carries the law's name to the result."""
    import great_expectations.expectations as gxe

    meta, rule = {"finding": _name(finding)}, finding.rule
    if not _is_column_check(finding):
        return law_expectation()(
            law=_name(finding), says=finding.says, rows=finding.rows, offending=finding.offending, meta=meta
        )
    if rule.kind == "present":
        return gxe.ExpectColumnValuesToNotBeNull(column=rule.column, meta=meta)
    if rule.kind == "unique":
        return gxe.ExpectColumnValuesToBeUnique(column=rule.column, meta=meta)
    if _is_stated(rule):
        return gxe.ExpectColumnValuesToBeInSet(column=rule.says, value_set=[True], meta=meta)
    if rule.kind == "among":
        return gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=list(rule.values), meta=meta)
    return gxe.ExpectColumnValuesToMatchRegex(column=rule.column, regex=rule.pattern, meta=meta)


def law_expectation() -> type:
    """The custom expectation; made on first use, since importing Great Expectations takes seconds."""
    if "class" not in _MADE:
        _MADE["class"] = _make_law_expectation()
    return _MADE["class"]


_MADE: dict[str, type] = {}


def _make_law_expectation() -> type:
    from typing import ClassVar

    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.expectations.expectation import BatchExpectation, render_suite_parameter_string
    from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
    from great_expectations.render.renderer.renderer import renderer

    class ExpectLawToHold(BatchExpectation):
        """Expects that no row of the batch (columns `law`, `id`) is an offender of the law."""

        law: str
        says: str
        rows: int
        offending: int
        metric_dependencies: ClassVar = ()
        args_keys: ClassVar = ("law", "says", "rows", "offending")

        def _validate(self, metrics: dict, runtime_configuration: Any = None, execution_engine: Any = None) -> dict:
            frame = execution_engine.get_compute_domain({}, domain_type=MetricDomainTypes.TABLE)[0]
            offenders = frame[frame["law"] == self.law]
            # The frame names the first offenders; the row that closes a list carries how many more there are.
            count = int(offenders["count"].sum())
            percent = 100 * count / self.rows if self.rows else 0.0
            result = {
                "observed_value": f"{count:,} of {self.rows:,}",
                "element_count": self.rows,
                "unexpected_count": count,
                "unexpected_percent": percent,
                "unexpected_percent_nonmissing": percent,
                "missing_count": 0,
                "partial_unexpected_list": [name for name in offenders["id"] if name],
            }
            return {"success": count == 0, "result": result}

        @classmethod
        @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
        @render_suite_parameter_string
        def _prescriptive_renderer(cls, configuration: Any = None, **_: Any) -> list:
            told = {"law": configuration.kwargs["law"], "says": configuration.kwargs["says"]}
            template = {"template": "$law: $says", "params": told, "styling": {"default": {"classes": []}}}
            return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]

    return ExpectLawToHold


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
