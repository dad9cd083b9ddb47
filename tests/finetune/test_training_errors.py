"""Settings that a model or a machine cannot be trained with: one line each, that says what to change."""

import pytest

from syco_data.errors import SycoError
from syco_data.finetune import adapters, finetuning, training_errors
from tests.support import tiny_models
from tests.support.tunings import beyond, choice, job

pytestmark = pytest.mark.slow
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear", "save": "merged"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("model") / "tiny", scale=0.05)


@pytest.fixture(scope="module")
def model(folder):
    return adapters.base(folder, "float32")


def lora(**changes):
    """Settings past the bounds that the settings themselves have."""
    finetune = choice(method="lora")
    return finetune.model_copy(update={"lora": finetune.lora.model_copy(update={**LORA, **changes})})


NOT_LAYERS = ("query", "", "all-linear", ".*q_proj", "proj", "self_attn", "input_layernorm", "embed_tokens", "x" * 300)


@pytest.mark.parametrize("targets", [("q_proj", "query"), *((name,) for name in NOT_LAYERS)])
def test_names_of_no_layer_are_refused_with_the_names_that_there_are(model, targets):
    """PEFT itself goes on where one name of several fits, and lists no names."""
    with pytest.raises(SycoError, match="no linear layer of this model is named '") as caught:
        training_errors.check_model(model, lora(targets=targets))
    assert "Its linear layers are down_proj, gate_proj, k_proj, " in str(caught.value)
    assert str(caught.value).endswith("or set all-linear") and "\n" not in str(caught.value)


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj",), ("self_attn.q_proj", "down_proj"), (
    "model.layers.0.self_attn.q_proj",)])  # fmt: skip
def test_names_of_layers_are_taken(model, targets):
    training_errors.check_model(model, lora(targets=targets))


def test_the_output_layer_is_refused_where_it_is_the_input_layer_too(model, monkeypatch):
    monkeypatch.setattr(model.config, "tie_word_embeddings", False)
    training_errors.check_model(model, lora(targets=("lm_head",)))
    monkeypatch.setattr(model.config, "tie_word_embeddings", True)
    with pytest.raises(SycoError, match="shares its weights with the input"):
        training_errors.check_model(model, lora(targets=("q_proj", "lm_head")))
    training_errors.check_model(model, lora())


@pytest.mark.parametrize("rank", [10**4, 10**30])
def test_a_rank_that_no_layer_has_is_refused(model, rank):
    largest = max(
        min(layer.weight.shape) for name, layer in training_errors._linear(model).items() if name != "lm_head"
    )
    training_errors.check_model(model, lora(rank=largest))
    for refused in (rank, largest + 1):
        with pytest.raises(SycoError, match=rf"rank is {refused}, but no .* Set it to {largest} at most"):
            training_errors.check_model(model, lora(rank=refused))


def test_gradient_checkpointing_of_a_model_that_has_none(model, monkeypatch):
    training_errors.check_model(model, choice(gradient_checkpointing=True))
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(SycoError, match=r"LlamaForCausalLM cannot do that. Set it to false"):
        training_errors.check_model(model, choice(gradient_checkpointing=True))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 2**32}, "seed is 4294967296. Set it to 4294967295 at most"),
        ({"seed": 10**30}, "Set it to 4294967295 at most"),
        ({"threads": 10**5}, "threads is 100000. This machine has"),
        ({"threads": 10**30}, "This machine has"),
        ({"method": "lora", "lora": lora(dropout=1.0).lora}, "dropout is 1: .* Set it below 1"),
        ({"method": "lora", "lora": lora(targets=()).lora}, "targets is empty"),
    ],
)
def test_numbers_that_libraries_choke_on_are_refused_before_anything_is_loaded(folder, tmp_path, changes, reason):
    run = job(folder, tmp_path)
    with pytest.raises(SycoError, match=reason):
        finetuning.tune(beyond(run, **changes))
    assert not list(tmp_path.glob("*"))


@pytest.mark.parametrize("changes", [
    {"learning_rate": 1e308}, {"learning_rate": 1e300, "clip": 1e300}, {"learning_rate": 1e39, "warmup_steps": 0},
    {"learning_rate": 1e308, "optimizer": "adafactor"}, {"weight_decay": 1e308}, {"method": "lora", "lora": 10**30},
    {"method": "lora", "lora": 10**400}])  # fmt: skip
def test_large_numbers_are_one_line(folder, tmp_path, changes):
    run = job(folder, tmp_path)
    if "lora" in changes:
        changes = changes | {"lora": lora(alpha=changes["lora"]).lora}
    with pytest.raises(SycoError, match=r"Lower finetune\.learning_rate") as caught:
        finetuning.tune(beyond(run, **changes))
    assert "\n" not in str(caught.value)


def test_half_precision_that_the_hardware_lacks_is_one_line(folder, tmp_path, monkeypatch):
    import torch
    from transformers import training_args

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(training_args, "is_torch_bf16_gpu_available", lambda: False)
    with pytest.raises(SycoError, match=r"compute is bfloat16, which this hardware cannot do. Set it to float32"):
        finetuning.tune(job(folder, tmp_path, compute="bfloat16", device="auto"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("CUDA error: invalid device ordinal\nmore"), r"the GPU failed: .*See nvidia-smi.*kept$"),
        (RuntimeError("CUDA out of memory. Tried to"), r"memory ran out: .*kept$"),
        (RuntimeError("The weights trying to be saved contained shared tensors [{}]"), "without being declared tied"),
        (OverflowError("int too large"), r"too large to compute with: .*kept$"),
    ],
)
def test_what_libraries_raise_meanwhile_is_one_line(error, reason):
    line = training_errors.explained(error, "kept")
    assert isinstance(line, SycoError) and "\n" not in str(line)
    assert pytest.raises(SycoError, match=reason).matches(line)


def test_an_error_of_ours_stays_as_it_is():
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert training_errors.explained(error, "kept") is error


def test_a_package_that_a_model_needs_is_named(folder, tmp_path, monkeypatch):
    def lack(*_):
        raise ImportError("Using `bitsandbytes` 4-bit quantization requires bitsandbytes\n`pip install ...`")

    monkeypatch.setattr(adapters, "base", lack)
    with pytest.raises(SycoError, match=r"needs a package that is not here: Using `bitsandbytes`.*Install it$"):
        finetuning.tune(job(folder, tmp_path))
