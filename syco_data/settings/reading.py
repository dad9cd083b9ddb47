"""Reads and checks settings: `params.yaml`, plain values, or some groups of a release."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings.explaining import explain
from syco_data.settings.names import refuse_renamed, shown
from syco_data.settings.whole import Settings, check_names

PARAMS = Path("params.yaml")


def load(path: Path = PARAMS) -> Settings:
    """Reads and checks the settings; every error of the file is one line."""
    try:
        return parse(documents.read_yaml(path))
    except FileNotFoundError as error:
        if path.is_symlink():
            raise SycoError(f"{path} is a link to a file that is not there", "Put it right, or remove it") from error
        raise SycoError(f"there is no {path} here", "Run from the root of the project") from error


def parse(values: Any) -> Settings:
    """Checks plain values. Raises `SycoError` that names the key."""
    if not isinstance(values, dict):
        content = "nothing" if values is None else shown(values)
        raise SycoError(f"params.yaml: expected a mapping of keys to values, found {content}")
    refuse_renamed(values)
    plain = _plain(values, "params.yaml")
    check_names(plain)
    try:
        return Settings.model_validate(plain)
    except ValidationError as error:
        raise SycoError(explain(error, plain, Settings)) from error


def parse_groups(values: dict[str, Any], name: str = "settings") -> Settings:
    """Settings of some groups alone, as a release carries them; asking for another group is a programming error."""
    fields = {(field.alias or attribute): (attribute, field) for attribute, field in Settings.model_fields.items()}
    plain, parsed = _plain(values, name), {}
    for group, value in plain.items():
        attribute, field = fields[group]
        annotation: Any = field.annotation
        kind = Annotated[annotation, *field.metadata] if field.metadata else annotation
        try:
            parsed[attribute] = TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError as error:
            raise SycoError(explain(error, plain, Settings, name, group)) from error
    return Settings.model_construct(**parsed)


def _plain(values: Any, name: str) -> Any:
    """Lists as tuples: YAML has none, and strictness stays for every other type.

    A value that is named many times is written out each time, so they are counted; one that contains itself is deep.
    """
    left = documents.VALUES

    def converted(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise SycoError(f"{name} holds more than {documents.VALUES:,} values")
        if depth > documents.DEEPEST:
            raise SycoError(f"{name} is nested more than {documents.DEEPEST} levels deep")
        if isinstance(value, dict):
            return {key: converted(item, depth + 1) for key, item in value.items()}
        return tuple(converted(item, depth + 1) for item in value) if isinstance(value, list | tuple) else value

    return converted(values, 0)
