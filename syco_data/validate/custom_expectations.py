"""Our custom expectations. Importing this module imports Great Expectations, which takes seconds."""

from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.expectations.expectation import BatchExpectation, render_suite_parameter_string
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer


class ExpectLawToHold(BatchExpectation):
    """Expects that no row of the batch (columns `law`, `id`, `count`) is an offender of the law."""

    law: str
    says: str
    rows: int
    offending: int
    metric_dependencies: ClassVar = ()
    args_keys: ClassVar = ("law", "says", "rows", "offending")

    def _validate(self, metrics: dict, runtime_configuration: Any = None, execution_engine: Any = None) -> dict:
        frame = _frame(execution_engine)
        offenders = frame[frame["law"] == self.law]
        # The frame names the first offenders; the row that closes a list carries how many more there are.
        named = [name for name in offenders["id"] if name]
        return _outcome(int(offenders["count"].sum()), self.rows, {"partial_unexpected_list": named})

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(cls, configuration: Any = None, **_: Any) -> list:
        return _sentence("$law: $says", configuration.kwargs)


class ExpectColumnsToHaveNoNulls(BatchExpectation):
    """Expects that no column of a list holds a null; `details` counts the nulls of each.

    Great Expectations has it for one column at a time, which costs 25 ms each whatever the table.
    """

    columns: list[str]
    metric_dependencies: ClassVar = ()
    args_keys: ClassVar = ("columns",)

    def _validate(self, metrics: dict, runtime_configuration: Any = None, execution_engine: Any = None) -> dict:
        frame = _frame(execution_engine)
        return _outcome_of_columns({name: int(frame[name].isna().sum()) for name in self.columns}, len(frame))

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(cls, configuration: Any = None, **_: Any) -> list:
        return _sentence("no nulls in: $listed", {"listed": ", ".join(configuration.kwargs["columns"])})


class ExpectColumnsToHoldListedValues(BatchExpectation):
    """Expects of some columns that each holds values of its list alone, or nulls; `details` counts the others."""

    listed: dict[str, list[str]]
    metric_dependencies: ClassVar = ()
    args_keys: ClassVar = ("listed",)

    def _validate(self, metrics: dict, runtime_configuration: Any = None, execution_engine: Any = None) -> dict:
        frame = _frame(execution_engine)
        others = {name: frame[name].notna() & ~frame[name].isin(values) for name, values in self.listed.items()}
        return _outcome_of_columns({name: int(rows.sum()) for name, rows in others.items()}, len(frame))

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(cls, configuration: Any = None, **_: Any) -> list:
        listed = configuration.kwargs["listed"]
        told = "; ".join(f"{name} is one of: {', '.join(values)}" for name, values in listed.items())
        return _sentence("in every row: $listed", {"listed": told})


class ExpectStatementsToHold(BatchExpectation):
    """Expects that each of a list of true-or-false columns is true in every row; `details` counts the others."""

    statements: list[str]
    metric_dependencies: ClassVar = ()
    args_keys: ClassVar = ("statements",)

    def _validate(self, metrics: dict, runtime_configuration: Any = None, execution_engine: Any = None) -> dict:
        frame = _frame(execution_engine)
        return _outcome_of_columns({name: int((~frame[name]).sum()) for name in self.statements}, len(frame))

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(cls, configuration: Any = None, **_: Any) -> list:
        return _sentence("in every row: $listed", {"listed": "; ".join(configuration.kwargs["statements"])})


def _frame(engine: Any) -> Any:
    return engine.get_compute_domain({}, domain_type=MetricDomainTypes.TABLE)[0]


def _outcome(unexpected: int, looked_at: int, more: dict) -> dict:
    """What an expectation returns: so many values of those it looked at are not as expected."""
    percent = 100 * unexpected / looked_at if looked_at else 0.0
    result = {
        "observed_value": f"{unexpected:,} of {looked_at:,}",
        "element_count": looked_at,
        "unexpected_count": unexpected,
        "unexpected_percent": percent,
        "unexpected_percent_nonmissing": percent,
        "missing_count": 0,
        **more,
    }
    return {"success": unexpected == 0, "result": result}


def _outcome_of_columns(counts: dict[str, int], rows: int) -> dict:
    return _outcome(sum(counts.values()), rows * len(counts), {"details": counts})


def _sentence(template: str, params: dict) -> list:
    told = {"template": template, "params": params, "styling": {"default": {"classes": []}}}
    return [RenderedStringTemplateContent(content_block_type="string_template", string_template=told)]
