"""Reads and checks settings: `params.yaml`, plain values, or some groups of a release."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from syco_data.errors import SycoError
from syco_data.settings.whole import Settings, explain

PARAMS = Path("params.yaml")


def load(path: Path = PARAMS) -> Settings:
    """Reads and checks the settings; every fault of the file is one line."""
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path} here", "Run from the root of the project") from error
    except yaml.YAMLError as error:
        raise SycoError(f"{path} is no valid YAML: {error}") from error


def parse(values: Any) -> Settings:
    if not isinstance(values, dict):
        raise SycoError(f"params.yaml: expected a mapping, found {type(values).__name__}")
    try:
        # YAML has lists and no tuples: strictness stays for every other type.
        return Settings.model_validate(_tuples(values))
    except ValidationError as error:
        raise SycoError(explain(error, values)) from error


def parse_groups(values: dict[str, Any]) -> Settings:
    """Settings of some groups alone, as a release carries them; asking for another group is a programmer's fault."""
    fields = {(field.alias or name): (name, field) for name, field in Settings.model_fields.items()}
    parsed = {}
    for group, value in values.items():
        name, field = fields[group]
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        try:
            parsed[name] = TypeAdapter(kind).validate_python(_tuples(value), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in (group, *first["loc"]))
            raise SycoError(f"settings: '{where}': {first['msg']} (found: {first['input']!r})") from error
    return Settings.model_construct(**parsed)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
