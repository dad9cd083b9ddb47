"""Supervised fine-tuning with TRL: from audited rows to a model folder.

`tune` may run in the stage's own process or, all ranks alike, under `accelerate launch`. What it writes does not
hold a clock; seconds and memory are returned beside.
"""

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syco_data.errors import SycoError
from syco_data.finetune import (
    adapters,
    checkpoints,
    holding,
    training_errors,
    training_logs,
    tuned_folders,
    tuning_jobs,
)
from syco_data.finetune.checkpoints import Workspace
from syco_data.finetune.training_rows import Prepared
from syco_data.finetune.tuning_jobs import Cost, Job, Metrics, Tuned
from syco_data.progress import keeping
from syco_data.settings import Finetune

if TYPE_CHECKING:
    from syco_data.finetune.sft_trainer import Trainer


def tune(job: Job) -> Tuned:
    """Trains, going on from a killed run's checkpoint, and writes model, tokenizer and training log to `job.out`.

    Raises `SycoError` for a loss that is not a number, memory that runs out and a disk that is full; the last good
    checkpoint stays. And while another run writes to the same folder.
    """
    with (holding.shared if tuning_jobs.is_launched() else holding.exclusive)(job.out):
        return _tune(job)


def _tune(job: Job) -> Tuned:
    from safetensors import SafetensorError

    training_errors.check_settings(job.choice)
    workspace = job.workspace()
    if tuning_jobs.is_main():
        workspace.clear()
    _quiet(job.choice)
    try:
        trainer = _trainer(job, workspace)
        with keeping(workspace.last_good):
            _train(trainer, _agreed(workspace))
        metrics = _metrics(job, trainer)
        tuned_folders.save(job, trainer, workspace)
    except (OSError, RuntimeError, MemoryError, ValueError, OverflowError, SafetensorError) as error:
        raise training_errors.explained(error, workspace.last_good()) from error
    return Tuned(metrics, _cost(trainer))


def _agreed(workspace: Workspace) -> Path | None:
    """The checkpoint to resume from: the main process examines them, all others take its answer."""
    from accelerate.utils import broadcast_object_list

    answer = [workspace.resumable() if tuning_jobs.is_main() else None]
    last = broadcast_object_list(answer)[0]
    if last is not None and not last.is_dir():
        raise SycoError(
            f"finetune: process {os.environ.get('RANK')} does not see {last}, which the first process resumes from",
            "Give all machines the same folder",
        )
    return last


def _train(trainer: "Trainer", last: Path | None) -> None:
    """Trains from the beginning or from a checkpoint, whose torch files are read as numbers only (no pickle)."""
    from pickle import UnpicklingError

    try:
        trainer.train(resume_from_checkpoint=str(last) if last else False)
    except UnpicklingError as error:
        if last is None:
            raise
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
    from syco_data.finetune.sft_trainer import Trainer, arguments, optimiser

    try:
        settings = arguments(job.choice, workspace.folder, int(os.environ.get("WORLD_SIZE", "1")))
        model = adapters.base(job.model.folder, job.choice.weights)
        training_errors.check_model(model, job.choice)
        return Trainer(
            model=model,
            args=settings,
            train_dataset=dataset(job.rows),
            processing_class=Tokenizer(job.model.folder, job.model.style).library,
            peft_config=_lora(job.choice) if job.choice.method == "lora" else None,
            optimizer_cls_and_kwargs=optimiser(job.choice),
            log_steps=job.choice.log_steps,
            kept=job.choice.checkpoints,
        )
    except (ValueError, ImportError) as error:
        raise training_errors.refused(error) from error


def dataset(rows: Prepared) -> Any:
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


def _metrics(job: Job, trainer: "Trainer") -> Metrics:
    log, weights = training_logs.table(trainer.state.log_history), trainer.weights()
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
