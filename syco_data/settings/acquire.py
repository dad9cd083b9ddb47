"""Where rows come from, and what a build may do with each source."""

from pathlib import Path
from typing import Literal

from syco_data.settings.records import Items, PathText, Record, Revision, Share, folder_of


class SyntheticRows(Record):
    """Rows made for each synthetic source, per split."""

    train: Items
    held_out: Items


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
        return folder_of(
            self.directory, "acquire", "SYCO_SOURCES", "laid out like <owner>__<name>/<config>/<split>.parquet"
        )


class SourceChoice(Record):
    """What a build may do with one of the 17 sources."""

    revision: Revision
    licence: Literal["allow", "no_text", "exclude"]
