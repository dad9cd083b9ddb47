"""What training the embedded model gains from Muon over stacks and from texts that are made ahead, from one run.

    python -m benchmarks training [STEPS]

Steps of the last stage of the default recipe, from fresh weights each time. The project's way and the plain one
(torch's Muon, each step's texts made when it is their turn) take turns; wall clock, the best of three turns each.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table

from syco_data import settings
from syco_data.reference import items, training
from syco_data.reference import model as reference

TURNS = 3
INPUTS = 800
"""Different inputs per source: enough for some hundred steps."""


def main(steps: str = "40") -> None:
    chosen = settings.load()
    world = items.world(
        "train", INPUTS, chosen.seed, "pretraining", chosen.prompts.templates, Path(chosen.prompts.template_folder)
    )
    with reference.pinned(chosen.reference.threads):
        tokenizer = reference.make_tokenizer(chosen.reference, world)
        turns = [_turn(chosen, world, tokenizer, int(steps)) for _ in range(TURNS)]
    plain, ours = (min(times) for times in zip(*(seconds for seconds, _ in turns), strict=True))
    table = Table(title=f"{steps} steps of the last stage")
    for heading in ("plain s", "ours s", "ours / plain", "same weights"):
        table.add_column(heading, justify="right")
    same = "yes" if all(equal for _, equal in turns) else "no"
    table.add_row(f"{plain:.2f}", f"{ours:.2f}", f"{ours / plain:.2f}", same)
    Console().print(table)


def _turn(chosen, world, tokenizer, count: int) -> tuple[tuple[float, float], bool]:
    """Seconds of the plain way and of ours, and whether both end with the same weights."""
    with mock.patch.object(training, "Muon", torch.optim.Muon):
        plain, theirs = _trained(chosen, world, tokenizer, count, iter)
    seconds, ours = _trained(chosen, world, tokenizer, count, reference._ahead)
    return (plain, seconds), all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def _trained(
    chosen, world, tokenizer, count: int, served: Callable[[Iterator], Iterator]
) -> tuple[float, list[torch.Tensor]]:
    stage = chosen.reference.stages[-1].model_copy(update={"steps": count})
    model = training.new_model(chosen.reference.model, tokenizer, chosen.seed)
    trainer = training.Trainer(model, chosen.reference.optimiser, tokenizer)
    steps = reference._steps_of(chosen.reference, world, tokenizer, stage, "benchmark")
    begun = time.perf_counter()
    for _ in trainer.run(served(steps), count):
        pass
    return time.perf_counter() - begun, list(model.parameters())


if __name__ == "__main__":
    main(*sys.argv[1:])
