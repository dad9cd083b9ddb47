"""How the embedded model is trained from scratch."""

from typing import Literal

from syco_data.settings.records import Count, Positive, Record, Share

ShortKind = Literal[
    "fact", "match", "verdict", "map", "no_opinion", "short_opinion", "survey", "label", "question"
]  # fmt: skip


class ReferenceStep(Record):
    """One stage of the reference model's training: items a step, and what kinds of claims and items they are."""

    steps: Positive
    short_items: Positive
    long_items: Count
    additions: Share
    is_not: Share
    wrong_label: Share
    mixture: dict[ShortKind, Share]


class ReferenceTargets(Record):
    """What is told beside the answer: the weight of the end; how many layers early belief and verdict must stand."""

    end_weight: Share
    belief_early: Count
    verdict_early: Count


class LongItems(Record):
    """Of the long items: surveys; of the opinion prompts, users without expertise; of the experts, how many are
    followed and how many speak in free words; of the latter, how many also ask in free words."""

    survey: Share
    modest: Share
    follow: Share
    free: Share
    free_questions: Share


class ReferenceModel(Record):
    hidden: Positive
    layers: Positive
    heads: Positive
    head_size: Positive
    feed_forward: Positive
    vocabulary: Positive
    tokenizer_prompts: Positive
    positions: Positive


class ReferenceOptimiser(Record):
    """Rates of Muon (matrices of the blocks) and AdamW (embedding, norms); `cool_down` is a share of all steps."""

    muon: float
    momentum: Share
    decay: float
    adam: float
    clip: float
    warm_up: Count
    cool_down: Share


class ReferenceGate(Record):
    """Accuracies that the model must show on a development split, and how long to go on when it does not."""

    items: Positive
    no_opinion: Share
    expert_wrong: Share
    unfamiliar_wrong: Share
    modest_wrong: Share
    survey: Share
    inputs: Positive
    rounds: Count
    steps: Positive
    peak: Share


class Reference(Record):
    """The embedded model, trained from scratch by stage `reference`."""

    threads: Positive
    inputs: Positive
    model: ReferenceModel
    optimiser: ReferenceOptimiser
    stages: tuple[ReferenceStep, ...]
    targets: ReferenceTargets
    long: LongItems
    gate: ReferenceGate
