"""The settings as one record, and what is said of a fault in them."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from syco_data.errors import SycoError
from syco_data.settings.building import Acquire, Claims, Hub, Prompts, SourceChoice
from syco_data.settings.evaluating import Evaluate, Report
from syco_data.settings.filtering import Engines, Filter, Model
from syco_data.settings.names import key_shown, likely, shown, unknown
from syco_data.settings.probing import Probes
from syco_data.settings.records import MOST_NAMES, Name, Record, Seed
from syco_data.settings.reference import Reference
from syco_data.settings.releasing import Arm, Build, Publish, Release, Select, Validate
from syco_data.settings.tuning import Finetune, Instructions
from syco_data.sources import SOURCES

RESERVED_MODELS = {"verdicts": "a release has its verdicts under that name"}
RESERVED_ARMS = {"base": "the answers of the model before tuning lie under that name"}
"""Names that this program gives: a model `verdicts` with an arm `x` would be one config with the verdicts of `x`."""

_WORDS = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"a valid dictionary( or instance of \w+)?"), "a mapping"),
    (re.compile(r"a valid tuple"), "a list"),
    (re.compile(r"^Dictionary\b"), "Mapping"),
    (re.compile(r"^Tuple\b"), "List"),
)


class Settings(Record):
    seed: Seed
    acquire: Acquire
    sources: Annotated[dict[Name, SourceChoice], Field(min_length=1, max_length=MOST_NAMES)]
    claims: Claims
    prompts: Prompts
    build: Build
    models: Annotated[dict[Name, Model], Field(max_length=MOST_NAMES)]
    arms: Annotated[dict[Name, Arm], Field(max_length=MOST_NAMES)]
    reference: Reference
    engines: Engines
    filter: Filter
    select: Select
    # `validate` itself is a method of pydantic's records.
    checks: Annotated[Validate, Field(alias="validate")]
    release: Release
    publish: Publish
    hub: Hub
    probes: Probes
    evaluate: Evaluate
    instructions: Instructions
    finetune: Finetune
    report: Report

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        _known("sources", self.sources, SOURCES)
        _distinct("models", self.models, RESERVED_MODELS)
        _distinct("arms", self.arms, RESERVED_ARMS)
        _known("build.models", self.build.models, self.models)
        _known("build.arms", self.build.arms, self.arms)
        _distinct("build.models", self.build.models)
        _distinct("build.arms", self.build.arms)
        if isinstance(self.prompts.sampling, dict):
            _known("prompts.sampling", self.prompts.sampling, self.sources)
            if not sum(self.prompts.sampling.values()) > 0:
                raise SycoError("prompts.sampling: the shares sum to nothing", "Give a source a share above 0")
        for arm in self.arms:
            self.tuning(arm)
        one_kind = self.claims.compat == "published" or not self.claims.other_share
        if one_kind and any(way.ask != "labels" and way.calibrate == "batch" for way in self.filter.ways):
            raise SycoError(
                "filter.calibrate 'batch' takes a habit of agreeing from claims that are true and false alike, and "
                "with gold labels alone every 'is' claim is true",
                "Set claims.other_share above 0 (and claims.compat: none), filter.ask: labels, or calibrate: order",
            )
        if self.evaluate.split == "development" and not self.probes.development_share:
            raise SycoError(
                "evaluate.split is 'development', but probes.development_share is 0.0: no probe would be left",
                "Give development_share a value above 0, or set evaluate.split to reported",
            )
        return self

    def participating(self) -> list[str]:
        """The keys of the sources that are not excluded."""
        return [key for key, choice in self.sources.items() if choice.licence != "exclude"]

    def tuning(self, arm: str) -> Finetune:
        """The settings of fine-tuning for one arm: the `finetune` group with the arm's own values put over it."""
        _known("arms", [arm], self.arms)
        changes = self.arms[arm].finetune
        _known(f"arms.{arm}.finetune", changes, Finetune.model_fields)
        both = _over(self.finetune.model_dump(), changes)
        try:
            return Finetune.model_validate(both)
        except ValidationError as error:
            raise SycoError(explain(error, both, f"params.yaml: arms.{arm}.finetune", root=Finetune)) from error


def _known(where: str, names: Any, valid: Any) -> None:
    for name in names:
        if name not in valid:
            raise SycoError(f"{where}: {unknown(name, valid)}")


def _distinct(where: str, names: Iterable[str], reserved: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuses names that are one file for a system that does not tell upper and lower case apart."""
    seen: dict[str, str] = {}
    for name in names:
        lower = name.lower()
        if lower in reserved:
            raise SycoError(f"{where}: '{name}' cannot be a name: {reserved[lower]}", "Choose another one")
        if lower in seen:
            how = "is named twice" if seen[lower] == name else f"differs from '{seen[lower]}' in upper case alone"
            raise SycoError(f"{where}: '{name}' {how}", "Rename or remove one: both would be the same folder")
        seen[lower] = name


def _over(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes` put over it, mapping by mapping."""
    mappings = {key for key, new in changes.items() if isinstance(new, dict) and isinstance(base.get(key), dict)}
    both = {key: _over(base[key], changes[key]) for key in mappings}
    return {**base, **changes, **both}


def explain(
    error: ValidationError, values: Any, name: str = "params.yaml", group: str = "", root: type[Record] = Settings
) -> str:
    """The first fault of `values`, which are those of a `root`, or of one group of them, by the full name of its key.

    `name` is what the values are called.
    """
    above = (group,) if group else ()
    faults = [(_keys((*above, *fault["loc"]), fault, values), fault) for fault in error.errors(include_url=False)]
    # A value that may be of several kinds has a fault for each: those that lie deepest speak of the nearest kind.
    about = [(keys, fault) for keys, fault in faults if keys[: len(faults[0][0])] == faults[0][0]]
    location, first = max(about, key=lambda one: len(one[0]))
    full = ".".join(map(key_shown, location))
    if first["type"] == "extra_forbidden":
        return f"{name}: unknown key '{full}': {likely(location[-1], _fields_at(location[:-1], root))}"
    if first["type"] == "missing":
        return f"{name}: key '{full}' is missing. profiles/default.yaml shows every key"
    reasons = dict.fromkeys(_said(fault["msg"]) for keys, fault in about if keys == location)
    return f"{name}: '{full}': {', or: '.join(reasons)} (found: {shown(first['input'])})"


def _said(message: str) -> str:
    """What pydantic says of a value, in the words that a person who writes YAML has for it."""
    for pattern, word in _WORDS:
        message = pattern.sub(word, message)
    return message


def _keys(location: tuple, fault: Any, values: Any) -> list[str]:
    """The keys of the file on the way to a fault, without pydantic's names for the kinds that it tried."""
    keys = []
    for part in location:
        if isinstance(values, dict):
            there = part in values
        else:
            there = isinstance(values, tuple) and isinstance(part, int) and part < len(values)
        if there:
            values = values[part]
        if there or (fault["type"] == "missing" and part == fault["loc"][-1]):
            keys.append(str(part))
    return keys


def _fields_at(location: list[str], root: type[Record]) -> list[str]:
    """The valid keys of the record that a path of keys leads to."""
    record, named = root, False
    for part in location:
        if named:  # the name of a row in a mapping of records: the record itself is known already
            named = False
            continue
        field = _fields(record).get(part)
        inner = [one for one in getattr(field.annotation, "__args__", ()) if _is_record(one)] if field else []
        named = bool(inner) and getattr(field and field.annotation, "__origin__", None) is dict
        record = inner[0] if inner else field.annotation if field else record
    return list(_fields(record))


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


def _fields(record: Any) -> dict[str, Any]:
    """A record's fields by the name that they have in the file."""
    return {field.alias or name: field for name, field in getattr(record, "model_fields", {}).items()}
