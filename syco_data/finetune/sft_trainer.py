"""TRL's SFTTrainer, made to stop where it would go on silently. Imported only by a process that trains."""

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Adafactor, PrinterCallback
from trl import SFTConfig, SFTTrainer

from syco_data.errors import SycoError
from syco_data.finetune import checkpoint_marks, checkpoints, training_errors, training_logs
from syco_data.finetune.target_projection import TargetProjection
from syco_data.settings import Finetune

WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)
"""How safetensors, torch.save and Python say that a file could not be written."""
_SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}


def arguments(choice: Finetune, folder: Path, processes: int) -> SFTConfig:
    """Every setting of the trainer that has a surprising default, set. `folder` is where checkpoints go."""
    share = choice.accumulation * processes
    if choice.batch % share:
        raise SycoError(
            f"finetune.batch is {choice.batch}, which {processes} processes with {choice.accumulation} passes each "
            "cannot share evenly", f"Make it a multiple of {share}"
        )  # fmt: skip
    return SFTConfig(
        output_dir=str(folder),
        max_steps=choice.steps,
        per_device_train_batch_size=choice.batch // share,
        gradient_accumulation_steps=choice.accumulation,
        optim="adamw_torch",
        learning_rate=choice.learning_rate,
        lr_scheduler_type=_SCHEDULES[choice.schedule],
        warmup_steps=choice.warmup_steps,
        weight_decay=choice.weight_decay,
        max_grad_norm=choice.clip,
        max_length=choice.max_length,
        bf16=choice.compute == "bfloat16",
        fp16=False,
        gradient_checkpointing=choice.gradient_checkpointing,
        packing=False,
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        # Rows come as tokens, audited: the trainer may neither cut nor drop any.
        dataset_kwargs={"skip_prepare_dataset": True},
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=choice.seed,
        use_cpu=choice.device == "cpu" or not torch.accelerator.is_available(),
        logging_steps=1,  # Entries of log_steps steps are made from these.
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=choice.checkpoint_steps,
        save_total_limit=None,  # It would count, and remove, folders that only look like checkpoints.
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )


def optimiser(choice: Finetune) -> tuple[type[torch.optim.Optimizer], dict[str, Any]] | None:
    """Adafactor as published: steps are multiplied by each matrix's own size, at the rate of the params.

    The trainer's own choice of Adafactor leaves that factor out, so that the published rates (3e-3 and 1e-3)
    would be some fifty times too large. None: the trainer's AdamW.
    """
    if choice.optimizer == "adamw":
        return None
    fixed = {"scale_parameter": True, "relative_step": False, "warmup_init": False}
    return Adafactor, {"lr": choice.learning_rate, "weight_decay": choice.weight_decay, **fixed}


class Trainer(SFTTrainer):
    """Stops on a loss that is not a number, marks complete checkpoints, keeps pickled settings out of them.

    `log_steps`: steps of one entry of the log and one printed line. `kept`: checkpoints that are kept.
    """

    def __init__(self, *args: Any, log_steps: int = 1, kept: int = 2, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)
        self._log_steps, self._kept = log_steps, kept
        model: Any = self.model
        whole = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._projection = TargetProjection(whole.base_model) if self.args.device.type == "cpu" else None
        self.seconds, self.steps_run = 0.0, 0

    def _send_telemetry(self) -> None:
        """TRL reports each run to its makers; a build talks to nobody."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The project writes its own."""

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        forward = partial(self._projection.forward, model) if self._projection else model
        return super().compute_loss(forward, inputs, *args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """One printed line for each entry of the log, the last step's always among them."""
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        if not math.isfinite(logs.get("grad_norm", 0.0)):
            # Clipping would make zeros of all gradients, and the run would go on without learning.
            raise SycoError(
                f"finetune: the gradient is {logs['grad_norm']} in step {self.state.global_step}",
                f"Lower finetune.learning_rate, finetune.weight_decay or finetune.lora.alpha. {self._last_good()}",
            )
        entry = training_logs.settle(self.state.log_history, self._log_steps, self.state.max_steps)
        if entry and self.is_world_process_zero():
            print(f"step {entry['step']} of {self.state.max_steps}: loss {entry['loss']:.4f}", flush=True)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        begun = time.perf_counter()
        loss = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            raise SycoError(
                f"finetune: the loss is {loss.item()} in step {self.state.global_step + 1}",
                f"Lower finetune.learning_rate or finetune.clip. {self._last_good()}",
            )
        self.seconds += time.perf_counter() - begun
        self.steps_run += 1
        return loss

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder = self._folder() / f"checkpoint-{self.state.global_step}"
        if not all(_is_finite(weight) for weight in self.weights()):
            raise SycoError(
                f"finetune: a weight is not a finite number after step {self.state.global_step}",
                f"Lower finetune.learning_rate or finetune.clip. {self._last_good()}",
            )
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoints.remove(folder / "training_args.bin")
                checkpoint_marks.mark(folder)
                checkpoints.keep_newest(folder.parent, self._kept)
        except (*WRITE_ERRORS, SycoError) as error:
            checkpoints.remove(folder)
            explained = training_errors.explained(error, self._last_good())
            if not isinstance(explained, SycoError):
                raise
            reason = explained.what.removeprefix("finetune: ")
            step = f"the checkpoint of step {self.state.global_step} could not be written"
            raise SycoError(f"finetune: {step}: {reason}", explained.hint) from error

    def weights(self) -> list[torch.nn.Parameter]:
        model: Any = self.model
        return list(model.parameters())

    def _last_good(self) -> str:
        folder = self._folder()
        return checkpoints.Workspace(folder.parents[1], folder.name).last_good()

    def _folder(self) -> Path:
        assert self.args.output_dir is not None  # `arguments` sets it
        return Path(self.args.output_dir)


def _is_finite(weight: torch.Tensor) -> bool:
    """Of this process's share, where weights are shared out."""
    return bool(torch.isfinite(weight.to_local() if hasattr(weight, "to_local") else weight).all())
