"""The second half of `make gpu-check`: a Llama of about 100 million parameters, made on the spot, is tuned.

It takes the tokenizer of the reference model and the same code as stage finetune: token audit, mixture, trainer,
checkpoints. Passes are computed in bfloat16, weights kept in float32.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from syco_data.engines import models
from syco_data.finetune import finetuning, training_rows
from syco_data.finetune.instructions import Pool
from syco_data.finetune.tuning_jobs import Job, Tuned
from syco_data.settings import Model, Settings

NAME = "made"


@dataclass(frozen=True)
class Size:
    """A Llama: layers, width of the hidden states (heads are 64 wide) and of the feed-forward part."""

    layers: int = 14
    width: int = 768
    inner: int = 2048


def tune(
    settings: Settings, tokenizer: Path, train: pl.DataFrame, pool: Pool, size: Size, **changes: object
) -> tuple[Tuned, int]:
    """Tunes a random model on `train` (`schemas.TRAIN`); returns the run and the tokens of one step, on average.

    `tokenizer` is a model folder; `changes` are values of `finetune` that differ from the settings.
    """
    choice = settings.finetune.model_copy(update={"compute": "bfloat16", "learning_rate": 0.0001, **changes})
    with TemporaryDirectory(prefix="syco-gpu-") as folder:
        model = _made(Path(folder) / "model", tokenizer, size, choice.max_length)
        record = Model(source=str(model), revision=None, prompt_style="plain", dtype="float32")
        resolved = models.resolve(NAME, record, model, settings.hub)
        rows = training_rows.prepare(resolved, train, pool, choice, settings.instructions.over_length)
        tokens = rows.rows["input_ids"].list.len().gather(rows.order).sum()
        return finetuning.tune(Job(resolved, choice, rows, Path(folder) / "tuned")), round(tokens / choice.steps)


def _made(folder: Path, tokenizer: Path, size: Size, positions: int) -> Path:
    """A model folder with random weights (seed 0)."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    words = AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=size.width, intermediate_size=size.inner, num_hidden_layers=size.layers,
        num_attention_heads=size.width // 64, num_key_value_heads=size.width // 64, max_position_embeddings=positions,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, bos_token_id=words.bos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder, safe_serialization=True)
    words.save_pretrained(folder)
    return folder
