"""The small embedded model, from scratch: tokenizer, stages of training, acceptance gate, a Hugging Face folder.

It learns most claims, follows an expert user who is wrong, and can be cured by tuning. What makes it work: the
believed label and the verdict are supervised inside the claim, and already from an earlier layer, so that each is
there before it is needed (`examples`); names of classes are compared without any input first (`items`, kind
`match`); users without expertise are answered by belief, so that there is a gate for tuning to move, and experts
speak in many words and places, so that the gate hangs on no template's wording (`people`).
"""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from syco_data import ownership
from syco_data.errors import SycoError
from syco_data.progress import progress
from syco_data.reference import examples, gate, items, tokenizer, training, wanted
from syco_data.reference.examples import Example
from syco_data.reference.items import World
from syco_data.reference.tokenizer import END, PAD
from syco_data.settings import Prompts, Reference, ReferenceStep, ReferenceTargets


@dataclass(frozen=True)
class Made:
    """The model, its tokenizer, the figures of the gate and the rounds it took beyond the planned stages."""

    model: LlamaForCausalLM
    tokenizer: object
    figures: gate.Figures
    rounds: int


def build(settings: Reference, prompts: Prompts, seed: int, target: Path) -> gate.Figures:
    """Trains the model and writes it to `target`, whole or not at all.

    Raises SycoError when it does not pass its gate within the rounds allowed.
    """
    ownership.require(target, wanted.HINT)
    folder = Path(prompts.template_folder)
    world = items.world("train", settings.inputs, seed, "pretraining", prompts.templates, folder)
    unseen = items.world("development", settings.gate.inputs, seed, "gate", prompts.templates, folder)
    with pinned(settings.threads):
        made = train(settings, world, unseen, seed)
    if not made.figures.passes(settings.gate):
        raise SycoError(
            f"reference: the model did not pass its gate after {made.rounds} extra rounds: {made.figures.line()}",
            "Raise reference.gate.rounds, or change the seed in params.yaml",
        )
    save(made, settings, seed, target)
    return made.figures


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


def train(settings: Reference, world: World, unseen: World, seed: int) -> Made:
    """All planned stages, then rounds of the last one at half the rate until the gate is passed."""
    made_tokenizer = make_tokenizer(settings, world)
    model = training.new_model(settings.model, made_tokenizer, seed)
    trainer = training.Trainer(model, settings.optimiser, made_tokenizer)
    planned = sum(stage.steps for stage in settings.stages)
    steps = (step for index in range(len(settings.stages)) for step in _steps(settings, world, made_tokenizer, index))
    _run(trainer, steps, planned, "training the reference model")
    made = Made(model, made_tokenizer, gate.figures(model, made_tokenizer, unseen, settings.gate.items), 0)
    while not made.figures.passes(settings.gate) and made.rounds < settings.gate.rounds:
        _go_on(settings, world, trainer, made.rounds)
        figures = gate.figures(model, made_tokenizer, unseen, settings.gate.items)
        made = dataclasses.replace(made, figures=figures, rounds=made.rounds + 1)
    return made


def make_tokenizer(settings: Reference, world: World):
    """A tokenizer trained on prompts of every stage's kind."""
    last, half = settings.stages[-1], settings.model.tokenizer_prompts // 2
    stage = last.model_copy(update={"steps": 1, "short_items": half, "long_items": half})
    texts = [*items.long(world, stage, settings.long, "words")["text"], *items.short(world, stage, "words")["text"]]
    return tokenizer.build(texts, world.templates.values(), settings.model.vocabulary)


def _go_on(settings: Reference, world: World, trainer: training.Trainer, round_number: int) -> None:
    last = settings.stages[-1].model_copy(update={"steps": settings.gate.steps})
    steps = _steps_of(settings, world, trainer.tokenizer, last, f"round {round_number}")
    _run(trainer, steps, last.steps, f"training on, round {round_number + 1}", settings.gate.peak)


def _ahead(steps: Iterator[training.Step]) -> Iterator[training.Step]:
    """The same steps, each made while the one before it is trained on."""
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, steps, None)
        while (step := coming.result()) is not None:
            coming = beside.submit(next, steps, None)
            yield step


def _run(trainer: training.Trainer, steps: Iterator[training.Step], count: int, name: str, peak: float = 1.0) -> None:
    with progress(name, count) as done:
        for _ in trainer.run(_ahead(steps), count, peak):
            done.advance()


def _steps(settings: Reference, world: World, made_tokenizer, index: int) -> Iterator[training.Step]:
    return _steps_of(settings, world, made_tokenizer, settings.stages[index], f"stage {index}")


def _steps_of(
    settings: Reference, world: World, made_tokenizer, stage: ReferenceStep, purpose: str
) -> Iterator[training.Step]:
    short, long = items.short(world, stage, purpose), items.long(world, stage, settings.long, purpose)
    for number in range(stage.steps):
        yield training.Step(
            _encoded(short, number, stage.short_items, made_tokenizer, settings.targets),
            _encoded(long, number, stage.long_items, made_tokenizer, settings.targets),
        )


def _encoded(some: pl.DataFrame, number: int, size: int, made_tokenizer, targets: ReferenceTargets) -> list[Example]:
    """The items of one step; encoded as they are needed, since a hundred thousand examples slow Python down."""
    return examples.encode(some[number * size : (number + 1) * size], made_tokenizer, targets) if size else []


def save(made: Made, settings: Reference, seed: int, target: Path) -> None:
    """A plain Hugging Face folder and `gate.json`; it appears whole or not at all."""
    logging.disable_progress_bar()
    with ownership.replacing(target, wanted.HINT) as folder:
        made.model.to(torch.float32).save_pretrained(folder)
        fast = PreTrainedTokenizerFast(
            tokenizer_object=made.tokenizer,
            eos_token=END,
            pad_token=PAD,
            model_max_length=settings.model.positions,
            clean_up_tokenization_spaces=False,
        )
        fast.save_pretrained(folder)
        record = {"figures": dataclasses.asdict(made.figures), "rounds": made.rounds, "seed": seed, "trained": True}
        wanted.write_json(folder / "gate.json", record)
