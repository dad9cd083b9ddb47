"""Fine-tuning."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from syco_data.settings.records import (
    MOST_NAMES,
    Batch,
    Decay,
    Norm,
    PathText,
    Processes,
    Rank,
    Rate,
    Record,
    Seed,
    Share,
    Steps,
    StepsOrZero,
    Text,
    Tokens,
)

MOST_ROWS_A_TURN = 1000
MOST_ROWS_TRAINED = 100_000_000


class Parts(Record):
    """How many generated rows come with how many instruction rows."""

    generated: Annotated[int, Field(ge=0, le=MOST_ROWS_A_TURN)]
    instruction: Annotated[int, Field(ge=0, le=MOST_ROWS_A_TURN)]

    @model_validator(mode="after")
    def _something(self) -> "Parts":
        if not self.generated + self.instruction:
            raise ValueError("one of the two parts must be above 0")
        return self


class Lora(Record):
    """Low-rank adapters. `targets`: names of linear layers, or `all-linear`. `save`: merged into the base model,
    or the adapter alone."""

    rank: Rank
    alpha: Rank
    dropout: Share
    targets: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_NAMES)] | Literal["all-linear"]
    save: Literal["merged", "adapter"]


class Launcher(Record):
    """How tuning is started: in the stage's own process, or by `accelerate launch` with so many processes.

    `config` is a configuration file of accelerate (profiles/accelerate); it wins over `processes`.
    """

    processes: Processes
    config: PathText | None


class Finetune(Record):
    """Supervised fine-tuning. `batch` counts the rows of one optimiser step over all processes and
    `accumulation` forward passes; `weights` is the type that weights are kept in, `compute` that of the passes."""

    parts: Parts
    steps: Steps
    batch: Batch
    accumulation: Batch
    optimizer: Literal["adamw", "adafactor"]
    learning_rate: Rate
    schedule: Literal["linear", "constant", "cosine"]
    warmup_steps: StepsOrZero
    weight_decay: Decay
    clip: Norm
    max_length: Tokens
    weights: Literal["float32", "bfloat16"]
    compute: Literal["float32", "bfloat16"]
    gradient_checkpointing: bool
    method: Literal["full", "lora"]
    lora: Lora
    seed: Seed
    device: Literal["auto", "cpu"]
    threads: Processes
    checkpoint_steps: Steps
    checkpoints: Annotated[int, Field(ge=2, le=1000)]
    log_steps: Steps
    launcher: Launcher

    @model_validator(mode="after")
    def _rows_can_be_ordered(self) -> "Finetune":
        if self.steps * self.batch > MOST_ROWS_TRAINED:
            rows = f"steps x batch is {self.steps * self.batch:,} rows"
            raise ValueError(f"{rows}, at most {MOST_ROWS_TRAINED:,} are put in order")
        return self
