"""Trains the reference model: Muon on the matrices of its blocks, AdamW on embedding and norms."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from syco_data.reference import examples
from syco_data.reference.examples import Batch, Example
from syco_data.reference.muon import Muon
from syco_data.reference.tokenizer import END, PAD
from syco_data.settings import ReferenceModel, ReferenceOptimiser

PARTS = 3
"""Batches of like length that a step's examples are cut into."""


@dataclass(frozen=True)
class Step:
    """The short and the long examples of one step; their mean losses are added."""

    short: list[Example]
    long: list[Example]


def new_model(settings: ReferenceModel, tokenizer, seed: int) -> LlamaForCausalLM:
    """A model with fresh weights, the same for the same seed."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        head_dim=settings.head_size,
        intermediate_size=settings.feed_forward,
        max_position_embeddings=settings.positions,
        rope_theta=10_000.0,  # pyrefly: ignore[unexpected-keyword]
        initializer_range=0.02,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
        attn_implementation="sdpa",  # pyrefly: ignore[unexpected-keyword]
    )
    return LlamaForCausalLM(config)


class Trainer:
    """A model with its two optimisers; `run` goes through steps on a schedule of its own."""

    def __init__(self, model: LlamaForCausalLM, settings: ReferenceOptimiser, tokenizer) -> None:
        self.model, self.settings, self.tokenizer = model, settings, tokenizer
        named = dict(model.named_parameters())
        blocks = [p for name, p in named.items() if p.ndim == 2 and ".layers." in name]
        others = [p for name, p in named.items() if not (p.ndim == 2 and ".layers." in name)]
        muon = Muon(blocks, lr=settings.muon, momentum=settings.momentum, nesterov=True, weight_decay=settings.decay)
        adam = torch.optim.AdamW(others, lr=settings.adam, betas=(0.9, 0.98), weight_decay=0.0)
        self._optimisers = ((muon, settings.muon), (adam, settings.adam))

    def state(self) -> dict[str, torch.Tensor]:
        """All that a training has changed: `model.<parameter>` and `optimiser.<number>.<parameter>.<name>`."""
        tensors = {f"model.{name}": parameter.detach() for name, parameter in self.model.named_parameters()}
        for number, (optimiser, _) in enumerate(self._optimisers):
            for index, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{number}.{index}.{name}": tensor for name, tensor in values.items()}
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Goes back to a state; raises `KeyError` where a parameter is missing."""
        for name, parameter in self.model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
        for number, (optimiser, _) in enumerate(self._optimisers):
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key in tensors:
                if key.startswith(f"optimiser.{number}."):
                    _, _, index, name = key.split(".")
                    state.setdefault(int(index), {})[name] = tensors[key]
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})

    def run(self, steps: Iterator[Step], count: int, peak: float = 1.0, start: int = 0) -> Iterator[float]:
        """Trains on steps `start` to `count` at `peak` of the rates and yields each step's loss."""
        self.model.train()
        for number, step in enumerate(steps, start):
            rate = peak * self._rate(number, count)
            for optimiser, full in self._optimisers:
                optimiser.param_groups[0]["lr"] = full * rate
            yield self._take(step)

    def _rate(self, number: int, count: int) -> float:
        """Share of the full rate: warm-up, constant, linear to zero."""
        cooling = (count - number) / (self.settings.cool_down * count)
        return min(1.0, (number + 1) / max(self.settings.warm_up, 1), cooling)

    def _take(self, step: Step) -> float:
        loss = sum(map(self._backward, filter(None, (step.short, step.long))))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        for optimiser, _ in self._optimisers:
            optimiser.step()
        self.model.zero_grad(set_to_none=True)
        return loss

    def _backward(self, group: list[Example]) -> float:
        total = sum(sum(example.weights) for example in group)
        mean = 0.0
        for batch in examples.batches(group, PARTS, self.tokenizer):
            part = _loss(self.model, batch) / total
            part.backward()
            mean += part.item()
        return mean


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """The weighted sum of losses; targets with an auxiliary layer are predicted from that one too."""
    states = model.model(
        input_ids=torch.from_numpy(batch.ids), use_cache=False, output_hidden_states=True
    ).hidden_states
    loss = _sum(model, batch, states[-1], batch.layers >= 0)
    for layer in sorted({*batch.layers.tolist()} - {0}):
        loss = loss + _sum(model, batch, model.model.norm(states[-1 - layer]), batch.layers == layer)
    return loss


def _sum(model: LlamaForCausalLM, batch: Batch, states: torch.Tensor, mask: np.ndarray) -> torch.Tensor:
    """The weighted loss of the targets of a mask, predicted from the states of one layer."""
    parts = (batch.rows, batch.positions, batch.targets, batch.weights)
    rows, positions, targets, weights = (torch.from_numpy(part[mask]) for part in parts)
    return (cross_entropy(model.lm_head(states[rows, positions]), targets, reduction="none") * weights).sum()


def logits(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Scores of the next token at each supervised position, shape (supervised, vocabulary).

    Padding is on the right, so under causal attention no position ever sees it and no mask is needed.
    """
    states = model.model(input_ids=torch.from_numpy(batch.ids), use_cache=False).last_hidden_state
    return model.lm_head(states[torch.from_numpy(batch.rows), torch.from_numpy(batch.positions)])
