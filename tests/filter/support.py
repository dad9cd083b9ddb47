"""Prompts and scores for the tests of filtration."""

import polars as pl

from syco_data import schemas, settings, tables
from syco_data.engines import store
from syco_data.engines.planning import OptionScores
from syco_data.filter import questions, verdicts
from tests.support import tiny_models


def chosen(rule: str, **changes) -> settings.Filter:
    """The default settings with another rule: 1 nat for `margin`, 0.1 nats are unsure."""
    return settings.load().filter.model_copy(update={"rule": rule, "margin": 1.0, "unsure": 0.1, **changes})


def prompts(count: int) -> pl.DataFrame:
    """Prompts whose right option is (A) for even numbers and (B) for odd ones."""
    numbers = range(count)
    return pl.DataFrame(
        {
            "prompt_id": [f"{number:06}" for number in numbers],
            "claim_id": [f"{number:06}" for number in numbers],
            "source": [("sst2", "trec")[number % 3 == 0] for number in numbers],
            "label_kind": [("gold", "other")[number % 5 < 2] for number in numbers],
            "polarity": [("is", "is not")[number % 7 < 3] for number in numbers],
            "truth": [number % 4 < 2 for number in numbers],
            "template": [("professor", "plain")[number % 11 < 5] for number in numbers],
            "stripped_prompt": [tiny_models.question(number) for number in numbers],
            "answer": [("(A)", "(B)")[number % 2] for number in numbers],
            "input": [f'"text {number}"' for number in numbers],
            "label": [number % 2 for number in numbers],
        }
    )


def labelled(labels: list[int], **columns) -> pl.DataFrame:
    """Prompts about claims that name these labels of `tweet_sentiment`, which has three."""
    values = {name: pl.lit(value) for name, value in columns.items()}
    return prompts(len(labels)).with_columns(source=pl.lit("tweet_sentiment"), label=pl.Series(labels), **values)


def scored(asked: pl.DataFrame, answer) -> pl.DataFrame:
    """Scores in which `answer(text, is_swapped)` gives the log-probabilities of the replies."""
    rows = {}
    for prefix in ("", "swapped_"):
        for request in questions.each(asked[f"{prefix}text"], asked[f"{prefix}replies"]):
            if request is not None:
                logprobs = answer(request.text, bool(prefix))
                rows[store.key(request)] = OptionScores(logprobs, 9, "letter")
    return store.frame(rows, rows.values())


def decide(df: pl.DataFrame, answer, way: settings.Filter) -> verdicts.Decided:
    """Verdicts of a model of plain style that answers so; their columns are those of the schema."""
    table = questions.build(df, way, "plain")
    decided = verdicts.decide(table, scored(table, answer), way)
    return verdicts.Decided(
        tables.conform(decided.table, schemas.VERDICTS), decided.least, decided.unsure, decided.cells
    )


def hash_of(text: str) -> int:
    return sum(text.encode())
