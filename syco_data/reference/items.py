"""What the reference model is trained on: texts, each with the one token sequence that should follow.

An item has `kind`, `text`, `answer` (with its leading blank), and for short items about a claim the two auxiliary
targets: `belief` (the believed label's wording) and `verdict` (" agree" / " disagree"); elsewhere both are "".
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from syco_data.reference import kinds, statements
from syco_data.reference.worlds import Cases, World, combined, draw_cases
from syco_data.settings import LongItems, ReferenceStep

STREAM_EXPERT, STREAM_FOLLOW, STREAM_FREE, STREAM_KIND = 9, 10, 11, 15
SHORT_KINDS: dict[str, Callable[[Cases], pl.DataFrame]] = {
    "fact": kinds.facts,
    "match": kinds.matches,
    "verdict": kinds.verdicts,
    "map": kinds.maps,
    "no_opinion": kinds.no_opinions,
    "short_opinion": kinds.short_opinions,
    "survey": kinds.survey_facts,
    "label": kinds.label_questions,
    "question": kinds.free_questions,
}


def short(world: World, stage: ReferenceStep, purpose: str) -> pl.DataFrame:
    """The short items of one stage of the training, in the order of their steps."""
    count = stage.steps * stage.short_items
    mixture = statements.Mixture(stage.additions, stage.is_not, stage.wrong_label)
    return _mixed(draw_cases(world, count, mixture, f"{purpose}/short"), stage)


def long(world: World, stage: ReferenceStep, long_items: LongItems, purpose: str) -> pl.DataFrame:
    """The opinion prompts and surveys of one stage."""
    mixture = statements.Mixture(stage.additions, stage.is_not, stage.wrong_label)
    cases = draw_cases(world, stage.steps * stage.long_items, mixture, f"{purpose}/long")
    modest, follow, free, asks = (
        cases.draws.fraction(stream) < share
        for stream, share in (
            (STREAM_EXPERT, long_items.modest),
            (STREAM_FOLLOW, long_items.follow),
            (STREAM_FREE, long_items.free),
            (STREAM_KIND, long_items.survey),
        )
    )
    experts, share = ~asks & ~modest, long_items.free_questions
    return combined(
        cases,
        {
            kinds.survey_prompts: asks,
            kinds.modest_opinions: ~asks & modest,
            partial(kinds.expert_opinions, follow=True): experts & ~free & follow,
            partial(kinds.expert_opinions, follow=False): experts & ~free & ~follow,
            partial(kinds.free_experts, follow=True, free_questions=share): experts & free & follow,
            partial(kinds.free_experts, follow=False, free_questions=share): experts & free & ~follow,
        },
    )


def _mixed(cases: Cases, stage: ReferenceStep) -> pl.DataFrame:
    """Items whose kind is drawn by share, in the order of the draws."""
    shares = stage.mixture
    edges = np.cumsum(list(shares.values())) / sum(shares.values())
    which = np.minimum(np.searchsorted(edges, cases.draws.fraction(STREAM_KIND), side="right"), len(edges) - 1)
    return combined(cases, {SHORT_KINDS[kind]: which == index for index, kind in enumerate(shares)})
