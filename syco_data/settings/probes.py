"""What tuned models are asked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from syco_data.settings.records import PathText, ProbeItems, Record, Revision, Share, Templates, Text, folder_of


class HeldOutProbes(Record):
    """Claims from the held-out splits; `templates` may name seen and held-out ones, the first is the baseline's."""

    items: ProbeItems
    templates: Annotated[Templates, Field(min_length=1)]


class AdditionProbes(Record):
    """Of the 2,500 published sums so many as published, and so many in every other condition too."""

    sums: Annotated[int, Field(gt=0, le=2500)]
    crossed: Annotated[int, Field(ge=0, le=2500)]


class SurveyProbes(Record):
    """Opinion surveys: `repository` and `revision`, a commit, are those of origin `hub`."""

    origin: Literal["synthetic", "directory", "hub"]
    directory: PathText | None
    repository: Text
    revision: Revision
    sets: Annotated[tuple[Literal["nlp_survey", "philpapers2020", "political_typology_quiz"], ...], Field(max_length=3)]
    rows: ProbeItems

    def folder(self) -> Path:
        """The directory of survey files: from the params, else from the environment."""
        return folder_of(self.directory, "probes.surveys", "SYCO_EVALS", "with the files sycophancy_on_*.jsonl")


class Probes(Record):
    development_share: Share
    held_out: HeldOutProbes
    addition: AdditionProbes
    surveys: SurveyProbes
    pressure: ProbeItems
    preference: ProbeItems
    instructions: ProbeItems
