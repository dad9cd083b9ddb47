"""The settings as one record."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from syco_data.errors import SycoError
from syco_data.settings.acquire import Acquire, SourceChoice
from syco_data.settings.build import Arm, Build, Select
from syco_data.settings.claims import Claims
from syco_data.settings.engines import Engines
from syco_data.settings.evaluate import Evaluate
from syco_data.settings.explaining import explain
from syco_data.settings.filter import Filter
from syco_data.settings.finetune import Finetune
from syco_data.settings.hub import Hub
from syco_data.settings.instructions import Instructions
from syco_data.settings.models import Model
from syco_data.settings.names import unknown
from syco_data.settings.probes import Probes
from syco_data.settings.prompts import Prompts
from syco_data.settings.publish import Publish
from syco_data.settings.records import MOST_NAMES, Name, Record, Seed
from syco_data.settings.reference import Reference
from syco_data.settings.release import Release
from syco_data.settings.report import Report
from syco_data.settings.validate import Validate
from syco_data.sources import SOURCES

RESERVED_MODELS = {"verdicts": "a release has its verdicts under that name"}
RESERVED_ARMS = {"base": "the answers of the model before tuning lie under that name"}
"""Names that this program gives: a model `verdicts` with an arm `x` would be one config with the verdicts of `x`."""


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
            raise SycoError(explain(error, both, Finetune, f"params.yaml: arms.{arm}.finetune")) from error


def _known(where: str, names: Any, valid: Any) -> None:
    for name in names:
        if name not in valid:
            hint = "Or add it: python -m syco_data models add NAME SOURCE" if where == "build.models" else ""
            raise SycoError(f"params.yaml: {where}: {unknown(name, valid)}", hint)


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


def check_names(values: dict[str, Any]) -> None:
    """Refuses a name in the groups of params.yaml that no group defines: before its form is checked, and by the
    nearest one that is defined."""
    for key in ("models", "arms"):
        build, defined = values.get("build"), values.get(key)
        names = build.get(key) if isinstance(build, dict) else None
        if isinstance(names, list | tuple) and isinstance(defined, dict):
            _known(f"build.{key}", [name for name in names if isinstance(name, str)], defined)
