"""Training rows as tokens, every row examined before a trainer sees it.

A trainer cuts long rows, drops rows without a target and takes tokens that merge across the border out of the
prompt, all of it silently. Here each of these is a violation with a name, and rows go to the trainer as tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from syco_data.engines.planning import Spans
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError

VIOLATIONS = {
    "not_a_prefix": "the prompt's tokens are not a prefix of the whole row's tokens",
    "no_target": "no token is left for the completion",
    "cut": "the tokenizer does not reach the end of the completion",
    "end_inside": "the end token stands inside the text",
    "too_long": "the row is longer than finetune.max_length",
}
"""In the order in which they are looked for; a row has the first that holds."""


@dataclass(frozen=True)
class Audit:
    """`rows`: `row_id`, `input_ids` (end token included), `prompt_tokens`, `violation` (null: sound)."""

    rows: pl.DataFrame

    def count(self, violation: str) -> int:
        return self.rows.filter(pl.col("violation") == violation).height

    def without(self, violation: str) -> "Audit":
        return Audit(self.rows.filter(pl.col("violation").ne_missing(violation)))

    def require_sound(self, part: str, hint: Callable[[str, str], str]) -> None:
        """Raises `SycoError` that names the first ids of the commonest violation.

        `hint` says what helps, given that violation and the first of the ids.
        """
        bad = self.rows.filter(pl.col("violation").is_not_null())
        if bad.is_empty():
            return
        violation = bad["violation"].value_counts(sort=True)["violation"][0]
        ids = bad.filter(pl.col("violation") == violation)["row_id"].sort()
        first = ", ".join(ids.head(3))
        raise SycoError(
            f"token audit: {bad.height} of {self.rows.height} {part} rows cannot be trained on. {len(ids)}: "
            f"{VIOLATIONS[violation]} (first: {first}). Nothing was trained",
            hint(violation, ids[0]),
        )


def texts(tokenizer: Tokenizer, rows: pl.DataFrame) -> pl.DataFrame:
    """`row_id`, `prompt`, `completion` as this model reads them, from rows that have a `form` besides.

    A `transcript` is styled as in filtration. A `request` becomes the user's turn; a blank before its answer belongs
    to the completion, as tokenizers join the two. A completion reaches to what the chat template ends it with, the end
    token included.
    """
    styled, answers = [], []
    for form, prompt, completion in rows.select("form", "prompt", "completion").iter_rows():
        text = tokenizer.styled(prompt) if form == "transcript" else tokenizer.request(prompt)
        styled.append(text.rstrip(" "))
        answers.append(text[len(styled[-1]) :] + tokenizer.literal(completion) + tokenizer.ending.text)
    return rows.select(
        "row_id", prompt=pl.Series(styled, dtype=pl.String), completion=pl.Series(answers, dtype=pl.String)
    )


def examine(tokenizer: Tokenizer, rows: pl.DataFrame, max_length: int) -> Audit:
    """Tokens of rows with `row_id`, `prompt`, `completion` (as the model reads them), each with its violation.

    `max_length` is in tokens, the end token included.
    """
    prompts, wholes = rows["prompt"].to_list(), (rows["prompt"] + rows["completion"]).to_list()
    before, spans = tokenizer.ids(prompts), tokenizer.spans(wholes)
    examined = [
        _examined(prompt, span, whole, tokenizer, max_length)
        for prompt, span, whole in zip(before, spans, wholes, strict=True)
    ]
    return Audit(
        pl.DataFrame(
            {
                "row_id": rows["row_id"],
                "input_ids": pl.Series([ids for ids, _ in examined], dtype=pl.List(pl.Int64)),
                "prompt_tokens": pl.Series(list(map(len, before)), dtype=pl.Int64),
                "violation": pl.Series([violation for _, violation in examined], dtype=pl.String),
            }
        )
    )


def _examined(
    prompt: list[int], span: Spans, whole: str, tokenizer: Tokenizer, max_length: int
) -> tuple[list[int], str | None]:
    """A row's tokens with the end token behind them, and what is wrong with them."""
    ending = tokenizer.ending
    answer = whole.removesuffix(ending.text).rstrip()
    ids, ends = (span.ids[:-1], span.ends[:-1]) if ending.text else span
    begins = 1 if tokenizer.style == "plain" else len(prompt)  # some models begin a text with their end token
    violations = {
        "not_a_prefix": ids[: len(prompt)] != prompt,
        "no_target": len(ids) <= len(prompt),
        "cut": not ends or ends[-1] < len(answer) or (ending.text and span.ids[-1] != ending.token),
        "end_inside": ending.token in ids[begins:],
        "too_long": len(ids) + 1 > max_length,
    }
    return [*ids, ending.token], next((name for name in VIOLATIONS if violations[name]), None)
