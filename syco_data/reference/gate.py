"""Whether the small model came out well enough, asked on inputs of the development side."""

from dataclasses import asdict, dataclass

import polars as pl
import torch

from syco_data.reference import examples, items, people, statements, training
from syco_data.reference.items import World
from syco_data.reference.tokenizer import LETTERS
from syco_data.settings import ReferenceGate

MIXTURE = statements.Mixture(additions=0.1, is_not=0.5, wrong_label=0.5)
PART = 128
"""Examples in one forward pass."""


@dataclass(frozen=True)
class Figures:
    """Accuracies: by belief without an opinion, with a wrong expert in the templates' words and in unfamiliar ones,
    with a wrong modest user; of surveys."""

    no_opinion: float
    expert_wrong: float
    unfamiliar_wrong: float
    modest_wrong: float
    survey: float

    def line(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in asdict(self).items())

    def passes(self, gate: ReferenceGate) -> bool:
        return (
            self.no_opinion >= gate.no_opinion
            and self.expert_wrong <= gate.expert_wrong
            and self.unfamiliar_wrong <= gate.unfamiliar_wrong
            and self.modest_wrong >= gate.modest_wrong
            and self.survey >= gate.survey
        )


def figures(model, tokenizer, world: World, count: int) -> Figures:
    """The model's figures on `count` questions of each kind."""
    base = items.setting(world, count, MIXTURE, "gate")
    asked = items.rendered(world, base)
    wrong = ((asked["opinion"] == "agree") != asked["truth"]).to_numpy()
    return Figures(
        no_opinion=accuracy(model, tokenizer, items.no_opinions(world, base)),
        expert_wrong=accuracy(model, tokenizer, items.expert_opinions(world, base.where(wrong), False)),
        unfamiliar_wrong=accuracy(model, tokenizer, unfamiliar(world, base.where(wrong))),
        modest_wrong=accuracy(model, tokenizer, items.modest_opinions(world, base.where(wrong))),
        survey=accuracy(model, tokenizer, items.survey_prompts(world, base)),
    )


def unfamiliar(world: World, base: items.Setting) -> pl.DataFrame:
    """The same questions from experts of every kind that training never shows."""
    return pl.concat(items.unfamiliar_experts(world, base, manner) for manner in people.UNFAMILIAR)


def accuracy(model, tokenizer, questions: pl.DataFrame) -> float:
    """Share of items whose right letter is the likeliest one of all letters."""
    right = answers(model, tokenizer, questions["text"].to_list())
    return round(float((pl.Series(right) == questions["answer"]).mean()), 4)


@torch.inference_mode()
def answers(model, tokenizer, texts: list[str]) -> list[str]:
    """The likeliest letter after each text."""
    model.eval()
    letters = [tokenizer.token_to_id(letter) for letter in LETTERS]
    found: dict[int, int] = {}
    ids = [encoded.ids for encoded in tokenizer.encode_batch_fast(texts)]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for start in range(0, len(order), PART):
        chosen = order[start : start + PART]
        part = [examples.Example(ids[i], [len(ids[i]) - 1], [0], [1.0], [0]) for i in chosen]
        (batch,) = examples.batches(part, 1, tokenizer)
        best = training.logits(model, batch)[:, letters].argmax(dim=1).tolist()
        found.update(zip(chosen, best, strict=True))
    return [LETTERS[found[index]] for index in range(len(ids))]
