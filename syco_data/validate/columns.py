"""What the columns of each table may hold: rules made from the schemas."""

from collections.abc import Iterator

import polars as pl

from syco_data import schemas
from syco_data.prompts import personas
from syco_data.schemas import LETTERS, OPINIONS, PROSE, REASONS, TEXT, Schema
from syco_data.settings import Settings
from syco_data.sources import SOURCES
from syco_data.validate.check import Check
from syco_data.validate.rules import Rule

ID = "^[0-9a-f]{32}$"
IDS = ("claim_id", "prompt_id", "probe_id")
NOT_OF_PROBES = (*schemas.PERSONA, "option_order")  # each family has its own people and orders
NONE_ABOVE = 0.0  # a log-probability

VALUES: dict[str, tuple[str, ...]] = {
    **schemas.CLASSES,
    "completion": tuple(f" {letter}" for letter in LETTERS),
    "name": personas.NAMES,
    "school_1": personas.SCHOOLS,
    "school_2": personas.SCHOOLS,
    "split": ("development", "reported"),
    "instruction": ("none", "independence"),
}


def rules(schema: Schema, settings: Settings) -> list[Rule]:
    """Every rule about the rows of a table."""
    by_column = [rule for name in schema.columns for rule in _of_column(schema, name, settings)]
    if len(schema.key) > 1:
        by_column.append(Rule("key", values=schema.key))
    return by_column


def _of_column(schema: Schema, name: str, settings: Settings) -> Iterator[Rule]:
    if name not in schema.nullable:
        yield Rule("present", name)
    if schema.key == (name,) or (schema.name, name) == (schemas.PROMPTS.name, "claim_id"):
        yield Rule("unique", name)
    if (values := _values(schema, name, settings)) is not None:
        yield Rule("among", name, values)
    elif name in IDS:
        yield Rule("pattern", name, pattern=ID)
    elif name in PROSE:
        limited = name == "input" and settings.claims.compat == "none"
        yield Rule("characters", name, low=1, high=settings.claims.max_characters if limited else None)
    elif name == "age":
        yield Rule("between", name, low=personas.YOUNGEST, high=personas.OLDEST)
    elif name == "row":
        yield Rule("between", name, low=0)
    elif "logprob_" in name:
        yield Rule("between", name, high=NONE_ABOVE)


def _values(schema: Schema, name: str, settings: Settings) -> tuple[str, ...] | None:
    """The closed vocabulary of a column in this table, if it has one."""
    is_probes = schema.name == schemas.PROBES.name
    if schema.columns[name] != TEXT:
        return None
    if name == "reason":
        return REASONS.get(schema.name)
    if name == "source" and not is_probes:
        return tuple(settings.sources)
    if name == "template" and not is_probes:
        return settings.prompts.templates
    if name == "opinion" and is_probes:
        return (*OPINIONS, "none")
    if name == "split" and not is_probes:
        source = SOURCES[schema.name.removeprefix("raw/")]
        return (source.train, source.held_out)
    if is_probes and name in NOT_OF_PROBES:
        return None
    return VALUES.get(name)


def checks(table: str, rows: pl.LazyFrame, schema: Schema, settings: Settings) -> list[Check]:
    """The rules of a table as checks; offenders are named by the table's key."""
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in schema.key], separator="/", ignore_nulls=True)
    return [
        Check(rule.name, table, rule.description, rows.filter(~rule.holds()).select(id=key), rule)
        for rule in rules(schema, settings)
    ]


def shape_errors(rows: pl.LazyFrame, schema: Schema) -> list[str]:
    """Columns that are missing, of another type, or not in the schema."""
    kinds = rows.collect_schema()
    wrong = [
        f"{name}: {kinds.get(name, 'missing')}, expected {kind}"
        for name, kind in schema.columns.items()
        if kinds.get(name) != kind
    ]
    return wrong + [f"{name}: not in the schema" for name in kinds if name not in schema.columns]
