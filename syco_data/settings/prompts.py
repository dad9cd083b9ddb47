"""What prompts are made of claims."""

from typing import Annotated, Literal

from pydantic import Field

from syco_data.settings.records import MOST_NAMES, Name, PathText, Record, Rows, Share, Templates


class Prompts(Record):
    rows: Rows
    sampling: Literal["proportional", "balanced"] | Annotated[dict[Name, Share], Field(max_length=MOST_NAMES)]
    cap: Rows | None
    templates: Templates
    template_folder: PathText
