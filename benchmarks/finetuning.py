"""What limiting the vocabulary projection to positions with a target saves on a CPU, from one run.

    python -m benchmarks finetuning [STEPS]

A random Llama of the reference model's size (0.4M parameters, 3,052 words), 48 rows a step, one thread. TRL's trainer
as it comes and the project's take turns; processor time counts, so a busy machine changes little.
"""

import sys
import tempfile
import time
from unittest import mock

from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.settings import Finetune

WORDS, BATCH, PROMPT, TARGET = 3052, 48, 56, 2


def main(steps: str = "10") -> None:
    choice = settings.load().finetune.model_copy(
        update={"steps": int(steps), "batch": BATCH, "accumulation": 1, "device": "cpu", "checkpoint_steps": 10**6}
    )
    from trl import SFTTrainer

    from syco_data.finetune.sft_trainer import Trainer

    ours = [_seconds(choice), _seconds(choice)]
    with mock.patch.object(Trainer, "compute_loss", SFTTrainer.compute_loss):
        theirs = [_seconds(choice), _seconds(choice)]
    table = Table(title=f"{steps} steps, seconds of processor time (the better of two)")
    for heading in ("every position", "targets only", "ratio"):
        table.add_column(heading, justify="right")
    table.add_row(f"{min(theirs):.2f}", f"{min(ours):.2f}", f"{min(theirs) / min(ours):.1f}")
    Console().print(table)


def _seconds(choice: Finetune) -> float:
    """Processor time of a training, without imports and loading."""
    import torch
    from datasets import Dataset

    from syco_data.finetune.sft_trainer import Trainer, arguments

    torch.set_num_threads(1)
    row = [2 + index * 37 % (WORDS - 2) for index in range(PROMPT + TARGET)]
    labels = [-100] * PROMPT + row[PROMPT:]
    rows = Dataset.from_dict({"input_ids": [row] * (choice.steps * BATCH), "labels": [labels] * (choice.steps * BATCH)})
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=_model(), args=arguments(choice, folder, 1), train_dataset=rows, processing_class=_tokenizer()
        )
        begun = time.process_time()
        trainer.train()
        return time.process_time() - begun


def _model():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=WORDS, hidden_size=64, intermediate_size=192, num_hidden_layers=4, num_attention_heads=4,
            tie_word_embeddings=True, max_position_embeddings=512,
        )
    )  # fmt: skip


def _tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"w{number}": number for number in range(WORDS)}
    core = Tokenizer(models.WordLevel(words, unk_token="w0"))
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="w0", pad_token="w1", unk_token="w0")


if __name__ == "__main__":
    main(*sys.argv[1:])
