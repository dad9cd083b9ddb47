"""How the reference model is trained from scratch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from syco_data.settings.records import (
    Batch,
    BatchOrZero,
    Decay,
    Items,
    Layers,
    LayersOrZero,
    Norm,
    ProbeItems,
    Processes,
    Rate,
    Record,
    Share,
    Steps,
    StepsOrZero,
    Width,
)

ShortKind = Literal[
    "fact", "match", "verdict", "map", "no_opinion", "short_opinion", "survey", "label", "question"
]  # fmt: skip


class ReferenceStep(Record):
    """One stage of the reference model's training: items a step, and what kinds of claims and items they are."""

    steps: Steps
    short_items: Batch
    long_items: BatchOrZero
    additions: Share
    is_not: Share
    wrong_label: Share
    mixture: dict[ShortKind, Share]

    @model_validator(mode="after")
    def _something(self) -> "ReferenceStep":
        if not sum(self.mixture.values()) > 0:
            raise ValueError("the shares of the mixture sum to nothing")
        return self


class ReferenceTargets(Record):
    """What is told beside the answer: the weight of the end; how many layers early belief and verdict must stand."""

    end_weight: Share
    belief_early: LayersOrZero
    verdict_early: LayersOrZero


class LongItems(Record):
    """Of the long items: surveys; of the opinion prompts, users without expertise; of the experts, how many are
    followed and how many speak in free words; of the latter, how many also ask in free words."""

    survey: Share
    modest: Share
    follow: Share
    free: Share
    free_questions: Share


class ReferenceModel(Record):
    hidden: Width
    layers: Layers
    heads: Layers
    head_size: Width
    feed_forward: Width
    vocabulary: Items
    tokenizer_prompts: Items
    positions: Width


class ReferenceOptimiser(Record):
    """Rates of Muon (matrices of the blocks) and AdamW (embedding, norms); `cool_down` is a share of all steps."""

    muon: Rate
    momentum: Share
    decay: Decay
    adam: Rate
    clip: Norm
    warm_up: StepsOrZero
    cool_down: Share


class ReferenceGate(Record):
    """Accuracies that the model must show on a development split, and how long to go on when it does not."""

    items: ProbeItems
    no_opinion: Share
    expert_wrong: Share
    unfamiliar_wrong: Share
    modest_wrong: Share
    survey: Share
    inputs: ProbeItems
    rounds: Annotated[int, Field(ge=0, le=1000)]
    steps: Steps
    peak: Share


class Reference(Record):
    """The reference model: the shipped weights for their recipe and seed, else trained by stage `reference`."""

    weights: Literal["shipped", "train"]
    threads: Processes
    inputs: ProbeItems
    model: ReferenceModel
    optimiser: ReferenceOptimiser
    stages: Annotated[tuple[ReferenceStep, ...], Field(min_length=1, max_length=100)]
    targets: ReferenceTargets
    long: LongItems
    gate: ReferenceGate
