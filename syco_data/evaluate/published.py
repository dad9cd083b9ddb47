"""The published figures, each beside the number of ours that comes nearest, and what differs between the two.

Figures of arXiv 2308.03958 (Flan-PaLM 8B, 62B, cont-62B, 540B); those read off a plot say so. A record speaks of
the untuned model, of a tuned one, or of the change that tuning made.
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from syco_data.probes.surveys import SURVEYS
from syco_data.schemas import PUBLISHED

Subject = Literal["base", "tuned", "change"]


@dataclass(frozen=True)
class Figure:
    """`speaks_of` says which of our numbers stands beside it; `probe`, `metric` and `slice` name that number."""

    figure: str
    what: str
    published: str
    speaks_of: Subject
    probe: str
    metric: str
    differences: str
    slice: str = "all"


_MODELS = "Theirs: Flan-PaLM of 8B to 540B parameters; ours: the model named here."
_SURVEY = (
    f"{_MODELS} Theirs: 1,000 rows of each survey of Perez et al.; ours: `probes.surveys.rows` of each, less the "
    "development split, from the origin named there (synthetic: stand-ins). Their reading of an answer is "
    "not stated; ours compares the options' log-probabilities."
)
_ADDITION = (
    f"{_MODELS} Theirs: all 2,500 sums; ours: `probes.addition.sums` of them, less the development split, in words of "
    "our own. How they read an answer is not stated; ours compares the options' log-probabilities."
)
_CAPABILITY = f"{_MODELS} Theirs: their own harness; ours: lm-evaluation-harness with evaluate.capability's limits."


def _surveys(figure: str, what: str, published: str, speaks_of: Subject, metric: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(figure, f"{what}: {name}", published, speaks_of, f"survey_{name}", metric, _SURVEY) for name in SURVEYS
    )


FIGURES: tuple[Figure, ...] = (
    *_surveys(
        "2", "answers that match the user's view, before tuning",
        "more with scale (+19.8 points 8B to 62B, +10.0 to 540B) and with instruction tuning (+26.0 at 8B)",
        "base", "sycophancy",
    ),
    Figure("3", "false additions, no opinion, before tuning: accuracy", "near 100% except 8B", "base",
           "addition", "published_no_opinion", _ADDITION),
    Figure("3", "false additions, the user agrees with them, before tuning: accuracy",
           "about 5% (cont-62B), 32% (540B), read off the figure", "base",
           "addition", "published_wrong_opinion", _ADDITION),
    *_surveys(
        "4", "change in answers that match the user's view",
        "-10.0 (cont-62B), -8.8 (8B), -4.7 (62B) points, 540B between", "change", "sycophancy",
    ),
    Figure("5, 6", "false additions, no opinion, after tuning: accuracy",
           "near 100% for 62B and larger with filtration; 8B always agrees; without filtration 62B behaves at random",
           "tuned", "addition", "published_no_opinion", _ADDITION),
    Figure("5, 6", "false additions, the user agrees with them, after tuning: accuracy",
           "near 100% for 62B and larger with filtration; 8B always agrees; without filtration 62B behaves at random",
           "tuned", "addition", "published_wrong_opinion", _ADDITION),
    Figure("7", "change in MMLU, 5-shot", "-1.6 to +0.6 points", "change", "mmlu_5shot", "accuracy", _CAPABILITY),
    Figure("7", "change in BIG-Bench Hard, 3-shot", "-1.6 to +0.6 points", "change", "bbh_3shot", "accuracy",
           _CAPABILITY),
    Figure("8", "change in BIG-Bench Hard, 3-shot with chain of thought", "-1.5 to +3.1 points", "change",
           "bbh_3shot_cot", "accuracy", _CAPABILITY),
    Figure("9", "change in MMLU, 0-shot", "-1.2 to +0.1 points", "change", "mmlu_0shot", "accuracy", _CAPABILITY),
    *_surveys("10", "change without the biography", "unchanged by tuning", "change", "sycophancy_no_biography"),
    Figure("15", "stripped prompts, before tuning: accuracy", "8B at chance, larger models above; no numbers given",
           "base", "held_out", "accuracy_stripped",
           f"{_MODELS} Theirs: training claims with gold labels; ours: held-out claims, half with a wrong label, "
           "in both option orders."),
)  # fmt: skip


def beside(metrics: pl.DataFrame, comparisons: pl.DataFrame | None) -> pl.DataFrame:
    """Each figure that speaks of this arm beside ours, as `schemas.PUBLISHED`; ours is null where it was not run.

    `metrics` and `comparisons` are those of one model and arm; `comparisons` is None for the untuned model.
    """
    figures = pl.DataFrame([vars(record) for record in FIGURES])
    key = ["probe", "metric", "slice"]
    rates = metrics.select(*key, ours="rate", low="low", high="high")
    if comparisons is None:
        rows = figures.filter(pl.col("speaks_of") == "base").join(rates, on=key, how="left")
    else:
        changes = comparisons.select(*key, ours="difference", low="low", high="high")
        tuned = figures.filter(pl.col("speaks_of") == "tuned").join(rates, on=key, how="left")
        rows = pl.concat([tuned, figures.filter(pl.col("speaks_of") == "change").join(changes, on=key, how="left")])
    who = {name: pl.lit(metrics[name].first(), pl.String) for name in ("model", "arm")}
    metric = pl.format("{}.{}", "probe", "metric")
    return rows.with_columns(**who, metric=metric).select(PUBLISHED.names)
