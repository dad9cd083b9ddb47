"""What `make gpu-check` tunes on a GPU, run small on the CPU: the very code, another size."""

from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import gpu_tuning
from benchmarks.gpu_tuning import Size
from syco_data.finetune.instructions import Pool
from tests.support import tiny_models, tunings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tiny_models.make(tmp_path_factory.mktemp("tiny"), "byte_bpe")
    pool = Pool(tunings.instruction_rows(), tunings.NOTHING_DROPPED)
    return gpu_tuning.tune(
        tunings.SETTINGS, folder, tunings.train_rows(), pool, Size(layers=1, width=64, inner=128), **tunings.SMALL
    )


def test_it_tunes_in_bfloat16_and_says_what_it_cost(run) -> None:
    tuned, tokens = run
    assert tuned.metrics.steps == tuned.cost.steps == tunings.SMALL["steps"]
    assert tuned.cost.seconds > 0 and tuned.cost.peak_memory > 0
    assert tokens > tunings.SMALL["batch"] * 30
    assert tuned.metrics.last_loss < tuned.metrics.first_loss


def test_its_model_has_about_100_million_parameters() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = Size()
    config = LlamaConfig(
        vocab_size=3_052, hidden_size=size.width, intermediate_size=size.inner, num_hidden_layers=size.layers,
        num_attention_heads=size.width // 64,
    )  # fmt: skip
    with torch.device("meta"):
        count = sum(weight.numel() for weight in LlamaForCausalLM(config).parameters())
    assert 95e6 < count < 115e6


def test_every_benchmark_by_name_can_be_run() -> None:
    folder = Path(benchmarks.__file__).parent
    lacking = [name for name in benchmarks.names() if "\ndef main(" not in (folder / f"{name}.py").read_text()]
    assert len(benchmarks.names()) >= 7 and lacking == []
