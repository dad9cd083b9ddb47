"""`params.yaml` as frozen, typed records. Every number lives in the file: there are no defaults in code.

A key that is unknown, missing or of the wrong type is refused by its full name, with the nearest valid one.
"""

from syco_data.settings.building import Acquire, Claims, Hub, Noise, Prompts, SourceChoice, SyntheticRows
from syco_data.settings.evaluating import Capability, Evaluate, Generation, Report
from syco_data.settings.filtering import (
    ENGINES,
    REFERENCE,
    Engines,
    Filter,
    Model,
    RayEngine,
    TransformersEngine,
    VllmEngine,
)
from syco_data.settings.names import unknown
from syco_data.settings.probing import AdditionProbes, HeldOutProbes, Probes, SurveyProbes
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
from syco_data.settings.releasing import Arm, Audit, Build, Publish, Release, Select, Validate
from syco_data.settings.tuning import Columns, Finetune, Instructions, Launcher, Lora, Parts
from syco_data.settings.whole import Settings

__all__ = [
    "ENGINES",
    "PARAMS",
    "REFERENCE",
    "Acquire",
    "AdditionProbes",
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
