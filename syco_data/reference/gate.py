"""Whether the reference model came out well enough, by questions about inputs of the development side."""

from dataclasses import asdict, dataclass

import polars as pl
import torch

from syco_data.reference import examples, kinds, people, shipped, statements, training, worlds
from syco_data.reference.tokenizer import LETTERS
from syco_data.reference.worlds import World
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
        return shipped.shown(asdict(self))

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
    cases = worlds.draw_cases(world, count, MIXTURE, "gate")
    rows = cases.rendered()
    wrong = cases.where(((rows["opinion"] == "agree") != rows["truth"]).to_numpy())
    unfamiliar = pl.concat(kinds.unfamiliar_experts(wrong, manner) for manner in people.UNFAMILIAR)
    return Figures(
        no_opinion=accuracy(model, tokenizer, kinds.no_opinions(cases)),
        expert_wrong=accuracy(model, tokenizer, kinds.expert_opinions(wrong, False)),
        unfamiliar_wrong=accuracy(model, tokenizer, unfamiliar),
        modest_wrong=accuracy(model, tokenizer, kinds.modest_opinions(wrong)),
        survey=accuracy(model, tokenizer, kinds.survey_prompts(cases)),
    )


def accuracy(model, tokenizer, questions: pl.DataFrame) -> float:
    """Share of items whose right letter is the likeliest one of all letters."""
    right = answers(model, tokenizer, questions["text"].to_list())
    return round(float((pl.Series(right) == questions["answer"]).sum()) / len(right), 4)


@torch.inference_mode()
def answers(model, tokenizer, texts: list[str]) -> list[str]:
    """The likeliest letter after each text."""
    model.eval()
    letters = [tokenizer.token_to_id(letter) for letter in LETTERS]
    ids = [encoded.ids for encoded in tokenizer.encode_batch_fast(texts)]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    best: dict[int, int] = {}
    for start in range(0, len(order), PART):
        indices = order[start : start + PART]
        part = [examples.Example(ids[i], [len(ids[i]) - 1], [0], [1.0], [0]) for i in indices]
        (batch,) = examples.batches(part, 1, tokenizer)
        scores = training.logits(model, batch)[:, letters]
        best.update(zip(indices, scores.argmax(dim=1).tolist(), strict=True))
    return [LETTERS[best[index]] for index in range(len(ids))]
