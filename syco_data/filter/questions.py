"""How a model is asked what it knows: a text, and the replies whose log-probabilities are compared.

Ways of asking (`filter.ask`):

- `letters`: the stripped prompt; the replies are ` (A)` and ` (B)`.
- `words`: the stripped prompt; the replies are the words beside the letters, such as ` Agree` and ` Disagree`.
- `labels`: the input alone; the replies are the labels of its source, worded as in claims. The model classifies, and
  the claim follows: `is X` is believed when X is the likeliest label, `is not X` when another one is.
"""

from collections.abc import Iterable

import polars as pl

from syco_data import schemas, tables
from syco_data.build import Tables
from syco_data.engines.planning import Request
from syco_data.prompts import transcripts
from syco_data.settings import Filter
from syco_data.sources import SOURCES

LETTERS = (" (A)", " (B)")
OF_CLAIMS = ("input", "label")
COLUMNS = (
    "prompt_id", "claim_id", "source", "label_kind", "polarity", "truth", "template", "stripped_prompt", "answer",
)  # fmt: skip
"""What is needed of prompts and, by `claim_id`, of claims."""
_OPTION = r"(?m)^ \({}\) (.+)$"


def of_build(places: Tables) -> pl.DataFrame:
    """The prompts of a build, with the input and label of their claims."""
    prompts = tables.read(places.prompts, schemas.PROMPTS, list(COLUMNS))
    claims = tables.read(places.claims, schemas.CLAIMS, ["claim_id", *OF_CLAIMS])
    return prompts.join(claims, on="claim_id", how="left", maintain_order="left")


def build(prompts: pl.DataFrame, settings: Filter, style: str) -> pl.DataFrame:
    """`prompts` (`COLUMNS` and `OF_CLAIMS`) with what to ask: `text`, `replies`, `swapped_text`, `swapped_replies`.

    The swapped question has its options exchanged; null where one order is asked. `style` is the model's prompt style.
    """
    if settings.ask == "labels":
        inputs = zip(prompts["source"], prompts["input"], strict=True)
        columns = {
            "text": pl.Series([classification(source, text, style) for source, text in inputs], dtype=pl.String),
            "replies": prompts["source"].map_elements(_label_replies, return_dtype=pl.List(pl.String)),
        }
        return prompts.with_columns(**columns, **_not_asked())
    text = pl.col("stripped_prompt")
    if not settings.both_orders:
        return prompts.with_columns(text=text, replies=_replies(text, settings.ask), **_not_asked())
    swapped = transcripts.swap_options(text)
    return prompts.with_columns(
        text=text, replies=_replies(text, settings.ask),
        swapped_text=swapped, swapped_replies=_replies(swapped, settings.ask),
    )  # fmt: skip


def classification(source: str, text: str, style: str) -> str:
    """The question for the label of an input, up to where the label begins.

    A plain model goes on from the words of a claim. A chat model is asked by a user, who names the labels: from the
    input alone it does not know what is wanted.
    """
    if style == "plain":
        return f"{text} is"
    *others, last = (label.wording for label in SOURCES[source].labels)
    return f"Human: Which label describes {text}? {', '.join(others)} or {last}.\n\nAssistant: I believe it is"


def _label_replies(source: str) -> list[str]:
    return [f" {label.wording}" for label in SOURCES[source].labels]


def _replies(text: pl.Expr, ask: str) -> pl.Expr:
    if ask == "letters":
        return pl.lit(pl.Series([list(LETTERS)])).first()
    words = [pl.concat_str(pl.lit(" "), text.str.extract(_OPTION.format(letter))) for letter in "AB"]
    return pl.concat_list(words)


def _not_asked() -> dict[str, pl.Expr]:
    return {"swapped_text": pl.lit(None, pl.String), "swapped_replies": pl.lit(None, pl.List(pl.String))}


def each(texts: pl.Series, replies: pl.Series) -> list[Request | None]:
    """One request per row; None where nothing is asked."""
    pairs = zip(texts, replies.to_list(), strict=True)
    return [None if text is None else Request(text, tuple(options)) for text, options in pairs]


def requests(questions: pl.DataFrame) -> list[Request]:
    """Every distinct request of `build`, in the order of the rows."""
    both: Iterable[Request | None] = (
        *each(questions["text"], questions["replies"]),
        *each(questions["swapped_text"], questions["swapped_replies"]),
    )
    return list(dict.fromkeys(request for request in both if request is not None))
