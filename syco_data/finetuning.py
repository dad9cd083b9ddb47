"""Supervised fine-tuning with TRL: from audited rows to a model folder.

`tune` may run in the stage's own process or, all ranks alike, under `accelerate launch`. What it writes does not
hold a clock; seconds and memory are returned beside.
"""

import json
import os
import resource
import shutil
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from syco_data import checkpoints, schemas, tables
from syco_data.checkpoints import Workspace
from syco_data.errors import SycoError
from syco_data.model_cards import TuningRecord, prompts_digest
from syco_data.models import TOKENIZER_FILES, ResolvedModel, is_on_hub
from syco_data.settings import Finetune, Settings
from syco_data.training_rows import Prepared, RowCounts

if TYPE_CHECKING:
    from syco_data.sft_trainer import Trainer

_DISK = ("os error 28", "os error 27", "No space left", "File too large", "PytorchStreamWriter", "inline_container")
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "bad alloc")


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


def tune(job: Job) -> Tuned:
    """Trains, going on from a killed run's checkpoint, and writes model, tokenizer and training log to `job.out`.

    Raises `SycoError` for a loss that is no number, memory that runs out and a disk that is full; the last good
    checkpoint stays.
    """
    workspace = job.workspace()
    if is_main():
        workspace.clear()
    _quiet(job.choice)
    try:
        trainer = _trainer(job, workspace)
        _train(trainer, workspace.latest())
        metrics = _metrics(job, trainer)
        _save(job, trainer, workspace)
    except (OSError, RuntimeError, MemoryError, ValueError) as error:
        raise _explained(error, workspace) from error
    return Tuned(metrics, _cost(trainer))


def _train(trainer: "Trainer", last: Path | None) -> None:
    """Trains from the beginning or from a checkpoint, whose torch files are read as numbers only (no pickle)."""
    from pickle import UnpicklingError

    try:
        trainer.train(resume_from_checkpoint=str(last) if last else False)
    except UnpicklingError as error:
        raise SycoError(
            f"finetune: the checkpoint of step {checkpoints.step_of(last)} cannot be read: it holds more than numbers",
            f"Remove {last} and run again",
        ) from error


def _quiet(choice: Finetune) -> None:
    import torch
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    torch.set_num_threads(choice.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()


def _trainer(job: Job, workspace: Workspace) -> "Trainer":
    from syco_data.engines.tokenizer import Tokenizer
    from syco_data.sft_trainer import Trainer, arguments, optimiser

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return Trainer(
        model=_base(job),
        args=arguments(job.choice, workspace.folder, processes),
        train_dataset=_dataset(job.rows),
        processing_class=Tokenizer(job.model.folder, job.model.style).library,
        peft_config=_lora(job.choice) if job.choice.method == "lora" else None,
        optimizer_cls_and_kwargs=optimiser(job.choice),
    )


def _base(job: Job) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        job.model.folder, dtype=getattr(torch, job.choice.weights), trust_remote_code=False, use_safetensors=True,
        local_files_only=True,
    )  # fmt: skip


def _dataset(rows: Prepared) -> Any:
    """All rows of the run in training order: `input_ids`, and `labels` that are -100 on the prompt."""
    from datasets import Dataset

    ids, prompts = rows.rows["input_ids"].to_list(), rows.rows["prompt_tokens"].to_list()
    labels = [[-100] * prompt + row[prompt:] for row, prompt in zip(ids, prompts, strict=True)]
    return Dataset.from_dict({"input_ids": ids, "labels": labels}).select(rows.order)


def _lora(choice: Finetune) -> Any:
    from peft import LoraConfig

    targets = choice.lora.targets
    return LoraConfig(
        r=choice.lora.rank, lora_alpha=choice.lora.alpha, lora_dropout=choice.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets), task_type="CAUSAL_LM",
    )  # fmt: skip


def _log(trainer: "Trainer") -> pl.DataFrame:
    columns = {"loss": "loss", "mean_token_accuracy": "accuracy", "grad_norm": "gradient_norm"}
    names = {"step": "step", **columns, "learning_rate": "learning_rate"}
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    return pl.DataFrame(
        {new: [entry[old] for entry in entries] for old, new in names.items()}, schema=schemas.TRAINING_LOG.columns
    )


def _metrics(job: Job, trainer: "Trainer") -> Metrics:
    log, weights = _log(trainer), list(trainer.model.parameters())
    return Metrics(
        rows=job.rows.counts,
        steps=trainer.state.global_step,
        parameters=sum(weight.numel() for weight in weights),
        trained_parameters=sum(weight.numel() for weight in weights if weight.requires_grad),
        first_loss=log["loss"][0],
        last_loss=log["loss"][-1],
        last_accuracy=log["accuracy"][-1],
    )


def _cost(trainer: "Trainer") -> Cost:
    import torch

    steps = trainer.steps_run // trainer.args.gradient_accumulation_steps
    if trainer.args.device.type == "cuda":
        return Cost(torch.cuda.get_device_name(), steps, trainer.seconds, torch.cuda.max_memory_allocated() / 2**20)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return Cost(trainer.args.device.type, steps, trainer.seconds, largest)


def _save(job: Job, trainer: "Trainer", workspace: Workspace) -> None:
    """Everything into a folder of its own first, then into the out folder at once."""
    finished = workspace.folder / "finished"
    if is_main():
        checkpoints.remove(finished)
    trainer.save_model(str(finished))
    if is_main():
        for pickled in ("training_args.bin", "README.md"):
            checkpoints.remove(finished / pickled)
        if job.choice.method == "lora":
            _settle_adapter(job, finished)
        for name in TOKENIZER_FILES:
            if (job.model.folder / name).is_file():
                shutil.copyfile(job.model.folder / name, finished / name)
        _settle_config(job, finished)
        tables.write(_log(trainer), schemas.TRAINING_LOG, finished / "training.parquet")
        workspace.finish(finished)


def _settle_config(job: Job, finished: Path) -> None:
    """The base model's word on caching, which training switches off; files readable like any other."""
    target, base = finished / "config.json", job.model.folder / "config.json"
    if target.is_file():
        values, before = (json.loads(path.read_text(encoding="utf-8")) for path in (target, base))
        values["use_cache"] = before.get("use_cache", True)
        target.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in finished.iterdir():
        path.chmod(0o644)


def _settle_adapter(job: Job, finished: Path) -> None:
    """Merges the adapter into the base model, or keeps it alone; no path of this machine stays in it."""
    config = finished / "adapter_config.json"
    if job.choice.lora.save == "merged":
        from peft import PeftModel

        merged = PeftModel.from_pretrained(_base(job), str(finished)).merge_and_unload()
        shutil.rmtree(finished)
        merged.save_pretrained(finished)
    else:
        values = json.loads(config.read_text(encoding="utf-8"))
        values["base_model_name_or_path"] = job.model.name
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _explained(error: Exception, workspace: Workspace) -> Exception:
    """A fault of the machine as one line; anything else is ours, and stays as it is."""
    text = str(error)
    kept = workspace.last_good()
    if isinstance(error, MemoryError) or any(sign in text for sign in _MEMORY):
        return SycoError(
            f"finetune: memory ran out: {text.strip().splitlines()[0] if text.strip() else type(error).__name__}",
            f"Double finetune.accumulation, or set gradient_checkpointing: true or method: lora. {kept}",
        )
    if isinstance(error, OSError) or any(sign in text for sign in _DISK):
        return SycoError(f"finetune: a file could not be written: {text.strip().splitlines()[0]}", f"Make room. {kept}")
    return error


def record(job: Job, settings: Settings, arm: str, metrics: Metrics, prompt_ids: pl.Series) -> TuningRecord:
    """What the card says of a run; a folder of the user's is not named, since its path is of this machine."""
    source = settings.models[job.model.name]
    local = source.source != "embedded" and not is_on_hub(source)
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
    """The metrics as JSON for `dvc metrics`; rates and losses rounded to six digits."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(json.dumps(_rounded(asdict(metrics)), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(target)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value
