"""What all groups of settings share: the strict, frozen record and the types of values.

Every number has a largest value and every text a longest length. They are far above what anybody builds, and low enough
that a slip of the keyboard, or the settings of somebody else's release, is one line and never a memory that fills up.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from syco_data.errors import SycoError
from syco_data.settings.names import matching, noticed

LONGEST_PATH, LONGEST_PART = 4096, 255  # bytes, as Linux has them
MOST_NAMES = 1000  # of a list or a mapping
MOST_TEMPLATES = 100
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def _line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("a control character is not allowed here")
    return text


def _path(path: str) -> str:
    """Of this machine; `~` and what it is relative to are its reader's business."""
    if len(path.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_PART for part in path.split("/")):
        raise ValueError(f"a path has at most {LONGEST_PATH:,} bytes, each name in it at most {LONGEST_PART}")
    return _line(path)


def local_path(path: str) -> Path:
    """With the user's home in the place of `~`; a user who is not here is no error, but a folder that is not there."""
    return Path(os.path.expanduser(path))


def folder_of(directory: str | None, group: str, variable: str, contents: str) -> Path:
    """The folder that `directory` of a group names, else the environment. Raises `SycoError` where neither does."""
    if not (path := directory or os.environ.get(variable)):
        raise SycoError(
            f"{group}.origin is 'directory', but {group}.directory is null and {variable} is not set",
            f"Set one of them to a folder {contents}",
        )
    return local_path(path)


# Shares and rates
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]  # of learning
Decay = Annotated[float, Field(ge=0, le=1)]
Norm = Annotated[float, Field(gt=0, le=1e6)]  # of a gradient
Nats = Annotated[float, Field(ge=0, le=1000)]
# Rows, and what is done with them
Rows = Annotated[int, Field(gt=0, le=100_000_000)]  # of a table
Items = Annotated[int, Field(gt=0, le=1_000_000)]  # that are made or compared in memory
ProbeItems = Annotated[int, Field(gt=0, le=100_000)]  # ten times a published survey
Examples = Annotated[int, Field(gt=0, le=10_000)]  # shown to people
ItemsOrZero = Annotated[int, Field(ge=0, le=1_000_000)]
ExamplesOrZero = Annotated[int, Field(ge=0, le=10_000)]
# Of models and their training
Characters = Annotated[int, Field(gt=0, le=10_000_000)]
Tokens = Annotated[int, Field(gt=0, le=10_000_000)]
Steps = Annotated[int, Field(gt=0, le=1_000_000)]
StepsOrZero = Annotated[int, Field(ge=0, le=1_000_000)]
Batch = Annotated[int, Field(gt=0, le=100_000)]
BatchOrZero = Annotated[int, Field(ge=0, le=100_000)]
Width = Annotated[int, Field(gt=0, le=16_384)]  # of a layer
Layers = Annotated[int, Field(gt=0, le=256)]
LayersOrZero = Annotated[int, Field(ge=0, le=256)]
Rank = Annotated[int, Field(gt=0, le=16_384)]  # of an adapter
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy, torch and transformers take
# Of machines
Processes = Annotated[int, Field(gt=0, le=1024)]  # and threads, GPUs, actors
Portion = Annotated[float, Field(ge=0, le=1024)]  # of CPUs or GPUs for one actor
GiB = Annotated[int, Field(gt=0, le=16_384)]
Tries = Annotated[int, Field(gt=0, le=100)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
# Texts
Name = Annotated[
    str,
    Field(max_length=64),
    matching("[A-Za-z0-9][A-Za-z0-9_]*", "a name has letters, digits and _, and begins with no _"),
    AfterValidator(noticed),
]
Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_line)]
Revision = Annotated[str, Field(max_length=255), matching(r"[^\s\x00-\x1f\x7f-\x9f]+", "a revision has no white space")]
PathText = Annotated[str, Field(min_length=1, max_length=LONGEST_PATH), AfterValidator(_path)]
# A template's file: it is copied into a release, so no path leads elsewhere (`release.manifest.safe_path`).
TemplateName = Annotated[
    str,
    Field(max_length=100),
    matching(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", "the name of a template is that of its file, without a folder"),
]
Templates = Annotated[tuple[TemplateName, ...], Field(max_length=MOST_TEMPLATES)]


class Record(BaseModel):
    # Strict, so that "yes" is not a flag and "1e-5" (text to a YAML 1.1 reader) is not a number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
