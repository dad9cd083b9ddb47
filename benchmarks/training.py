"""What training the reference model gains from Muon over stacks and from texts that are made ahead, from one run.

    python -m benchmarks training [STEPS]

Steps of the last stage of the default recipe, from fresh weights each time. The project's way and the plain one
(torch's Muon, each step's texts made when it is their turn) take turns; wall clock, the best of three turns each.
"""

import sys
import time
from collections.abc import Callable, Iterator
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.reference import model as reference
from syco_data.reference import recipe, training
from syco_data.reference.recipe import Recipe

TURNS = 3
INPUTS = 800
"""Different inputs per source: enough for some hundred steps."""


def main(steps: str = "40") -> None:
    params = settings.load()
    few = params.reference.model_copy(update={"inputs": INPUTS})
    result = recipe.of(params.model_copy(update={"reference": few}))
    with reference.pinned(few.threads):
        tokenizer = reference.make_tokenizer(result)
        turns = [_turn(result, tokenizer, int(steps)) for _ in range(TURNS)]
    plain, ours = (min(times) for times in zip(*(seconds for seconds, _ in turns), strict=True))
    table = Table(title=f"{steps} steps of the last stage")
    for heading in ("plain s", "ours s", "ours / plain", "same weights"):
        table.add_column(heading, justify="right")
    same = "yes" if all(equal for _, equal in turns) else "no"
    table.add_row(f"{plain:.2f}", f"{ours:.2f}", f"{ours / plain:.2f}", same)
    Console().print(table)


def _turn(recipe: Recipe, tokenizer, count: int) -> tuple[tuple[float, float], bool]:
    """Seconds of the plain way and of ours, and whether both end with the same weights."""
    with mock.patch.object(training, "Muon", torch.optim.Muon):
        plain, theirs = _trained(recipe, tokenizer, count, iter)
    seconds, ours = _trained(recipe, tokenizer, count, reference.ahead)
    return (plain, seconds), all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def _trained(
    recipe: Recipe, tokenizer, count: int, served: Callable[[Iterator], Iterator]
) -> tuple[float, list[torch.Tensor]]:
    stage = recipe.settings.stages[-1].model_copy(update={"steps": count})
    model = training.new_model(recipe.settings.model, tokenizer, recipe.seed)
    trainer = training.Trainer(model, recipe.settings.optimiser, tokenizer)
    steps = reference.steps(recipe, ((stage, "benchmark"),), tokenizer)
    begun = time.perf_counter()
    for _ in trainer.run(served(steps), count):
        pass
    return time.perf_counter() - begun, list(model.parameters())


if __name__ == "__main__":
    main(*sys.argv[1:])
