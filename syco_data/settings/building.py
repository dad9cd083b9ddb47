"""Where rows come from, and what claims and prompts are made of them."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from syco_data.errors import SycoError
from syco_data.settings.records import (
    MOST_NAMES,
    Characters,
    Items,
    Name,
    PathText,
    Record,
    Revision,
    Rows,
    Seconds,
    Share,
    Templates,
    Tries,
    local_path,
)


class SyntheticRows(Record):
    """Rows made for each synthetic source, per split."""

    train: Items
    held_out: Items


class Hub(Record):
    """How often a call over the network is tried, and the seconds between tries: doubling from the first."""

    attempts: Tries
    first_wait: Seconds
    longest_wait: Seconds
    no_answer: Seconds = 60.0
    """Seconds without a byte after which a request is given up."""
    total: Annotated[float, Field(gt=0, le=10_000_000)] = 21_600.0
    """Seconds for everything that a command or stage asks of the Hub."""


class Noise(Record):
    """Shares of synthetic rows with a defect that real rows have; `reach` is how many rows back a repeated one lies."""

    repeated: Share
    conflicting: Share
    borrowed: Share
    unlabelled: Share
    odd: Share
    reach: Items


class Acquire(Record):
    origin: Literal["synthetic", "directory", "hub"]
    directory: PathText | None
    synthetic_rows: SyntheticRows
    noise: Noise

    def folder(self) -> Path:
        """The directory of sources: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_SOURCES")
        if not named:
            raise SycoError(
                "acquire.origin is 'directory', but acquire.directory is null and SYCO_SOURCES is not set",
                "Set one of them to a folder laid out like <owner>__<name>/<config>/<split>.parquet",
            )
        return local_path(named)


class SourceChoice(Record):
    """What a build may do with one of the 17 sources."""

    revision: Revision
    licence: Literal["allow", "no_text", "exclude"]


class Claims(Record):
    compat: Literal["none", "published"]
    other_share: Share
    max_characters: Characters
    conflicts: Literal["drop", "first"]
    double_negatives: Literal["clean", "published"]


class Prompts(Record):
    rows: Rows
    sampling: Literal["proportional", "balanced"] | Annotated[dict[Name, Share], Field(max_length=MOST_NAMES)]
    cap: Rows | None
    templates: Templates
    template_folder: PathText
