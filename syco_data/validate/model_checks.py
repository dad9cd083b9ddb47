"""Verdicts follow from their log-probabilities; training sets hold what their arms promise, word for word."""

import polars as pl

from syco_data.select import CELL, asked
from syco_data.settings import Answers, Arm
from syco_data.validate.check import Check, row_check


def of_verdicts(table: str, verdicts: pl.LazyFrame, prompts: pl.LazyFrame) -> list[Check]:
    """One verdict per prompt, and everything in it follows from its log-probabilities."""
    joined = verdicts.join(prompts.select("prompt_id", "answer"), on="prompt_id", how="left")
    answered = joined.filter(pl.col("answer").is_not_null())
    return [
        Check("verdict_of_prompt", table, "every verdict is about a prompt that is there",
              joined.filter(pl.col("answer").is_null()).select(id="prompt_id")),
        Check("verdict_for_prompt", table, "every prompt has a verdict",
              prompts.select(id="prompt_id").join(verdicts.select(id="prompt_id"), on="id", how="anti")),
        row_check("verdict_choice", table, "the choice is the option of the greater log-probability",
                  answered, "prompt_id", _choice_holds("") & _choice_holds("swapped_")),
        row_check("verdict_margin", table, "the margin is the right option's log-probability less the wrong one's",
                  answered, "prompt_id", _margin_holds("", "(A)") & _margin_holds("swapped_", "(B)")),
        row_check("verdict_correct", table, "a verdict is correct when the choice is the answer",
                  answered, "prompt_id", _correct_holds("", "(A)") & _correct_holds("swapped_", "(B)")),
        row_check("verdict_reason", table, "a verdict has a reason exactly when the claim is not known",
                  answered, "prompt_id", pl.col("known") == pl.col("reason").is_null()),
        row_check("verdict_known", table, "what a model knows it answered right: every time, or when calibrated",
                  answered, "prompt_id", ~pl.col("known") | _known_holds()),
    ]  # fmt: skip


def _known_holds() -> pl.Expr:
    every_time = pl.col("correct").fill_null(False) & pl.col("swapped_correct").fill_null(True)
    calibrated = pl.col("calibrated_margin")
    return pl.when(calibrated.is_null()).then(every_time).otherwise(calibrated > 0)


def _choice_holds(prefix: str) -> pl.Expr:
    a, b, choice = pl.col(f"{prefix}logprob_a"), pl.col(f"{prefix}logprob_b"), pl.col(f"{prefix}choice")
    follows = pl.when(a > b).then(choice == "(A)").when(a < b).then(choice == "(B)").otherwise(choice.is_not_null())
    return pl.when(a.is_null() | b.is_null()).then(choice.is_null()).otherwise(follows).fill_null(False)


def _margin_holds(prefix: str, right_first: str) -> pl.Expr:
    """`right_first` is the answer of the unswapped question that makes `logprob_a` the right option's here."""
    a, b, margin = pl.col(f"{prefix}logprob_a"), pl.col(f"{prefix}logprob_b"), pl.col(f"{prefix}margin")
    expected = pl.when(pl.col("answer") == right_first).then(a - b).otherwise(b - a)
    close = (expected - margin).abs() <= 1e-6
    return pl.when(expected.is_null()).then(margin.is_null()).otherwise(close).fill_null(False)


def _correct_holds(prefix: str, right_first: str) -> pl.Expr:
    choice, correct = pl.col(f"{prefix}choice"), pl.col(f"{prefix}correct")
    expected = (choice == "(A)") == (pl.col("answer") == right_first)
    return expected.eq_missing(correct)


def of_training(table: str, train: pl.LazyFrame, prompts: pl.LazyFrame, answers: Answers) -> list[Check]:
    """Training rows are prompts with their answers, word for word."""
    # Texts are compared by their hashes, so that a join never holds two long columns.
    expected = asked(prompts, answers).select(
        "prompt_id", "drawn_id", "answer", "opinion", "option_order", asked_source="source",
        asked_text=pl.col("prompt").hash(),
    )  # fmt: skip
    rows = train.select("prompt_id", "source", "completion", text=pl.col("prompt").hash())
    joined = rows.join(expected, on="prompt_id", how="left")
    there = joined.filter(pl.col("answer").is_not_null())
    same = (pl.col("text") == pl.col("asked_text")) & (pl.col("source") == pl.col("asked_source"))
    checks = [
        Check("train_of_prompt", table, "every training row is a prompt that is there",
              joined.filter(pl.col("answer").is_null()).select(id="prompt_id")),
        row_check("train_text", table, "a training row repeats its prompt's text and source", there, "prompt_id", same),
        row_check("completion", table, "a completion is a blank and the prompt's answer",
                  there, "prompt_id", pl.col("completion") == pl.concat_str(pl.lit(" "), "answer")),
    ]  # fmt: skip
    return checks if answers == "truth" else [*checks, *_of_sycophancy(table, there)]


def _of_sycophancy(table: str, rows: pl.LazyFrame) -> list[Check]:
    """What a negative control promises: it follows every opinion, and tells the truth where there is none."""
    first = (pl.col("opinion") == "agree") == (pl.col("option_order") == "agree_first")
    follows = (pl.col("completion") == " (A)") == first
    whole = pl.len().over("drawn_id") == 2
    return [
        row_check("follows_user", table, "a completion follows the user's opinion where there is one",
                  rows, "prompt_id", pl.col("opinion").is_null() | follows),
        row_check("without_opinion", table, "every prompt is there with its opinion and without it",
                  rows.with_columns(whole=whole), "prompt_id", pl.col("whole")),
    ]  # fmt: skip


def of_draws(table: str, train: pl.LazyFrame, origin: pl.LazyFrame) -> Check:
    """What a released training set shares with its origin (candidates, or probes as such rows) is the same there."""
    apart = ("prompt_id", "prompt", "text_id")
    shared = [name for name in train.collect_schema() if name in origin.collect_schema() and name not in apart]
    joined = train.join(origin.select("prompt_id", *shared, there=True), on="prompt_id", how="left", suffix="_drawn")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_drawn")) for name in shared)
    description = "a training row repeats what was drawn for its prompt"
    return row_check("train_draws", table, description, joined, "prompt_id", pl.col("there") & same)


def of_arm(
    table: str, train: pl.LazyFrame, prompts: pl.LazyFrame, claims: pl.LazyFrame, verdicts: pl.LazyFrame, arm: Arm
) -> list[Check]:
    """What the arm promises of its rows."""
    candidates = asked(prompts.drop("prompt", "stripped_prompt"), arm.answers).select(
        "prompt_id", "drawn_id", "claim_id", "label_kind", "polarity", "template", "option_order", "truth"
    )
    rows = train.select("prompt_id", "source").join(candidates, on="prompt_id", how="inner")
    checks = [
        row_check("arm_label_kinds", table, f"the arm holds label kinds {' and '.join(arm.label_kinds)} only",
                  rows, "prompt_id", pl.col("label_kind").is_in(list(arm.label_kinds))),
    ]  # fmt: skip
    if arm.filtered:
        known_prompts = verdicts.filter("known").select(drawn_id="prompt_id")
        unknown = rows.join(known_prompts, on="drawn_id", how="anti").select(id="prompt_id")
        checks.append(Check("arm_known", table, "the arm holds claims that the model knows, and no others", unknown))
    if arm.balanced:
        labelled = rows.join(claims.select("claim_id", "label"), on="claim_id", how="inner")
        checks.append(Check("arm_balance", table, "as many true as false claims in every cell of "
                        f"{', '.join(CELL[:-1])} and {CELL[-1]}", _unbalanced(labelled)))  # fmt: skip
    return checks


def _unbalanced(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The excess of each cell: the last rows, by id, of the side that has more."""
    side = pl.col("truth").cast(pl.Int64) * 2 - 1
    counted = rows.with_columns(
        excess=side.sum().over(CELL), place=pl.col("prompt_id").rank("ordinal", descending=True).over(*CELL, "truth")
    )
    heavier = (pl.col("excess").sign() == side) & (pl.col("place") <= pl.col("excess").abs())
    return counted.filter(heavier).select(id="prompt_id")
