"""What is wrong with settings, in the words that a person who writes YAML has for it: never the library's own."""

import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from syco_data.settings.names import key_shown, likely, shown, unknown
from syco_data.settings.records import Record

_WORDS = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
    "none_required": "expected null",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "has too few entries, at least {min_length}",
    "too_long": "has too many entries, at most {max_length}",
    "string_too_short": "has fewer characters than {min_length}",
    "string_too_long": "has more characters than {max_length}",
}
_QUOTED = re.compile(r"'([^']*)'")


def explain(error: ValidationError, values: Any, root: type[Record], name: str = "params.yaml", group: str = "") -> str:
    """The first thing wrong with `values`, which are those of a `root` or of one group of it, by its full key.

    `name` is what the values are called. A misspelt key is both unknown and missing: it is called unknown.
    """
    above = (group,) if group else ()
    problems = [(_keys((*above, *one["loc"]), one, values), one) for one in error.errors(include_url=False)]
    problems.sort(key=lambda problem: problem[1]["type"] != "extra_forbidden")
    # A value that may be of several kinds has a problem with each: those that lie deepest speak of the nearest kind.
    about = [(keys, one) for keys, one in problems if keys[: len(problems[0][0])] == problems[0][0]]
    location, first = max(about, key=lambda problem: len(problem[0]))
    full = ".".join(map(key_shown, location))
    if first["type"] == "extra_forbidden":
        return f"{name}: unknown key '{full}': {likely(location[-1], fields_at(location[:-1], root))}"
    if first["type"] == "missing":
        return f"{name}: key '{full}' is missing. profiles/default.yaml shows every key"
    reasons = dict.fromkeys(_words(one) for keys, one in about if keys == location)
    problem = f"{name}: '{full}': {', or: '.join(reasons)}"
    # A whole record tells nobody anything, and a reason that no such name is valid holds the name.
    value = first["input"]
    is_said = first["type"] == "value_error" if isinstance(value, dict) else f"there is no {shown(value)}" in problem
    return problem if is_said else f"{problem} (found: {shown(value)})"


def _words(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "literal_error":
        valid = _QUOTED.findall(context["expected"])
        return unknown(problem["input"], valid) if isinstance(problem["input"], str) else f"one of {', '.join(valid)}"
    if kind == "value_error":
        return str(context["error"])
    limits = {name: f"{limit:,}".removesuffix(".0") for name, limit in context.items() if type(limit) in (int, float)}
    return _WORDS[kind].format(**limits) if kind in _WORDS else problem["msg"]


def _keys(location: tuple, problem: ErrorDetails, values: Any) -> list[str]:
    """The keys of the file on the way to a problem, without pydantic's names for the kinds that it tried."""
    keys = []
    for part in location:
        if isinstance(values, dict):
            there = part in values
        else:
            there = isinstance(values, tuple) and isinstance(part, int) and part < len(values)
        if there:
            values = values[part]
        if there or (problem["type"] == "missing" and part == problem["loc"][-1]):
            keys.append(str(part))
    return keys


def fields_at(location: list[str], root: type[Record]) -> list[str]:
    """The valid keys of the record that a path of keys leads to."""
    record, is_named = root, False
    for part in location:
        if is_named:  # the name of a row in a mapping of records: the record itself is known already
            is_named = False
            continue
        field = _fields(record).get(part)
        inner = [one for one in getattr(field.annotation, "__args__", ()) if _is_record(one)] if field else []
        is_named = bool(inner) and getattr(field and field.annotation, "__origin__", None) is dict
        record = inner[0] if inner else field.annotation if field else record
    return list(_fields(record))


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


def _fields(record: Any) -> dict[str, Any]:
    """A record's fields by the name that they have in the file."""
    return {field.alias or name: field for name, field in getattr(record, "model_fields", {}).items()}
