"""Weights that are not the architecture's own are refused, with the first one's name, before and at every loading."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    CodeGenConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
)

from syco_data import engines
from syco_data.engines import architectures, models, vllm
from syco_data.errors import SycoError
from syco_data.evaluate import harness
from syco_data.finetune import adapters
from tests.engines.test_engines import engine_settings, model_at
from tests.support import tiny_models

SMALL = {"vocab_size": 64, "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
ROTARY = "model.layers.0.self_attn.rotary_emb.inv_freq"
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("architectures") / "tiny", "byte_bpe")


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def change(folder: Path, harm: Callable[[Weights], Weights]) -> Path:
    """Writes the weights again, sound as a file and changed as a model."""
    path = folder / "model.safetensors"
    weights = {name: weight.clone().contiguous() for name, weight in harm(load_file(path)).items()}
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def edit(folder: Path, **entries: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")
    return folder


def saved(folder: Path, config: object) -> Path:
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def without(*parts: str) -> Callable[[Weights], Weights]:
    return lambda weights: {name: weight for name, weight in weights.items() if not any(part in name for part in parts)}


def behind(prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {prefix + name: weight for name, weight in weights.items()}


def cast(part: str, kind: torch.dtype) -> Callable[[Weights], Weights]:
    return lambda weights: {name: one.to(kind) if part in name else one for name, one in weights.items()}


HARM = {
    "a layer's part": (without("layers.1.mlp"), "lack model.layers.1.mlp.down_proj.weight of LlamaForCausalLM .3 miss"),
    "a whole layer": (without("layers.0."), "lack model.layers.0.input_layernorm.weight"),
    "the last layer": (without("layers.1."), "lack model.layers.1.input_layernorm.weight"),
    "the head": (without("lm_head"), "lack lm_head.weight of LlamaForCausalLM .1 missing"),
    "the embeddings": (without("embed_tokens"), "lack model.embed_tokens.weight"),
    "one norm": (without("model.norm"), "lack model.norm.weight"),
    "a compiler": (behind("_orig_mod."), "and hold _orig_mod.lm_head.weight, .*without the compiler or wrapper"),
    "a wrapper": (behind("module."), "and hold module.lm_head.weight, .*without the compiler or wrapper"),
    "PEFT": (behind("base_model.model."), "and hold base_model.model.lm_head.weight, .*without the compiler or wrap"),
    "another head": (lambda w: w | {"v_head.weight": torch.ones(3)}, "hold v_head.weight, which LlamaForCausalLM does"),
    "a bias": (lambda w: w | {"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}, "hold model.*q_proj.bias, whi"),
    "a third layer": (lambda w: w | {"model.layers.2.mlp.up_proj.weight": torch.ones(96, 64)}, "hold model.layers.2."),
    "a shape": (lambda w: w | {"lm_head.weight": w["lm_head.weight"][:-1]}, r"lm_head.weight has shape \[599, 64\], L"),
    "transposed": (
        lambda w: {name: one.T if "up_proj" in name else one for name, one in w.items()},
        r"model.layers.0.mlp.up_proj.weight has shape \[64, 96\], LlamaForCausalLM has \[96, 64\]",
    ),
    "integers": (cast("q_proj", torch.int8), "layers.0.self_attn.q_proj.weight is stored as I8"),
    "yes and no": (cast("norm", torch.bool), "layernorm.weight is stored as BOOL"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARM)
def test_weights_that_are_not_the_architectures_own_are_one_line(folder, kind):
    harm, message = HARM[kind]
    change(folder, harm)
    with pytest.raises(SycoError, match=message) as caught:
        architectures.check("model 'mine'", folder)
    assert str(caught.value).startswith("model 'mine': ") and "\n" not in str(caught.value)


SOUND = {
    "as it was": lambda w: w,
    "buffers that are not weights any more": lambda w: w | {ROTARY: torch.ones(16)},
    "without the prefix of the inner model": lambda w: {name.removeprefix("model."): one for name, one in w.items()},
    "bfloat16": cast("", torch.bfloat16),
    "float16": cast("", torch.float16),
    "float8": cast("", torch.float8_e4m3fn),
    "float64": cast("", torch.float64),
}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_that_are_not_finite_numbers_are_one_line(folder, number, kind):
    def spoil(weights: Weights) -> Weights:
        narrow = {name: value.to(kind) for name, value in weights.items()}
        narrow["model.layers.1.mlp.up_proj.weight"][3, 5] = number
        return narrow

    change(folder, spoil)
    with pytest.raises(
        SycoError, match=r"model.layers.1.mlp.up_proj.weight has 1 of [\d,]+ numbers that are not finite"
    ):
        architectures.check("model 'tiny'", folder)


@pytest.mark.parametrize("kind", SOUND)
def test_what_transformers_takes_for_the_same_weights_is_accepted(folder, kind):
    drawn = torch.random.get_rng_state()
    architectures.check("model 'mine'", change(folder, SOUND[kind]))
    assert torch.equal(drawn, torch.random.get_rng_state()), "a check draws no numbers: tuning comes after it"


TIED = LlamaConfig(**SMALL, intermediate_size=48, tie_word_embeddings=True)
FUSED = MixtralConfig(**SMALL, intermediate_size=48, num_local_experts=3, num_key_value_heads=2)
OLD = GPT2Config(vocab_size=64, n_embd=32, n_head=2, n_layer=2, n_positions=64)


def test_a_head_that_is_the_embeddings_may_be_there_or_not(tmp_path):
    folder = saved(tmp_path / "tied", TIED)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    architectures.check("m", folder)
    change(folder, lambda w: w | {"lm_head.weight": w["model.embed_tokens.weight"]})
    architectures.check("m", folder)
    change(folder, without("embed_tokens"))  # either of the two will do
    architectures.check("m", folder)
    change(folder, without("lm_head"))
    with pytest.raises(SycoError, match=r"lack lm_head.weight of LlamaForCausalLM \(2 missing\)"):
        architectures.check("m", folder)


def test_a_head_that_ought_to_be_the_embeddings_and_differs_is_refused(tmp_path):
    folder = change(
        saved(tmp_path / "tied", TIED), lambda w: w | {"lm_head.weight": w["model.embed_tokens.weight"] + 1}
    )
    with pytest.raises(
        SycoError, match="lm_head.weight and model.embed_tokens.weight are one by config.json, and diff"
    ):
        architectures.check("m", folder)
    architectures.check("m", edit(folder, tie_word_embeddings=False))


def test_experts_are_stored_one_by_one_and_loaded_as_one(tmp_path):
    folder = saved(tmp_path / "experts", FUSED)
    architectures.check("m", folder)
    part = "model.layers.1.block_sparse_moe.experts.2.w1.weight"
    with pytest.raises(SycoError, match=f"lack {re.escape(part)}"):
        architectures.check("m", change(folder, without(part)))


def test_old_checkpoints_of_other_architectures_are_accepted(tmp_path):
    mask = {"h.0.attn.bias": torch.ones(1, 1, 64, 64, dtype=torch.uint8), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    folder = saved(tmp_path / "gpt2", OLD)
    change(folder, lambda w: {name.removeprefix("transformer."): one for name, one in w.items()} | mask)
    architectures.check("m", folder)
    pythia = saved(tmp_path / "neox", GPTNeoXConfig(**SMALL, intermediate_size=48))
    kept = {
        "gpt_neox.layers.0.attention.masked_bias": torch.tensor(-1e9),
        "gpt_neox.layers.0.attention.bias": torch.ones(1),
    }
    architectures.check("m", change(pythia, lambda w: w | kept))


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (GPTJConfig(vocab_size=64, n_embd=32, n_layer=2, n_head=2, n_positions=64, rotary_dim=8), "h.0.attn"),
        (CodeGenConfig(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4), "h.0.attn"),
        (GPTNeoConfig(vocab_size=64, hidden_size=32, num_layers=2, num_heads=2, max_position_embeddings=64,
                      attention_types=[[["global", "local"], 1]]), "h.0.attn.attention"),
    ],
    ids=["gpt-j", "codegen", "gpt-neo"],
)  # fmt: skip
def test_masks_that_old_checkpoints_kept_are_accepted_and_nothing_else_of_their_names(tmp_path, config, place):
    folder, place = saved(tmp_path / "old", config), f"transformer.{place}"
    masks = {f"{place}.{name}": torch.ones(1, 1, 64, 64) for name in ("bias", "causal_mask")}
    change(folder, lambda w: w | masks | {f"{place}.masked_bias": torch.tensor(-1e9)})
    architectures.load("m", folder, torch.float32)
    with pytest.raises(SycoError, match=re.escape(f"hold {place}.bias, which")):
        architectures.check("m", change(folder, lambda w: w | {f"{place}.bias": torch.ones(64)}))


CONFIG = {
    "another architecture": (BertConfig(**SMALL).to_dict(), "of BertLMHeadModel .* and hold lm_head.weight"),
    "fewer layers": ({"num_hidden_layers": 1}, "hold model.layers.1.input_layernorm.weight, which LlamaForCausalLM"),
    "more layers": ({"num_hidden_layers": 3}, "lack model.layers.2.input_layernorm.weight"),
    "endless layers": ({"num_hidden_layers": 10**9}, "num_hidden_layers: 1,000,000,000, the weights have 21 tensors"),
    "another vocabulary": ({"vocab_size": 700}, r"has shape \[600, 64\], LlamaForCausalLM has \[700, 64\]"),
    "no such type": ({"model_type": "no_such_type"}, "cannot be built from config.json by transformers: "),
    "no model of text": ({"model_type": "vit"}, "cannot be built from config.json by transformers: "),
    "a type of nonsense": ({"model_type": 5}, "model 'm': "),
    "sizes of nonsense": ({"hidden_size": "wide"}, "cannot be built from config.json by transformers: "),
    "a size of nothing": ({"hidden_size": 0}, "model 'm': "),
    "heads of nothing": ({"num_attention_heads": 0, "head_dim": None}, "cannot be built from config.json by"),
    "a dtype of nonsense": ({"dtype": "float33"}, "cannot be built from config.json by transformers: "),
    "an activation of nonsense": ({"hidden_act": "os.system"}, "cannot be built from config.json by transformers: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIG)
def test_a_configuration_that_does_not_fit_the_weights_is_one_line(folder, kind):
    entries, message = CONFIG[kind]
    with pytest.raises(SycoError, match=message) as caught:
        architectures.check("model 'm'", edit(folder, **entries))
    assert "\n" not in str(caught.value)


def test_code_that_comes_with_a_model_is_not_run(folder):
    (folder / "evil.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    edit(folder, auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})
    architectures.check("m", folder)
    architectures.load("m", folder, torch.float32)


def test_an_attention_that_config_json_asks_for_is_not_followed(folder):
    """flash_attention_2 without its package would be a kernel from the Hub."""
    plain = architectures.load("m", folder, torch.float32).config._attn_implementation
    edit(folder, _attn_implementation="flash_attention_2", attn_implementation="eager")
    assert architectures.load("m", folder, torch.float32).config._attn_implementation == plain == "sdpa"


def cut(folder: Path) -> models.ResolvedModel:
    """A model that was sound when it was found: the loaders look for themselves."""
    model = model_at(folder)
    change(folder, without("layers.1.mlp"))
    return model


LOADERS = {
    "transformers": lambda model: engines.open(model, engine_settings("transformers")).__enter__(),
    "vllm": lambda model: engines.open(model, engine_settings("vllm")).__enter__(),
    "fine-tuning": lambda model: adapters.base(model.folder, "float32"),
    "the harness": lambda model: harness.load(model, capability(), engine_settings("transformers")),
}


def capability():
    from syco_data import settings
    from tests.engines.test_engines import ROOT

    return settings.load(ROOT / "params.yaml").evaluate.capability.model_copy(update={"max_tokens": 8})


@pytest.mark.parametrize("loader", LOADERS)
def test_every_loader_refuses_weights_that_are_not_the_models_own(folder, loader):
    with pytest.raises(SycoError, match=r"lack model.layers.1.mlp.down_proj.weight of LlamaForCausalLM \(3 missing\)"):
        LOADERS[loader](cut(folder))


def test_weights_that_change_between_the_check_and_the_loading_are_refused(folder, monkeypatch):
    change(folder, without("lm_head"))
    monkeypatch.setattr(architectures, "check", lambda label, folder: None)
    with pytest.raises(SycoError, match="lack lm_head.weight"):
        architectures.load("m", folder, torch.float32)


def test_vllm_would_read_every_file_of_a_folder_without_an_index(folder):
    shutil.copy(folder / "model.safetensors", folder / "copy.safetensors")
    architectures.check("m", folder)
    with pytest.raises(SycoError, match="copy.safetensors lies beside model.safetensors, and vLLM would read both"):
        vllm.check(replace(model_at(folder)), engine_settings("vllm"))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda w: dict(list(w.items())[1:]), "its weights lack base_model.model.model.layers.0"),
        (lambda w: w | {"base_model.model.lm_head.lora_A.weight": torch.ones(2, 64)}, "its weights hold base_model"),
    ],
)  # fmt: skip
def test_an_adapter_without_all_of_its_weights_is_not_merged(folder, tmp_path, harm, message):
    from peft import LoraConfig, get_peft_model

    base = adapters.base(folder, "float32")
    get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    adapters.merge(adapters.base(folder, "float32"), tmp_path / "adapter", tmp_path / "merged")
    path = tmp_path / "adapter" / adapters.WEIGHTS
    save_file(harm(load_file(path)), path, metadata={"format": "pt"})
    with pytest.raises(SycoError, match=message):
        adapters.merge(adapters.base(folder, "float32"), tmp_path / "adapter", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_device_that_is_not_here_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "mps"):
        here = engine_settings("transformers").transformers.model_copy(update={"device": device})
        with pytest.raises(SycoError, match=f"no device '{device}' for torch .* engines.transformers.device to cpu"):
            engines.open(model_at(folder), engine_settings("transformers", transformers=here)).__enter__()
        with pytest.raises(SycoError, match=f"no device '{device}' for torch"):
            harness.load(model_at(folder), capability(), engine_settings("transformers", transformers=here))


def test_more_gpus_than_are_here_are_one_line(folder, monkeypatch):
    monkeypatch.setattr(vllm, "_is_cpu_build", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    vllm.check(model_at(folder), engine_settings("vllm"))
    two = engine_settings("vllm").vllm.model_copy(update={"tensor_parallel": 2})
    with pytest.raises(SycoError, match="engines.vllm.tensor_parallel is 2, and there are 1 GPUs here"):
        vllm.check(model_at(folder), engine_settings("vllm", vllm=two))
