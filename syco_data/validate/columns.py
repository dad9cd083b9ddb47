"""What single columns may hold: rules made from the schemas, each as a law and as what a checker needs to know.

A rule says one thing of one column of one table. `checks` hands the same rules to Great Expectations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from syco_data import schemas
from syco_data.prompts import personas
from syco_data.prompts.templates import OPINIONS, ORDERS
from syco_data.schemas import TEXT, Schema
from syco_data.settings import Settings
from syco_data.sources import SOURCES
from syco_data.validate.lawbook import Law

LETTERS = ("(A)", "(B)")
ID = "^[0-9a-f]{32}$"
IDS = ("claim_id", "prompt_id", "probe_id")
PROSE = ("input", "claim", "prompt", "stripped_prompt")
NOT_OF_PROBES = (*schemas.PERSONA, "option_order")  # each family has its own people and orders
NONE_ABOVE = 0.0  # a log-probability

VALUES: dict[str, tuple[str, ...]] = {
    "label_kind": ("gold", "other"),
    "polarity": ("is", "is not"),
    "opinion": OPINIONS,
    "option_order": ORDERS,
    "answer": LETTERS,
    "choice": LETTERS,
    "swapped_choice": LETTERS,
    "completion": tuple(f" {letter}" for letter in LETTERS),
    "name": personas.NAMES,
    "school_1": personas.SCHOOLS,
    "school_2": personas.SCHOOLS,
    "split": ("development", "reported"),
    "instruction": ("none", "independence"),
}
REASONS: dict[str, tuple[str, ...]] = {
    schemas.DROPPED_ROWS.name: ("unlabelled", "duplicate", "conflict", "empty", "too_long"),
    schemas.UNUSED_ROWS.name: (
        "unlabelled", "duplicate", "conflict", "empty", "too_long", "in_training", "not_sampled",
    ),
    schemas.NOT_SAMPLED.name: ("not_sampled",),
    schemas.VERDICTS.name: ("unknown", "unsure", "too_long"),
    schemas.DROPPED_PROMPTS.name: ("label_kind", "unknown", "unsure", "too_long", "balance", "not_sampled"),
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """`kind` says how the other fields are read: `values` for `among`, `pattern`, `low` and `high` inclusive."""

    column: str
    kind: Literal["present", "unique", "among", "pattern", "between", "characters"]
    values: tuple[str, ...] = ()
    pattern: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        return f"{self.column}_{self.kind}"

    @property
    def says(self) -> str:
        """The rule in words."""
        bounds = " and ".join(
            words for words in (f"at least {self.low:g}" if self.low is not None else "",
                                f"at most {self.high:g}" if self.high is not None else "") if words
        )  # fmt: skip
        listed = ", ".join(self.values) if len(self.values) <= 20 else f"{len(self.values):,} listed values"
        return {
            "present": f"{self.column} is never null",
            "unique": f"{self.column} occurs once",
            "among": f"{self.column} is one of: {listed}",
            "pattern": f"{self.column} has the form {self.pattern}",
            "between": f"{self.column} is {bounds}",
            "characters": f"{self.column} has {bounds} characters",
        }[self.kind]

    def holds(self) -> pl.Expr:
        """Whether the rule holds of a row; a null is only a fault under `present`."""
        column = pl.col(self.column)
        if self.kind == "present":
            return column.is_not_null()
        if self.kind == "unique":
            return column.is_unique() | column.is_null()
        if self.kind == "among":
            stated = column.is_in(list(self.values))
        elif self.kind == "pattern":
            stated = column.str.contains(self.pattern)
        else:
            size = column.str.len_chars() if self.kind == "characters" else column
            bounds = [size >= self.low] if self.low is not None else []
            stated = pl.all_horizontal([*bounds, size <= self.high] if self.high is not None else bounds)
        return stated.fill_null(True)


def rules(schema: Schema, settings: Settings) -> list[Rule]:
    """Every rule of one table's columns."""
    found = []
    for name, kind in schema.columns.items():
        if name not in schema.nullable:
            found.append(Rule(name, "present"))
        if schema.key == (name,):
            found.append(Rule(name, "unique"))
        if kind == TEXT:
            found += _of_text(schema, name, settings)
        elif name == "age":
            found.append(Rule(name, "between", low=personas.YOUNGEST, high=personas.OLDEST))
        elif name == "row":
            found.append(Rule(name, "between", low=0))
        elif "logprob_" in name:
            found.append(Rule(name, "between", high=NONE_ABOVE))
    if schema.name == schemas.PROMPTS.name:
        found.append(Rule("claim_id", "unique"))
    return found


def _of_text(schema: Schema, name: str, settings: Settings) -> list[Rule]:
    values = _values(schema, name, settings)
    if values is not None:
        return [Rule(name, "among", values=values)]
    if name in IDS:
        return [Rule(name, "pattern", pattern=ID)]
    if name in PROSE:
        limited = name == "input" and settings.claims.compat == "none"
        return [Rule(name, "characters", low=1, high=settings.claims.max_characters if limited else None)]
    return []


def _values(schema: Schema, name: str, settings: Settings) -> tuple[str, ...] | None:
    """The closed vocabulary of a column in this table, if it has one."""
    is_probes = schema.name == schemas.PROBES.name
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


def laws(table: str, rows: pl.LazyFrame, schema: Schema, settings: Settings) -> Mapping[Rule, Law]:
    """The rules of a table as laws; offenders are named by the table's key."""
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in schema.key], separator="/")
    return {
        rule: Law(rule.name, table, rule.says, rows.filter(~rule.holds()).select(id=key))
        for rule in rules(schema, settings)
    }


def faults(rows: pl.LazyFrame, schema: Schema) -> list[str]:
    """Columns that are missing, of another type, or not in the schema."""
    found = rows.collect_schema()
    wrong = [
        f"{name}: {found.get(name, 'missing')}, expected {kind}"
        for name, kind in schema.columns.items()
        if found.get(name) != kind
    ]
    return wrong + [f"{name}: not in the schema" for name in found if name not in schema.columns]
