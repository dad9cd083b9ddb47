"""Margins of narrow float types: logits in float32 from the hidden state, scaled and capped as the model does it."""

import math
from dataclasses import replace

import pytest
import torch
import transformers

from syco_data import engines
from syco_data.engines.planning import Request
from tests.engines.test_engines import REQUESTS, engine_settings, model_at
from tests.support import tiny_models

SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 512, "initializer_range": 0.3,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "dtype": "bfloat16",
}  # fmt: skip
ARCHITECTURES = {
    "Llama": ({}, lambda logits: logits),
    "Gemma2": ({"final_logit_softcapping": 5.0}, lambda logits: 5 * torch.tanh(logits / 5)),
    "Granite": ({"logits_scaling": 4.0}, lambda logits: logits / 4),
    "Cohere": ({"logit_scale": 0.25}, lambda logits: logits * 0.25),
}


def narrow(folder, architecture: str):
    """A model of the architecture in bfloat16, whose logits come in visible steps."""
    tiny_models.make(folder, "byte_bpe")
    size = len(transformers.AutoTokenizer.from_pretrained(folder))
    extra, _ = ARCHITECTURES[architecture]
    config = getattr(transformers, f"{architecture}Config")(vocab_size=size, **SIZES, **extra)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{architecture}ForCausalLM")(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    return replace(model_at(folder), dtype="bfloat16")


def margins(scores) -> list[float]:
    return [score.logprobs[0] - score.logprobs[1] for score in scores]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_candidates_are_projected_in_float32(tmp_path, monkeypatch, architecture):
    monkeypatch.setattr("syco_data.engines.transformers.ROWS", 100)
    model = narrow(tmp_path / "m", architecture)
    with engines.open(model, engine_settings("transformers")) as engine:
        plans = engine.plan(REQUESTS)
        result = engine.run(plans)
    plain = transformers.AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.bfloat16)
    expected, coarse = [], []
    for query in (query for plan in plans for query in plan.queries):
        with torch.inference_mode():
            ids = torch.tensor([query.ids])
            hidden = plain.model(input_ids=ids).last_hidden_state[0, -1]
            head = plain.lm_head.weight[list(query.candidates)]
            logits = ARCHITECTURES[architecture][1](head.float() @ hidden.float())
            own = plain(input_ids=ids).logits[0, -1, list(query.candidates)].float()
        expected.append((logits[0] - logits[1]).item())
        coarse.append((own[0] - own[1]).item())
    away = [abs(one - other) for one, other in zip(margins(result), expected, strict=True)]
    assert sorted(away)[len(away) // 2] < 1e-4, "batches of other lengths give another hidden state here and there"
    assert engines.resolution(coarse) > 0, "what the model's own head gives"
    assert engines.resolution(margins(result)) == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_one_position_of_a_text_is_projected_whatever_the_lengths_of_a_batch(tmp_path, dtype):
    """Logits of every length of a batch for every text would take gigabytes with a large vocabulary."""
    model, shapes = replace(narrow(tmp_path / "m", "Llama"), dtype=dtype), []
    with engines.open(model, engine_settings("transformers")) as engine:
        queries = [query for plan in engine.plan(REQUESTS) for query in plan.queries]
        assert len({len(query.ids) for query in queries}) > 5
        alone = [engine.logprobs([query])[0] for query in queries]
        head = engine._model.get_output_embeddings()
        head.register_forward_pre_hook(lambda _, arguments: shapes.append(tuple(arguments[0].shape[:2])))
        together = engine.logprobs(queries)
        assert len(engine.extend([list(queries[0].ids)], 2)[0]) in (0, 1, 2)
    assert shapes[0] == (len(queries), 1)
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=1e-4 if dtype == "float32" else 0.2)


def test_a_step_is_measured_whatever_rounds():
    fine = [math.sin(number) * 3 for number in range(200)]
    assert engines.resolution(fine) == 0
    for step in (0.125, 0.0625, 2**-10):
        assert engines.resolution([round(margin / step) * step + 1e-6 for margin in fine]) == step
    mixed = [round(margin / 0.125) * 0.125 for margin in fine[:150]] + [round(m / 0.0625) * 0.0625 for m in fine[150:]]
    assert engines.resolution(mixed) in (0.125, 0.0625)
    assert engines.resolution([0.5] * 5) == 0, "a few margins show nothing"
    assert engines.resolution([math.nan, 0.0] * 50) == 0


@pytest.mark.slow
def test_vllm_projects_in_float32_too(tmp_path):
    model = narrow(tmp_path / "m", "Granite")
    with engines.open(model, engine_settings("transformers")) as engine:
        expected = engine.score(REQUESTS)
    with engines.open(model, engine_settings("vllm")) as engine:
        result = engine.score(REQUESTS)
        counter = engine.counter = engines.Counter()
        alike = engine.score([Request("river " * 70 + text, options) for text, options in REQUESTS[:10]])
    assert engines.resolution(margins(result)) == 0
    away = [abs(one - other) for one, other in zip(margins(result), margins(expected), strict=True)]
    assert sorted(away)[len(away) // 2] < 0.05
    assert counter.tokens == sum(score.tokens for score in alike)
    assert counter.cached == 9 * 64, "whole blocks of 32 tokens"
