"""Instructions that are mixed in."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from syco_data.settings.records import MOST_NAMES, PathText, Record, Revision, Rows, Text, folder_of

MOST_MADE_ROWS = 1_000_000


class Columns(Record):
    """Where a file keeps an instruction: texts that are joined by a blank line, the answer, the name of its task."""

    prompt: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_NAMES)]
    completion: Text
    task: Text | None


class Instructions(Record):
    """Instruction rows to mix in. `columns` null: recognised from the column names."""

    origin: Literal["synthetic", "directory", "hub"]
    directory: PathText | None
    hub_id: Text | None
    revision: Revision | None
    columns: Columns | None
    rows: Rows
    exclude_sources: bool
    over_length: Literal["stop", "drop"]

    @model_validator(mode="after")
    def _made_rows_have_room(self) -> "Instructions":
        if self.origin == "synthetic" and self.rows > MOST_MADE_ROWS:
            raise ValueError(f"origin 'synthetic' makes its rows in memory, at most {MOST_MADE_ROWS:,} of them")
        return self

    @model_validator(mode="after")
    def _hub_is_named(self) -> "Instructions":
        if self.origin == "hub" and (self.hub_id is None or self.revision is None):
            raise ValueError("origin 'hub' needs hub_id and revision (a commit of 40 digits)")
        return self

    def folder(self) -> Path:
        """The folder of instruction files: from the params, else from the environment."""
        return folder_of(
            self.directory, "instructions", "SYCO_INSTRUCTIONS", "with *.parquet, *.jsonl or *.jsonl.gz files"
        )
