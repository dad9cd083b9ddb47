"""Engines run a model. One protocol; an engine is one file here, and `engines.engine` its name.

    with engines.open(model, settings.engines) as engine:
        engine.score([Request(text, (" (A)", " (B)")), ...])   # -> [OptionScores, ...]
        engine.generate(texts, max_tokens=16)                  # -> [continuation, ...]

`text` is a transcript (`Human: ... Assistant: <lead-in>`); the model's prompt style is applied inside. An engine
itself answers one question: the log-probabilities of some next tokens (`logprobs`), and continues token ids
(`extend`); what an option's score is made of is decided in `planning`, alike for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from syco_data.engines.planning import OptionScores, Plan, Planner, Query, Request
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from syco_data.settings import ENGINES, unknown

if TYPE_CHECKING:
    from syco_data.engines.models import ResolvedModel
    from syco_data.settings import Engines


@dataclass(frozen=True)
class Identity:
    """What a score depends on besides the model and the text; known without importing a model library.

    `version` is that of the engine's package, `device` a kind of device (`cpu`, `cuda NVIDIA H100`, `mps`).
    """

    engine: str
    version: str
    device: str


@dataclass
class Counter:
    """Tokens of the prefixes that an engine was given, and those of them that it took from its prefix cache.

    `cached` is None for an engine without such a cache.
    """

    tokens: int = 0
    cached: int | None = None

    def add(self, tokens: int, cached: int | None) -> None:
        self.tokens += tokens
        if cached is not None:
            self.cached = (self.cached or 0) + cached

    @property
    def share_cached(self) -> float | None:
        return None if self.cached is None else self.cached / max(self.tokens, 1)


class Batch(NamedTuple):
    """A finished batch by its number, in whatever order batches finish."""

    number: int
    scores: list[OptionScores]


class Engine(ABC):
    """A loaded model. `max_length` is the longest prefix in tokens, the token to come included.

    `vocabulary` is how many tokens the model has embeddings for, where its engine knows.
    """

    vocabulary: int | None = None

    def __init__(self, model: ResolvedModel, settings: Engines) -> None:
        self.model, self.settings, self.max_length = model, settings, longest(model, settings)
        self.counter = Counter()
        self.tokenizer = Tokenizer(model.folder, model.style)
        self._planner = Planner(self.tokenizer, settings.scoring)

    @abstractmethod
    def logprobs(self, queries: Sequence[Query]) -> list[Sequence[float]]:
        """For each query, the natural log-probabilities of its candidates, in their order."""

    @abstractmethod
    def extend(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        """Greedy continuations: token ids up to the model's end token or `max_tokens`."""

    @abstractmethod
    def close(self) -> None:
        """Frees what the model holds."""

    def plan(self, requests: Sequence[Request]) -> list[Plan]:
        """The queries that score the requests, in the model's prompt style."""
        return self._planner.plan(styled(self.tokenizer, requests))

    def score(self, requests: Sequence[Request]) -> list[OptionScores]:
        """The options' log-probabilities of each request, in order; too long ones are marked, never cut."""
        return self.run(self.plan(requests))

    def run(self, plans: list[Plan]) -> list[OptionScores]:
        """Answers plans."""
        sizes = [plan.tokens for plan in plans]
        fitting = [plan for plan, size in zip(plans, sizes, strict=True) if size < self.max_length]
        queries = [query for plan in fitting for query in plan.queries]
        self._check_tokens([ids for query in queries for ids in query])
        answers = iter(self.logprobs(queries))
        scored = iter([plan.scores([next(answers) for _ in plan.queries]) for plan in fitting])
        return [
            OptionScores(next(scored) if size < self.max_length else None, size, plan.mode)
            for plan, size in zip(plans, sizes, strict=True)
        ]

    def stream(self, batches: Sequence[Sequence[Request]]) -> Iterator[Batch]:
        """Scores batches one after the other; the next one is tokenised while one runs."""
        with ThreadPoolExecutor(max_workers=1) as tokenising:
            upcoming = [tokenising.submit(self.plan, batch) for batch in batches[:1]]
            for number in range(len(batches)):
                plans = upcoming.pop().result()
                if number + 1 < len(batches):
                    upcoming.append(tokenising.submit(self.plan, batches[number + 1]))
                yield Batch(number, self.run(plans))

    def generate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """Greedy continuations of transcripts, in order; a text too long for the model gives an error."""
        prompts = self.tokenizer.ids([self.tokenizer.styled(text) for text in texts])
        longest = max(map(len, prompts), default=0)
        if longest + max_tokens > self.max_length:
            raise SycoError(
                f"a prompt of {longest} tokens and {max_tokens} to come exceed max_length {self.max_length}",
                "Raise it in params.yaml",
            )
        self._check_tokens(prompts)
        return [self.tokenizer.text(ids) for ids in self.extend(prompts, max_tokens)]

    def _check_tokens(self, texts: Sequence[Sequence[int]]) -> None:
        """A tokenizer of another model gives tokens that this one does not have."""
        last = max((max(ids) for ids in texts if ids), default=0)
        if self.vocabulary is not None and last >= self.vocabulary:
            raise SycoError(
                f"model '{self.model.name}': its tokenizer gives token {last}, and the model has {self.vocabulary}",
                "The tokenizer is another model's: fetch or save the model again with its own",
            )


def styled(tokenizer: Tokenizer, requests: Iterable[Request]) -> list[Request]:
    """The requests in the model's prompt style."""
    return [Request(tokenizer.styled(text), options) for text, options in requests]


def longest(model: ResolvedModel, settings: Engines) -> int:
    """The longest text in tokens, the token to come included: the params' limit, or the model's own."""
    return min(settings.max_length, model.positions or settings.max_length)


def modules() -> dict[str, ModuleType]:
    """The engines by name; none imports its library before a model is loaded.

    A module has `identity(settings)`, `load(model, settings)` and `sorts_by_prefix(settings)`: whether texts with
    a common beginning are to be neighbours, rather than texts of like length.
    """
    return {name: import_module(f"{__name__}.{name}") for name in ENGINES}


def module(name: str) -> ModuleType:
    """One engine's module; raises `SycoError` for an unknown name."""
    if name not in modules():
        raise SycoError(f"engines.engine: {unknown(name, modules())}")
    return modules()[name]


def identity(settings: Engines) -> Identity:
    """Of the engine that the settings name."""
    return module(settings.engine).identity(settings)


@contextmanager
def open(model: ResolvedModel, settings: Engines) -> Iterator[Engine]:
    """Loads a model into the engine that the settings name, and frees it at the end."""
    engine = module(settings.engine).load(model, settings)
    try:
        yield engine
    finally:
        engine.close()


STEPS = tuple(2.0**-power for power in range(1, 13))
"""Distances of neighbouring numbers, in nats, that may be seen in margins: those of narrow float types."""
ROUNDING = 4e-6  # nats: of log-probabilities in float32
FEWEST_MARGINS = 20


def resolution(margins: Sequence[float]) -> float:
    """The step that log-odds come in, in nats; 0 where there is none.

    Measured on the margins themselves (differences of two options' log-probabilities), because it is a matter of the
    engine, the architecture and the type together: the logits of a bfloat16 head between 16 and 32 have steps of 0.125.
    """
    import numpy as np

    values = np.abs(np.asarray(margins, dtype=np.float64))
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < FEWEST_MARGINS:
        return 0.0
    distances = (np.abs(values - step * np.round(values / step)) for step in STEPS)
    coarse = (step for step, away in zip(STEPS, distances, strict=True) if np.mean(away < ROUNDING) > 0.9)
    return next(coarse, 0.0)


def version_of(*distributions: str) -> str:
    """The version of the first of these packages that is installed; a missing engine is one line."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    raise SycoError(
        f"engine: the package '{distributions[0]}' is not installed here",
        f"Install it (pip install '.[{distributions[0]}]') or choose another engines.engine: " + ", ".join(modules()),
    )


def accelerator(device: str) -> str:
    """The kind of a device in words, without importing torch; `device` is auto, cpu, cuda or mps."""
    if device not in ("auto", "cuda"):
        return device
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if device == "auto" and (not cards or version_of("torch").endswith("+cpu")):
        return "mps" if _is_apple() else "cpu"
    lines = cards[0].read_text(encoding="utf-8").splitlines() if cards else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model:")]
    return " ".join(["cuda", *models])


def check_device(device: str, key: str) -> None:
    """Refuses a device that torch does not have here; `key` is where it is set in params.yaml."""
    import torch

    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device in there and not there[device]():
        raise SycoError(
            f"there is no device '{device}' for torch {torch.__version__} here", f"Set {key} to cpu, or to auto"
        )


def check_cards(count: int, key: str) -> None:
    """Refuses more GPUs than torch has here."""
    import torch

    if count > (here := torch.cuda.device_count()):
        raise SycoError(f"{key} is {count}, and there are {here} GPUs here", f"Set {key} to {max(here, 1)}")


def _is_apple() -> bool:
    import platform

    return platform.system() == "Darwin" and platform.machine() == "arm64"
