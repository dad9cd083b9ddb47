"""The recipe of the reference model's weights, and its digest: which weights belong to which settings.

The digest covers what is known to the byte on every machine: the settings, the seed, the texts that the tokenizer is
trained on, every planned training item and the inputs of the gate. It needs no torch and a few seconds. It does not
cover the code that trains: whoever changes that ships the weights again (`python -m syco_data.reference.ship`).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from syco_data.reference import items, tokenizer, worlds
from syco_data.reference.sources import Side
from syco_data.reference.worlds import World
from syco_data.settings import Prompts, Reference, ReferenceStep, Settings

Phase = tuple[tuple[ReferenceStep, str], ...]
"""Stages that are trained on one schedule of rates, each with the name of its draws."""


@dataclass(frozen=True)
class Recipe:
    """Settings and seed of a training, with the worlds that its items come from."""

    settings: Reference
    prompts: Prompts
    seed: int

    @cached_property
    def world(self) -> World:
        """What the model is trained on."""
        return self._world("train", self.settings.inputs, "pretraining")

    @cached_property
    def unseen(self) -> World:
        """What the gate asks about: inputs that no training shows and no table of the data set holds."""
        return self._world("development", self.settings.gate.inputs, "gate")

    def _world(self, side: Side, inputs: int, purpose: str) -> World:
        folder = Path(self.prompts.template_folder)
        return worlds.world(side, inputs, self.seed, purpose, self.prompts.templates, folder)

    def tokenizer_texts(self) -> list[str]:
        """Prompts of every kind, half of them short and half long."""
        half = self.settings.model.tokenizer_prompts // 2
        stage = self.settings.stages[-1].model_copy(update={"steps": 1, "short_items": half, "long_items": half})
        short, long = self.items(stage, "words")
        return [*long["text"], *short["text"]]

    def phases(self) -> Iterator[Phase]:
        """The planned stages, then the extra rounds for a model that does not pass its gate."""
        yield tuple((stage, f"stage {index}") for index, stage in enumerate(self.settings.stages))
        last = self.settings.stages[-1].model_copy(update={"steps": self.settings.gate.steps})
        for number in range(self.settings.gate.rounds):
            yield ((last, f"round {number}"),)

    def items(self, stage: ReferenceStep, purpose: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The short and the long items of one stage, in the order of its steps."""
        return items.short(self.world, stage, purpose), items.long(self.world, stage, self.settings.long, purpose)

    def summary(self) -> dict[str, Any]:
        """What of the recipe stands in params.yaml, by key."""
        settings = self.settings.model_dump(mode="json", exclude={"weights"})
        return {
            "seed": self.seed,
            "prompts.templates": list(self.prompts.templates),
            **{f"reference.{key}": value for key, value in settings.items()},
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex."""
        total = hashlib.sha256(json.dumps(self.summary(), sort_keys=True).encode())
        for texts in self._texts():
            total.update(hashlib.sha256("\0".join(texts).encode()).digest())
        return total.hexdigest()

    def _texts(self) -> Iterator[list[str]]:
        yield tokenizer.phrases(self.world.templates.values())
        yield self.tokenizer_texts()
        for frame in (*(frame for phase in self._planned() for frame in phase), self.unseen.inputs):
            yield frame.columns
            yield from (frame[name].cast(pl.String).to_list() for name in frame.columns)

    def _planned(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        return (self.items(stage, purpose) for stage, purpose in next(self.phases()))


def of(settings: Settings) -> Recipe:
    return Recipe(settings.reference, settings.prompts, settings.seed)
