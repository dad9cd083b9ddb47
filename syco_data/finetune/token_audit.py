"""Training rows as tokens, every row examined before a trainer sees it.

A trainer cuts long rows, drops rows without a target and takes tokens that merge across the border out of the
prompt, all of it silently. Here each of these is a violation with a name, and rows go to the trainer as tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError

VIOLATIONS = {
    "not_a_prefix": "the prompt's tokens are no prefix of the whole row's tokens",
    "no_target": "no token is left for the completion",
    "cut": "the tokenizer does not reach the end of the completion",
    "end_inside": "the end token stands inside the text",
    "too_long": "the row is longer than finetune.max_length",
}
"""In the order in which they are looked for; a row has the first that holds."""


@dataclass(frozen=True)
class Limits:
    """The end token's id, and tokens per row at most, the end token included."""

    end: int
    max_length: int


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

        `hint` says what mends it, given that violation and the first of the ids.
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


_MARK = "a7e05c3d91f64b28"
"""Stands for an answer in a conversation; of letters and digits, as templates trim white space."""


def closing(tokenizer: Tokenizer) -> int:
    """The id of the token that ends an answer: what the chat template puts there, else the end-of-text token.

    A token that the tokenizer has added to its words counts, whether it is named as a special one or not. Raises
    `SycoError` for a template that leaves answers out, and where there is no such token.
    """
    library = tokenizer.library
    if tokenizer.style == "chat":
        ids = tokenizer.ids([_around(tokenizer, "a")[1].lstrip()])[0]
        if ids and ids[0] in library.backend_tokenizer.get_added_tokens_decoder():
            return ids[0]
    if library.eos_token_id is None:
        raise SycoError(f"model folder {tokenizer.folder.name}: the tokenizer has no end-of-text token")
    return library.eos_token_id


def _around(tokenizer: Tokenizer, request: str) -> tuple[str, str]:
    """What a chat template writes before and behind the answer to a request.

    Not its generation prompt: that may open a thought, which an answer of a data set does not have.
    """
    messages = [{"role": "user", "content": request}, {"role": "assistant", "content": _MARK}]
    where = f"model folder {tokenizer.folder.name}"
    text = tokenizer.rendered(messages, "a request with its answer")
    before, mark, behind = text.rpartition(_MARK)
    if not mark:
        raise SycoError(f"{where}: its chat template leaves answers out", "Set prompt_style: plain for this model")
    return before, behind


def texts(tokenizer: Tokenizer, rows: pl.DataFrame) -> pl.DataFrame:
    """`row_id`, `prompt`, `completion` as this model reads them, from rows that have a `form` besides.

    A `transcript` is styled as in filtration. A `request` becomes the user's turn; in plain style the answer
    begins with a blank.
    """
    styled, answers = [], []
    for form, prompt, completion in rows.select("form", "prompt", "completion").iter_rows():
        if form == "transcript":
            styled.append(tokenizer.styled(prompt))
        elif tokenizer.style == "chat":
            styled.append(_around(tokenizer, prompt)[0])
        else:
            styled.append(f"Human: {prompt}\n\nAssistant:")
        answers.append(f" {completion}" if form == "request" and tokenizer.style == "plain" else completion)
    return rows.select(
        "row_id", prompt=pl.Series(styled, dtype=pl.String), completion=pl.Series(answers, dtype=pl.String)
    )


def examine(tokenizer: Tokenizer, rows: pl.DataFrame, limits: Limits) -> Audit:
    """Tokens of rows with `row_id`, `prompt`, `completion` (as the model reads them), each with its violation."""
    prompts, wholes = rows["prompt"].to_list(), (rows["prompt"] + rows["completion"]).to_list()
    before, spans = tokenizer.ids(prompts), tokenizer.spans(wholes)
    violations = [
        _violation(prompt, whole, text, limits, skip=1 if tokenizer.style == "plain" else len(prompt))
        for prompt, whole, text in zip(before, spans, wholes, strict=True)
    ]
    return Audit(
        pl.DataFrame(
            {
                "row_id": rows["row_id"],
                "input_ids": pl.Series([[*span.ids, limits.end] for span in spans], dtype=pl.List(pl.Int64)),
                "prompt_tokens": pl.Series(list(map(len, before)), dtype=pl.Int64),
                "violation": pl.Series(violations, dtype=pl.String),
            }
        )
    )


def _violation(prompt: list[int], whole: Any, text: str, limits: Limits, skip: int) -> str | None:
    """`skip`: tokens at the start where the end token may stand (some models begin a text with it)."""
    if whole.ids[: len(prompt)] != prompt:
        return "not_a_prefix"
    if len(whole.ids) == len(prompt):
        return "no_target"
    if whole.ends[-1] < len(text.rstrip()):
        return "cut"
    if limits.end in whole.ids[skip:]:
        return "end_inside"
    return "too_long" if len(whole.ids) + 1 > limits.max_length else None
