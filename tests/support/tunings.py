"""Small runs of fine-tuning for tests: a tiny model, rows of its own language, settings that finish in a second."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from syco_data import settings
from syco_data.engines import models
from syco_data.finetune import finetuning, training_rows
from syco_data.finetune.instructions import Pool
from syco_data.finetune.tuning_jobs import Job
from syco_data.schemas import INSTRUCTIONS, TRAIN
from syco_data.settings import Finetune, Hub, Model
from tests.support import tiny_models

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = settings.load(ROOT / "params.yaml")
RETRIES = Hub(attempts=1, first_wait=0.01, longest_wait=0.01)
NOTHING_DROPPED = pl.DataFrame(schema={"reason": pl.String, "task": pl.String, "rows": pl.Int64})
SMALL = {
    "steps": 8, "batch": 6, "accumulation": 1, "learning_rate": 0.01, "warmup_steps": 2, "max_length": 256,
    "threads": 1, "device": "cpu", "checkpoint_steps": 4, "log_steps": 1,
}  # fmt: skip
"""Values of `finetune` that differ from those of params.yaml."""


def choice(**changes) -> Finetune:
    return Finetune.model_validate({**SETTINGS.finetune.model_dump(), **SMALL, **changes})


def train_rows(count: int = 40) -> pl.DataFrame:
    """A training set as stage select writes it; the answer follows from the question's number."""
    rows = {
        "prompt_id": [f"{index:032x}" for index in range(count)],
        "source": ["sst2"] * count,
        "prompt": [tiny_models.question(index, index % 2 == 1) for index in range(count)],
        "completion": [f" ({'AB'[index % 2]})" for index in range(count)],
    }
    return pl.DataFrame(rows, schema=TRAIN.columns)


def instruction_rows(count: int = 12) -> pl.DataFrame:
    words = tiny_models.WORDS
    rows = {
        "instruction_id": [f"i{index:03d}" for index in range(count)],
        "source": ["words"] * count,
        "form": ["request"] * count,
        "prompt": [f"What stands after {words[index % len(words)]}?" for index in range(count)],
        "completion": [words[(index + 1) % len(words)] for index in range(count)],
    }
    return pl.DataFrame(rows, schema=INSTRUCTIONS.columns)


def resolved(folder: Path, style: str = "plain") -> models.ResolvedModel:
    record = Model(source=str(folder), revision=None, prompt_style=style, dtype="float32")
    return models.resolve("tiny", record, folder, RETRIES)


def job(folder: Path, out: Path, **changes) -> Job:
    """A run of the tiny model in `folder` that writes to `out`."""
    model, finetune = resolved(folder), choice(**changes)
    rows = training_rows.prepare(model, train_rows(), Pool(instruction_rows(), NOTHING_DROPPED), finetune, "stop")
    return Job(model, finetune, rows, out)


def beyond(run: Job, **changes) -> Job:
    """The same run with numbers that params.yaml may not have, or with objects of settings."""
    return replace(run, choice=run.choice.model_copy(update=changes))


def tuned(folder: Path, out: Path, **changes) -> finetuning.Tuned:
    return finetuning.tune(job(folder, out, **changes))


def weights(out: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(out / "model.safetensors")


def largest_difference(one: Path, other: Path) -> float:
    """Between the weights of two tuned models."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)
