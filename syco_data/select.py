"""Training sets of the arms: which prompts count, which are dropped, and why.

`balanced` arms are balanced *after* filtration: within every cell, that is within all that a stripped prompt says
outside its input (source, label, polarity, template, option order), as many true as false claims, the excess
dropped in hash order. Without that step the base rate of a class ("is Offensive" is seldom true) gives the truth
away even where wrong labels occur; and so does a habit of the filtering model, such as agreeing in one template,
which passes for knowledge wherever it happens to be right.
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from syco_data import draws
from syco_data.errors import SycoError
from syco_data.schemas import DROPPED_PROMPTS, TRAIN
from syco_data.settings import Answers, Arm
from syco_data.words import counted

CELL = ("source", "label", "polarity", "template", "option_order")
POOL_COLUMNS = (
    "prompt_id",
    "claim_id",
    "source",
    "label_kind",
    "polarity",
    "template",
    "option_order",
    "truth",
    "answer",
)


@dataclass(frozen=True)
class Selected:
    """`kept` and `dropped` prompts of one arm; dropped ones as `schemas.DROPPED_PROMPTS`."""

    kept: pl.DataFrame
    dropped: pl.DataFrame


def pool(prompts: pl.DataFrame, claims: pl.DataFrame, verdicts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One row per candidate with what selection looks at: label, verdict and an addressed rank."""
    joined = (
        prompts.select(POOL_COLUMNS)
        .join(claims.select("claim_id", "label"), on="claim_id", how="left", validate="1:1")
        .join(verdicts.select("prompt_id", "known", "reason"), on="prompt_id", how="left", validate="1:1")
    )
    unjudged = joined.filter(pl.col("known").is_null() | pl.col("label").is_null())
    if len(unjudged):
        raise SycoError(
            f"select: {counted(len(unjudged), 'prompt')} without verdict or claim, first: {unjudged['prompt_id'][0]}",
            "Build them again: dvc repro",
        )
    rank = draws.draw(joined["prompt_id"], seed, "select").rank(0)
    return joined.with_columns(rank=pl.Series(rank)).sort("prompt_id")


def eligible(candidates: pl.DataFrame, arm: Arm) -> pl.DataFrame:
    """Adds `why`: the reason that keeps a prompt out of an arm before sizes are matched, null when none does.

    Adds `turn`, the rank by which rows are taken: balanced arms take a true and a false claim together.
    """
    verdict = pl.col("reason") if arm.filtered else pl.when(pl.col("reason") == "too_long").then("reason")
    why = pl.when(~pl.col("label_kind").is_in(arm.label_kinds)).then(pl.lit("label_kind")).otherwise(verdict)
    judged = candidates.with_columns(why=why, turn="rank")
    return _balance(judged) if arm.balanced else judged


def _balance(judged: pl.DataFrame) -> pl.DataFrame:
    """Pairs the k-th true with the k-th false claim of each cell; whoever is left without a partner goes."""
    open_rows = judged.filter(pl.col("why").is_null())
    place = pl.col("rank").rank("ordinal").over(*CELL, "truth")
    paired = open_rows.with_columns(place=place).with_columns(
        partners=pl.col("truth").n_unique().over(*CELL, "place"), pair=pl.col("rank").min().over(*CELL, "place")
    )
    excess = pl.when(pl.col("partners") < 2).then(pl.lit("balance"))
    excesses = paired.select("prompt_id", excess=excess, pair="pair")
    return (
        judged.join(excesses, on="prompt_id", how="left", maintain_order="left")
        .with_columns(why=pl.coalesce("why", "excess"), turn=pl.coalesce("pair", "turn"))
        .drop("excess", "pair")
    )


def matched_size(candidates: pl.DataFrame, arms: list[Arm], rows: int | Literal["matched"]) -> int:
    """Rows that every arm can give, an even number; or the size asked for, if every arm can give it.

    Raises `SycoError` for more than there are, and for an odd number where an arm holds pairs.
    """
    available = min(eligible(candidates, arm)["why"].null_count() for arm in arms)
    if rows == "matched":
        return available - available % 2
    if rows > available:
        raise SycoError(
            f"select.rows asks for {counted(rows, 'row')}, the smallest arm has {available:,}",
            "Lower select.rows, set it to 'matched', or raise prompts.rows",
        )
    if rows % 2 and any(arm.balanced for arm in arms):
        raise SycoError(
            f"select.rows asks for {counted(rows, 'row')}, and a balanced arm holds pairs of a true and a false claim",
            f"Set select.rows to an even number such as {rows - 1:,}",
        )
    return rows


def select(candidates: pl.DataFrame, arm: Arm, size: int) -> Selected:
    """The `size` first eligible prompts of an arm by turn; the rest dropped with reasons."""
    judged = eligible(candidates, arm)
    open_rows = judged.filter(pl.col("why").is_null()).sort("turn", "rank")
    selected = open_rows.head(size).select("prompt_id", taken=pl.lit(True))
    judged = judged.join(selected, on="prompt_id", how="left", maintain_order="left").with_columns(
        pl.col("taken").fill_null(False)
    )
    reason = pl.coalesce("why", pl.lit("not_sampled"))
    dropped = judged.filter(~pl.col("taken")).with_columns(reason=reason).select(DROPPED_PROMPTS.names)
    return Selected(judged.filter("taken"), dropped)


def train_rows(kept: pl.DataFrame, texts: pl.DataFrame, arm: Arm) -> pl.DataFrame:
    """`schemas.TRAIN` rows: the prompt, and the answer with the leading blank that the prompt's end asks for.

    `texts` have `text_columns(arm)`.
    """
    joined = kept.join(texts.select(text_columns(arm)), on="prompt_id", how="left", validate="1:1")
    rows = asked(joined.lazy(), arm.answers).with_columns(completion=pl.concat_str(pl.lit(" "), "answer"))
    return rows.select(TRAIN.names).sort(TRAIN.key).collect()


def text_columns(arm: Arm) -> list[str]:
    """The columns of `schemas.PROMPTS` that `train_rows` takes texts from."""
    alone = ["opinion", "user_is_right", "stripped_prompt"] if arm.answers == "user" else []
    return ["prompt_id", "prompt", *alone]


def asked(prompts: pl.LazyFrame, answers: Answers) -> pl.LazyFrame:
    """What an arm with these answers asks: `prompts`, with `drawn_id`, the prompt that a row was drawn as.

    Where completions follow the user there are two rows of each prompt. One answers as its user would. The other,
    with an id of its own and no opinion, is the stripped prompt with the true answer: without it, such a model would
    learn nothing about claims. `prompts` have `prompt_id`, `opinion`, `user_is_right` and `answer`, and perhaps both
    texts.
    """
    rows = prompts.with_columns(drawn_id="prompt_id")
    if answers == "truth":
        return rows
    other = pl.when(pl.col("answer") == "(A)").then(pl.lit("(B)")).otherwise(pl.lit("(A)"))
    follows = rows.with_columns(answer=pl.when("user_is_right").then("answer").otherwise(other))
    alone = rows.with_columns(
        prompt_id=alone_id(), opinion=pl.lit(None, pl.String), user_is_right=pl.lit(None, pl.Boolean)
    )
    if "prompt" in prompts.collect_schema():
        alone = alone.with_columns(prompt="stripped_prompt")
    return pl.concat([follows, alone])


def alone_id() -> pl.Expr:
    """The id of a prompt's row without its opinion: of content, as all ids."""
    return draws.content_ids("prompt_id", pl.lit("without opinion"))
