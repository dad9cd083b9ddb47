"""Settings that a model or a machine cannot be trained with, and what libraries raise meanwhile, as one line each."""

import os
from typing import Any

from syco_data.errors import SycoError, first_line
from syco_data.files import FULL, system_error
from syco_data.settings import Finetune
from syco_data.words import listed

LARGEST_SEED = 2**32 - 1
"""NumPy's, which the trainer seeds."""
MOST_THREADS = 1024
"""Far more of them end the process, not with an error but at once."""
_DISK = ("PytorchStreamWriter", "inline_container")
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "bad alloc")
_DEVICE = ("CUDA error", "CUDA driver", "CUDNN", "cuDNN", "CUBLAS", "NCCL", "NVIDIA driver", "HIP error")


def check_settings(choice: Finetune) -> None:
    """What is known before a model is loaded."""
    if choice.seed > LARGEST_SEED:
        raise SycoError(f"finetune.seed is {choice.seed}", f"Set it to {LARGEST_SEED} at most")
    if choice.threads > MOST_THREADS:
        raise SycoError(
            f"finetune.threads is {choice.threads}", f"This machine has {os.cpu_count()} CPUs; 1 is the default"
        )
    if choice.method == "lora" and choice.lora.dropout == 1:
        raise SycoError("finetune.lora.dropout is 1: adapters would see nothing and learn nothing", "Set it below 1")
    if choice.method == "lora" and not choice.lora.targets:
        raise SycoError("finetune.lora.targets is empty", "Name layers, or set it to all-linear")


def check_model(model: Any, choice: Finetune) -> None:
    """What a loaded model decides: layers for adapters, their sizes, gradient checkpointing."""
    if choice.gradient_checkpointing and not getattr(model, "supports_gradient_checkpointing", False):
        raise SycoError(
            f"finetune.gradient_checkpointing: {type(model).__name__} cannot do that",
            "Set it to false; where memory runs out, double finetune.accumulation",
        )
    if choice.method == "lora":
        _check_adapters(model, choice)


def _check_adapters(model: Any, choice: Finetune) -> None:
    layers = _linear(model)
    head = model.get_output_embeddings()
    if choice.lora.targets == "all-linear":
        adapted = [layer for layer in layers.values() if layer is not head]
    else:
        adapted = [layers[name] for target in choice.lora.targets for name in _named(target, layers)]
        if getattr(model.config.get_text_config(), "tie_word_embeddings", False) and head in adapted:
            raise SycoError(
                "finetune.lora.targets: the output layer of this model shares its weights with the input",
                "Leave it out of finetune.lora.targets",
            )
    largest = max((min(layer.weight.shape) for layer in adapted), default=0)
    if choice.lora.rank > largest:
        raise SycoError(
            f"finetune.lora.rank is {choice.lora.rank}, but no layer it is for has more than {largest} rows or columns",
            f"Set it to {largest} at most" if largest else "Set finetune.method to full",
        )


def _named(target: str, layers: dict[str, Any]) -> list[str]:
    """Layers of that name or path, as PEFT matches them. Raises `SycoError` that lists the names there are."""
    names = [name for name in layers if name == target or name.endswith(f".{target}")]
    if not names or not target:
        layer_names = sorted({name.rpartition(".")[2] for name in layers})
        raise SycoError(
            f"finetune.lora.targets: no linear layer of this model is named {target!r:.80}",
            f"Its linear layers are {listed(layer_names, 200)}; or set all-linear",
        )
    return names


def _linear(model: Any) -> dict[str, Any]:
    import torch
    from transformers.pytorch_utils import Conv1D

    return {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear | Conv1D)}


def refused(error: ValueError | ImportError) -> SycoError:
    """What the trainer's construction reports of settings, a model or a machine that it cannot train."""
    reason = first_line(error)
    if "bf16" in reason:
        return SycoError("finetune.compute is bfloat16, which this hardware cannot do", "Set it to float32")
    if isinstance(error, ImportError):
        return SycoError(f"finetune: the model needs a package that is not here: {reason}", "Install it")
    return SycoError(f"finetune: this model cannot be trained with these settings: {reason}")


def explained(error: Exception, kept: str) -> Exception:
    """An error of the machine or the settings as one line; anything else is ours, and stays as it is.

    `kept`: what a later run can be resumed from, in words.
    """
    text, first = str(error), first_line(error)
    if isinstance(error, MemoryError) or any(sign in text for sign in _MEMORY):
        return SycoError(
            f"finetune: memory ran out: {first}",
            f"Double finetune.accumulation, or set gradient_checkpointing: true or method: lora. {kept}",
        )
    if system_error(error) in FULL or any(sign in text for sign in _DISK):
        return SycoError(f"finetune: a file could not be written: {first}", f"Make room. {kept}")
    if isinstance(error, OSError):
        return SycoError(f"finetune: a file could not be read or written: {first}", kept)
    if isinstance(error, OverflowError) or "without overflow" in text:
        return SycoError(
            f"finetune: a number of the settings is too large to compute with: {first}",
            f"Lower finetune.learning_rate, weight_decay, clip or lora.alpha. {kept}",
        )
    if any(sign in text for sign in _DEVICE):
        return SycoError(f"finetune: the GPU failed: {first}", f"See nvidia-smi, or set finetune.device to cpu. {kept}")
    if "shared tensors" in text or "share memory" in text:
        return SycoError(
            f"finetune: weights of this model share memory without being declared tied, and cannot be saved: {first}",
            "Save the base model again with these weights apart, or tie_word_embeddings: true in its config.json",
        )
    return error
