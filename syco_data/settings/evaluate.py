"""What is asked of tuned models, and how it is counted."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from syco_data.settings.records import (
    MOST_NAMES,
    Batch,
    Examples,
    Items,
    ItemsOrZero,
    PathText,
    Record,
    Revision,
    Tokens,
    folder_of,
)


class Generation(Record):
    """The generation check: free text on so many probes of each set, and how many tokens it may take."""

    rows: ItemsOrZero
    max_tokens: Tokens


Task = Literal["mmlu_0shot", "mmlu_5shot", "bbh_3shot", "bbh_3shot_cot"]


class CapabilityRevisions(Record):
    """Commits of the data sets that the harness takes its questions from, for origin `hub`."""

    mmlu: Revision
    bbh: Revision


class Capability(Record):
    """lm-evaluation-harness: `tasks` are those of `syco_data.evaluate.capability.TASKS`; an empty list runs none."""

    tasks: Annotated[tuple[Task, ...], Field(max_length=MOST_NAMES)]
    origin: Literal["directory", "hub"]
    directory: PathText | None
    revisions: CapabilityRevisions
    subjects: Examples | None
    limit: Items | None
    max_tokens: Tokens
    batch: Batch

    def folder(self) -> Path:
        """The directory with `mmlu` and `bbh`: from the params, else from the environment."""
        return folder_of(self.directory, "evaluate.capability", "SYCO_EVALS", "with mmlu/ and bbh/")


class Evaluate(Record):
    """How probes are answered and counted. `level` is that of intervals, `resamples` those of the bootstrap."""

    engine: Literal["vllm", "transformers"]
    split: Literal["reported", "development"]
    level: Annotated[float, Field(gt=0, lt=1)]
    resamples: Annotated[int, Field(gt=0, le=100_000)]
    generation: Generation
    capability: Capability
