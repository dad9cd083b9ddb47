"""`params.yaml` as frozen, typed records. Every number lives in the file: there are no defaults in code.

A key that is unknown, missing or of the wrong type is refused by its full name, with the nearest valid one.
"""

from syco_data.settings.acquire import Acquire, Noise, SourceChoice, SyntheticRows
from syco_data.settings.build import Answers, Arm, Build, Select
from syco_data.settings.claims import Claims
from syco_data.settings.engines import ENGINES, Engines, RayEngine, TransformersEngine, VllmEngine
from syco_data.settings.evaluate import Capability, Evaluate, Generation
from syco_data.settings.filter import Filter
from syco_data.settings.finetune import Finetune, Launcher, Lora, Parts
from syco_data.settings.hub import Hub
from syco_data.settings.instructions import Columns, Instructions
from syco_data.settings.models import REFERENCE, Model
from syco_data.settings.names import unknown
from syco_data.settings.probes import AdditionProbes, HeldOutProbes, Probes, SurveyProbes
from syco_data.settings.prompts import Prompts
from syco_data.settings.publish import Publish
from syco_data.settings.reading import PARAMS, load, parse, parse_groups
from syco_data.settings.records import Record, local_path
from syco_data.settings.reference import (
    LongItems,
    Reference,
    ReferenceGate,
    ReferenceModel,
    ReferenceOptimiser,
    ReferenceStep,
    ReferenceTargets,
)
from syco_data.settings.release import Release
from syco_data.settings.report import Report
from syco_data.settings.validate import Audit, Validate
from syco_data.settings.whole import Settings

__all__ = [
    "ENGINES",
    "PARAMS",
    "REFERENCE",
    "Acquire",
    "AdditionProbes",
    "Answers",
    "Arm",
    "Audit",
    "Build",
    "Capability",
    "Claims",
    "Columns",
    "Engines",
    "Evaluate",
    "Filter",
    "Finetune",
    "Generation",
    "HeldOutProbes",
    "Hub",
    "Instructions",
    "Launcher",
    "LongItems",
    "Lora",
    "Model",
    "Noise",
    "Parts",
    "Probes",
    "Prompts",
    "Publish",
    "RayEngine",
    "Record",
    "Reference",
    "ReferenceGate",
    "ReferenceModel",
    "ReferenceOptimiser",
    "ReferenceStep",
    "ReferenceTargets",
    "Release",
    "Report",
    "Select",
    "Settings",
    "SourceChoice",
    "SurveyProbes",
    "SyntheticRows",
    "TransformersEngine",
    "Validate",
    "VllmEngine",
    "load",
    "local_path",
    "parse",
    "parse_groups",
    "unknown",
]
