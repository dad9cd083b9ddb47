"""One run of fine-tuning and what came of it, as records; nothing here needs torch."""

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from syco_data import files
from syco_data.engines.models import ResolvedModel
from syco_data.finetune.checkpoints import Workspace
from syco_data.finetune.model_cards import TuningRecord, prompts_digest
from syco_data.finetune.training_rows import Prepared, RowCounts
from syco_data.settings import Finetune, Settings


@dataclass(frozen=True)
class Job:
    """One run; `out` is the stage's out folder."""

    model: ResolvedModel
    choice: Finetune
    rows: Prepared
    out: Path

    def workspace(self) -> Workspace:
        """Keyed by all that decides the weights: rows in order, model, settings, processes and versions."""
        settings = self.choice.model_dump(exclude={"checkpoints"})
        inputs = [self.rows.digest(), self.model.commit, self.model.tokenizer, settings, _versions()]
        config = self.choice.launcher.config
        if config is not None and Path(config).is_file():
            inputs.append(files.sha256(Path(config)))  # It decides how rows are shared out.
        return Workspace(self.out, blake2b(json.dumps(inputs, sort_keys=True).encode(), digest_size=16).hexdigest())


@dataclass(frozen=True)
class Metrics:
    """What a run did: losses in nats per target token, over the first and the last logged steps."""

    rows: RowCounts
    steps: int
    parameters: int
    trained_parameters: int
    first_loss: float
    last_loss: float
    last_accuracy: float


@dataclass(frozen=True)
class Cost:
    """Seconds in optimiser steps, steps run in this process, and the largest memory in MiB (of the GPU, if any)."""

    device: str
    steps: int
    seconds: float
    peak_memory: float

    def line(self) -> str:
        rate = self.steps / self.seconds if self.seconds else 0.0
        return f"{self.steps} steps on {self.device}: {rate:.2f} a second, {self.peak_memory:,.0f} MiB at most"


@dataclass(frozen=True)
class Tuned:
    metrics: Metrics
    cost: Cost


def is_launched() -> bool:
    """Whether this process is one of several that a launcher started."""
    return "LOCAL_RANK" in os.environ


def is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"


def record(job: Job, settings: Settings, arm: str, metrics: Metrics, prompt_ids: pl.Series) -> TuningRecord:
    """What the card says of a run; a folder of the user's is not named, since its path is of this machine."""
    source = settings.models[job.model.name]
    local = source.source != "reference" and not source.is_on_hub
    return TuningRecord(
        model=job.model.name,
        source="local" if local else source.source,
        revision=source.revision,
        commit=job.model.commit,
        arm=arm,
        condition=settings.arms[arm].model_dump(mode="json", exclude={"finetune"}),
        settings=job.choice.model_dump(mode="json"),
        prompts=prompts_digest(prompt_ids),
        metrics=_rounded(asdict(metrics)),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("accelerate", "peft", "torch", "transformers", "trl")}


def write_metrics(metrics: Metrics, target: Path) -> None:
    """The few headline figures as JSON for `dvc metrics`, rounded to six digits; all stand in the model's record."""
    headline = {
        "steps": metrics.steps,
        "generated_rows": metrics.rows.generated_used,
        "instruction_rows": metrics.rows.instruction_used,
        "first_loss": metrics.first_loss,
        "last_loss": metrics.last_loss,
        "last_accuracy": metrics.last_accuracy,
    }
    files.write_json(target, _rounded(headline), indent=2)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value
