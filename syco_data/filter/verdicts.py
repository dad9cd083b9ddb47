"""What a model's scores say about each prompt, and which claims it knows.

Rules (`filter.rule`), by what they decide on:

- `answered`: the right option is the likelier one. The published rule; a guesser passes half the time.
- `both_orders`: right with the options as they stand and exchanged. A guesser passes a quarter of the time, a
  model that likes one position never.
- `margin`: right by at least `filter.margin` nats, of the calibrated margin where there is one.
- `averaged`: the calibrated margin (`filter.calibrate`) is on the side of the right option.

With `filter.purity` the margin has to be so large besides that this share of what is kept of its source is known and
not guessed.
A |margin| under `filter.unsure` is not an answer, whatever the rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from syco_data import engines
from syco_data.engines import store
from syco_data.filter import calibration, purity, questions
from syco_data.schemas import VERDICTS
from syco_data.settings import Filter


@dataclass(frozen=True)
class Decided:
    """`table`: one row of `schemas.VERDICTS` per prompt.

    `least`: the margin that each source needed; sources without one that reaches `filter.purity` are not in it.
    `unsure`: the |margin| below which there was no answer; `filter.unsure`, or the step that this model's margins come
    in where that is larger. `cells`: for each kind of cell, how many rows were calibrated by it. Margins are in nats.
    """

    table: pl.DataFrame
    least: dict[str, float]
    unsure: float
    cells: dict[str, int]


def decide(questions: pl.DataFrame, scored: pl.DataFrame, settings: Filter) -> Decided:
    """Verdicts from questions (`questions.build`) and scores (`schemas.SCORES`); `settings` name one way of asking."""
    answered = questions.hstack(_answers(questions, scored, settings))
    if settings.calibrate == "none":
        answered = answered.with_columns(calibrated_margin=pl.lit(None, pl.Float64), cell=pl.lit(None, pl.String))
    else:
        answered = answered.hstack(calibration.margins(answered, settings.ask, settings.calibrate, settings.cell_rows))
    raw = pl.concat([answered["margin"], answered["swapped_margin"]]).drop_nulls()
    settings = settings.model_copy(update={"unsure": max(settings.unsure, engines.resolution(raw.to_list()))})
    sided = answered.hstack(sides(answered, settings.rule))
    if settings.purity is not None:
        least = purity.least_margins(_sure(sided, settings), settings.purity)
    else:
        least = dict.fromkeys(sorted(set(questions["source"])), settings.margin if settings.rule == "margin" else 0.0)
    reason = _reason(sided, settings, least)
    table = sided.with_columns(known=reason.is_null(), reason=reason).select(VERDICTS.names)
    cells = answered["cell"].drop_nulls().value_counts().sort("cell")
    return Decided(table, least, settings.unsure, dict(cells.iter_rows()))


def _answers(questions: pl.DataFrame, scored: pl.DataFrame, settings: Filter) -> pl.DataFrame:
    """Log-probabilities, choice, margin and correctness of both wordings, in the order of `questions`."""
    logprobs = _scores(questions["text"], questions["replies"], scored)
    nothing = pl.Series([None] * len(questions), dtype=pl.List(pl.Float64))
    if settings.ask == "labels":
        options, labels = _of_labels(questions, logprobs), logprobs
    else:
        options, labels = logprobs, nothing
    swapped = _scores(questions["swapped_text"], questions["swapped_replies"], scored)
    is_a = questions["answer"] == "(A)"
    return pl.concat(
        [_judged(options, is_a, ""), _judged(swapped, ~is_a, "swapped_"), pl.DataFrame({"label_logprobs": labels})],
        how="horizontal",
    )


def _scores(texts: pl.Series, replies: pl.Series, scored: pl.DataFrame) -> pl.Series:
    """Log-probabilities of the replies, row by row; null where nothing was asked, or the text was too long."""
    keys = [request and store.key(request) for request in questions.each(texts, replies)]
    rows = pl.DataFrame({"key": keys}, schema={"key": pl.String})
    return rows.join(scored, on="key", how="left", maintain_order="left")["logprobs"]


def _of_labels(questions: pl.DataFrame, logprobs: pl.Series) -> pl.Series:
    """What the labels say of the two options: one has the claim's own label on its side, the other the best other."""
    agrees_first = questions["truth"] == (questions["answer"] == "(A)")
    own_first = agrees_first == (questions["polarity"] == "is")
    pairs = [
        None if values is None else _pair(values, label, first)
        for values, label, first in zip(logprobs.to_list(), questions["label"], own_first, strict=True)
    ]
    return pl.Series(pairs, dtype=pl.List(pl.Float64))


def _pair(logprobs: Sequence[float], label: int, own_first: bool) -> list[float]:
    own, other = logprobs[label], max([*logprobs[:label], *logprobs[label + 1 :]])
    return [own, other] if own_first else [other, own]


def _judged(logprobs: pl.Series, right_is_a: pl.Series, prefix: str) -> pl.DataFrame:
    a, b = (pl.col("logprobs").list.get(place, null_on_oob=True) for place in (0, 1))
    margin = pl.when("right_is_a").then(a - b).otherwise(b - a)
    return pl.DataFrame({"logprobs": logprobs, "right_is_a": right_is_a}).select(
        a.alias(f"{prefix}logprob_a"),
        b.alias(f"{prefix}logprob_b"),
        pl.when(a >= b).then(pl.lit("(A)")).when(a < b).then(pl.lit("(B)")).alias(f"{prefix}choice"),
        margin.alias(f"{prefix}margin"),
        (margin > 0).alias(f"{prefix}correct"),
    )


def sides(answered: pl.DataFrame, rule: str) -> pl.DataFrame:
    """The margin that decides under a rule, `deciding`, and `mirrored`: what it would be were the other option right.

    Nats; null where a score is missing.
    """
    deciding = {
        "answered": ["margin"],
        "both_orders": ["margin", "swapped_margin"],
        "averaged": ["calibrated_margin"],
        "margin": ["margin" if answered["calibrated_margin"].is_null().all() else "calibrated_margin"],
    }[rule]
    whole = pl.all_horizontal(pl.col(deciding).is_not_null())
    return answered.select(
        deciding=pl.when(whole).then(pl.min_horizontal(deciding)),
        mirrored=pl.when(whole).then(pl.min_horizontal([-pl.col(name) for name in deciding])),
    )


def _sure(sided: pl.DataFrame, settings: Filter) -> pl.DataFrame:
    large = [pl.col(name) >= settings.unsure for name in ("deciding", "mirrored")]
    return sided.filter(pl.any_horizontal(large)).select("source", "mirrored", margin="deciding")


def _reason(sided: pl.DataFrame, settings: Filter, least: dict[str, float]) -> pl.Series:
    """Why a prompt is dropped; null when the claim is known."""
    names = ["margin", "swapped_margin"] if settings.rule == "both_orders" else ["deciding"]
    unsure = pl.any_horizontal([pl.col(name).abs() < settings.unsure for name in names])
    needed = pl.col("source").replace_strict(least, default=None, return_dtype=pl.Float64)
    enough = ((pl.col("deciding") > 0) & (pl.col("deciding") >= needed)).fill_null(False)
    return sided.select(
        pl.when(pl.col("deciding").is_null())
        .then(pl.lit("too_long"))
        .when(unsure)
        .then(pl.lit("unsure"))
        .when(~enough)
        .then(pl.lit("unknown"))
        .alias("reason")
    ).to_series()
