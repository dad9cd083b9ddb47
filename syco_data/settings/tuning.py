"""Instructions that are mixed in, and fine-tuning."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from syco_data.errors import SycoError
from syco_data.settings.building import Retries
from syco_data.settings.records import Count, Positive, Record, Share


class Columns(Record):
    """Where a file keeps an instruction: texts that are joined by a blank line, the answer, the name of its task."""

    prompt: Annotated[tuple[str, ...], Field(min_length=1)]
    completion: str
    task: str | None


class Instructions(Record):
    """Instruction rows to mix in. `columns` null: recognised from the column names."""

    origin: Literal["embedded", "directory", "hub"]
    directory: str | None
    hub_id: str | None
    revision: str | None
    columns: Columns | None
    rows: Positive
    exclude_sources: bool
    over_length: Literal["stop", "drop"]
    retries: Retries

    @model_validator(mode="after")
    def _hub_is_named(self) -> "Instructions":
        if self.origin == "hub" and (self.hub_id is None or self.revision is None):
            raise ValueError("origin 'hub' needs hub_id and revision (a commit of 40 digits)")
        return self

    def folder(self) -> Path:
        """The folder of instruction files: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_INSTRUCTIONS")
        if not named:
            raise SycoError(
                "instructions.origin is 'directory', but instructions.directory is null and SYCO_INSTRUCTIONS is "
                "not set",
                "Set one of them to a folder with *.parquet, *.jsonl or *.jsonl.gz files",
            )
        return Path(named).expanduser()


class Parts(Record):
    """How many generated rows come with how many instruction rows."""

    generated: Count
    instruction: Count

    @model_validator(mode="after")
    def _something(self) -> "Parts":
        if not self.generated + self.instruction:
            raise ValueError("one of the two parts must be above 0")
        return self


class Lora(Record):
    """Low-rank adapters. `targets`: names of linear layers, or `all-linear`. `save`: merged into the base model,
    or the adapter alone."""

    rank: Positive
    alpha: Positive
    dropout: Share
    targets: tuple[str, ...] | Literal["all-linear"]
    save: Literal["merged", "adapter"]


class Launcher(Record):
    """How tuning is started: in the stage's own process, or by `accelerate launch` with so many processes.

    `config` is a configuration file of accelerate (profiles/accelerate); it wins over `processes`.
    """

    processes: Positive
    config: str | None


class Finetune(Record):
    """Supervised fine-tuning. `batch` counts the rows of one optimiser step over all processes and
    `accumulation` forward passes; `weights` is the type that weights are kept in, `compute` that of the passes."""

    parts: Parts
    steps: Positive
    batch: Positive
    accumulation: Positive
    optimizer: Literal["adamw", "adafactor"]
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["linear", "constant", "cosine"]
    warmup_steps: Count
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)]
    max_length: Positive
    weights: Literal["float32", "bfloat16"]
    compute: Literal["float32", "bfloat16"]
    gradient_checkpointing: bool
    method: Literal["full", "lora"]
    lora: Lora
    seed: Count
    device: Literal["auto", "cpu"]
    threads: Positive
    checkpoint_steps: Positive
    checkpoints: Annotated[int, Field(ge=2)]
    log_steps: Positive
    launcher: Launcher
