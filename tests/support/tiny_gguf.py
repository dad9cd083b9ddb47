"""GGUF files of tiny models, written by llama.cpp's own package, for tests of imports."""

import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from tests.support import tiny_models

NAMES = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v",
    "o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def make(
    folder: Path, architecture: str = "llama", kind: Kind = Kind.F32, config: dict[str, int] | None = None,
    **changes: np.ndarray | None,
) -> Path:  # fmt: skip
    """`folder`/model (a tiny chat Llama) written as `folder`/tiny.gguf, whose path is returned.

    `kind` is the type of its matrices; `changes` are tensors by name (dots as __) to replace, to add, or to leave out,
    and `config` what the file says of itself otherwise than the model's config.json.
    """
    import safetensors.numpy

    tiny_models.make(folder / "model", chat=True)
    config = json.loads((folder / "model" / "config.json").read_text(encoding="utf-8")) | (config or {})
    target = folder / "tiny.gguf"
    writer = gguf.GGUFWriter(target, architecture)
    writer.add_name("Tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    _add_tokenizer(writer, folder / "model")
    weights = safetensors.numpy.load_file(folder / "model" / "model.safetensors")
    tensors = {_name(name): _permuted(name, value, config) for name, value in weights.items()}
    tensors.update({name.replace("__", "."): value for name, value in changes.items()})
    for name, value in tensors.items():
        if value is not None and value.ndim == 2 and kind != Kind.F32:
            writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        elif value is not None:
            writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _name(name: str) -> str:
    *path, kind = name.removesuffix(".weight").split(".")
    return ("blk." + path[path.index("layers") + 1] + "." if "layers" in path else "") + NAMES[kind] + ".weight"


def _permuted(name: str, value: np.ndarray, config: dict) -> np.ndarray:
    """llama.cpp turns neighbouring pairs, transformers the halves of a head."""
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return value
    heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
    return value.reshape(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)


def _add_tokenizer(writer: gguf.GGUFWriter, model: Path) -> None:
    whole = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = sorted(whole["model"]["vocab"], key=whole["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in tiny_models.SPECIALS else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in whole["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(tiny_models.CHAT_TEMPLATE)
