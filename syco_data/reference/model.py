"""Trains the reference model from scratch: tokenizer, stages of training, acceptance gate, a Hugging Face folder.

It learns most claims, follows an expert user who is wrong, and can be cured by tuning. What makes it work: the
believed label and the verdict are supervised inside the claim, and already from an earlier layer, so that each is
there before it is needed (`examples`); names of classes are compared without any input first (`items`, kind
`match`); users without expertise are answered by belief, so that there is a gate for tuning to move, and experts
speak in many words and places, so that the gate hangs on no template's wording (`people`).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from syco_data import files, ownership
from syco_data.errors import SycoError
from syco_data.progress import keeping, progress
from syco_data.reference import checkpoints, examples, gate, shipped, tokenizer, training
from syco_data.reference.checkpoints import Checkpoints
from syco_data.reference.examples import Example
from syco_data.reference.recipe import Phase, Recipe
from syco_data.reference.tokenizer import END, PAD


@dataclass(frozen=True)
class TrainedModel:
    """The model, its tokenizer, the figures of the gate and the rounds it took beyond the planned stages."""

    model: LlamaForCausalLM
    tokenizer: object
    figures: gate.Figures
    rounds: int


def build(recipe: Recipe, target: Path, folder: Path) -> gate.Figures:
    """Trains the model and writes it to `target`, whole or not at all; `folder` holds the state of the training.

    Raises `SycoError` when it does not pass its gate within the rounds allowed.
    """
    ownership.require(target, shipped.HINT)
    state = checkpoints.of(recipe, folder)
    state.require()
    with pinned(recipe.settings.threads):
        result = train(recipe, state)
    if not result.figures.passes(recipe.settings.gate):
        raise SycoError(
            f"reference: the model did not pass its gate after {result.rounds} extra rounds: {result.figures.line()}",
            "Raise reference.gate.rounds, or change the seed in params.yaml",
        )
    save(result, recipe, target)
    return result.figures


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """A fixed number of threads: sums are put together in another order on another number."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        if torch.get_num_threads() != threads:
            raise SycoError(
                f"torch computes with {torch.get_num_threads()} threads, and reference.threads says {threads}",
                "Run it in a process of its own, and unset OMP_THREAD_LIMIT",
            )
        yield
    finally:
        torch.set_num_threads(before)


def train(recipe: Recipe, state: Checkpoints) -> TrainedModel:
    """All planned stages, then rounds of the last one at lower rates until the gate is passed."""
    settings = recipe.settings
    vocabulary = make_tokenizer(recipe)
    trainer = training.Trainer(
        training.new_model(settings.model, vocabulary, recipe.seed), settings.optimiser, vocabulary
    )
    begin, start = state.restore(trainer)
    for number, phase in enumerate(recipe.phases()):
        if number < begin:
            continue
        _run(trainer, recipe, phase, number, start if number == begin else 0, state)
        figures = gate.figures(trainer.model, vocabulary, recipe.unseen, settings.gate.items)
        if figures.passes(settings.gate):
            break
    # A saved phase is one of these: one has run.
    return TrainedModel(trainer.model, vocabulary, figures, number)  # pyrefly: ignore[unbound-name]


def make_tokenizer(recipe: Recipe):
    """A tokenizer trained on prompts of every kind."""
    templates = recipe.world.templates.values()
    return tokenizer.build(recipe.tokenizer_texts(), templates, recipe.settings.model.vocabulary)


def _run(trainer: training.Trainer, recipe: Recipe, phase: Phase, number: int, start: int, state: Checkpoints) -> None:
    """The steps of a phase from `start` on; a round begins at a share of the full rates."""
    count = sum(stage.steps for stage, _ in phase)
    name = f"training on, round {number}" if number else "training the reference model"
    peak = recipe.settings.gate.peak if number else 1.0
    with keeping(lambda: f"the last checkpoint stays, in {state.folder}"), progress(name, count - start) as bar:
        losses = trainer.run(ahead(steps(recipe, phase, trainer.tokenizer, start)), count, peak, start)
        for step, _ in enumerate(losses, start + 1):
            bar.advance()
            if step == count or not step % checkpoints.STEPS:
                state.save(trainer, number, step)


def ahead(source: Iterator[training.Step]) -> Iterator[training.Step]:
    """The same steps, each made while the one before it is trained on."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(next, source, None)
        while (step := following.result()) is not None:
            following = worker.submit(next, source, None)
            yield step


def steps(recipe: Recipe, phase: Phase, vocabulary, start: int = 0) -> Iterator[training.Step]:
    """The steps of a phase, without the first `start`."""
    settings = recipe.settings
    for stage, purpose in phase:
        first, start = min(start, stage.steps), max(start - stage.steps, 0)
        if first == stage.steps:
            continue
        short, long = recipe.items(stage, purpose)
        for number in range(first, stage.steps):
            yield training.Step(
                _encoded(short, number, stage.short_items, vocabulary, settings.targets),
                _encoded(long, number, stage.long_items, vocabulary, settings.targets),
            )


def _encoded(frame: pl.DataFrame, number: int, size: int, vocabulary, targets) -> list[Example]:
    """The items of one step; encoded as they are needed, since a hundred thousand examples slow Python down."""
    return examples.encode(frame[number * size : (number + 1) * size], vocabulary, targets) if size else []


def save(result: TrainedModel, recipe: Recipe, target: Path) -> None:
    """A plain Hugging Face folder and `gate.json`; it appears whole or not at all."""
    logging.disable_progress_bar()
    with ownership.replacing(target, shipped.HINT) as folder:
        result.model.float().save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=result.tokenizer,
            eos_token=END,
            pad_token=PAD,
            model_max_length=recipe.settings.model.positions,
            clean_up_tokenization_spaces=False,
        ).save_pretrained(folder)
        record = {"figures": asdict(result.figures), "recipe": recipe.digest, "rounds": result.rounds}
        files.write_json(folder / shipped.GATE, {**record, "seed": recipe.seed, "weights": "trained"}, 2)
