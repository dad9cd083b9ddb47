"""Cleaning, quoting and joining of inputs, and the sentences that claims are.

Departures from the published cleaning (google/sycophancy-intervention), each on purpose:

- every run of white space, line breaks and tabs included, becomes one blank; the published code deletes
  newlines without a blank and glues two words together;
- typographic and straight double quotes go, not the straight ones alone, so that the quotes around an input
  are the only double quotes in a claim;
- control characters and Unicode's invisible direction marks go (rotten_tomatoes holds C1 controls);
- text is NFC-normalised, so that two spellings of one letter are one input and one id.

`published=True` gives the published rules back, for `claims.compat: published` only.
"""

import polars as pl

from syco_data.schemas import POLARITIES
from syco_data.sources import SOURCES

QUOTES = '["\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02]'
# Cc and the invisible format characters that re-order or hide text; joiners inside emoji and scripts stay.
INVISIBLE = r"[\p{Cc}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ue000\ue001]"
# What Python's `str.strip` takes off, some separators that Unicode does not count as white space included.
PYTHON_WHITE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
LABELS_AT_MOST = 16
WHITE = r"[\s\u0085\u2028\u2029]+"
# Anything but printable ASCII, a straight double quote, a blank too many: without it `clean` changes nothing.
UNCLEAN = r"[^!#-~ ]|  |^ | $"


def clean(text: pl.Expr, published: bool = False) -> pl.Expr:
    """One text column, cleaned; an empty or null text becomes an empty string."""
    text = text.fill_null("")
    if published:
        return (
            text.str.replace_all('"', "", literal=True)
            .str.replace_all("\n", "", literal=True)
            .str.strip_chars(PYTHON_WHITE)
        )
    return (
        text.str.normalize("NFC")
        .str.replace_all(WHITE, " ")
        .str.replace_all(f"{QUOTES}|{INVISIBLE}", "")
        .str.replace_all(" +", " ")
        .str.strip_chars()
    )


def cleaned(texts: pl.Series) -> pl.Series:
    """`clean` of a whole column: only the rows that need it go through its five replacements."""
    texts = texts.fill_null("")
    unclean = texts.str.contains(UNCLEAN)
    rows = texts.to_frame("text").filter(unclean).select(clean(pl.col("text"))).to_series()
    place = unclean.cum_sum().cast(pl.Int64) - 1
    picked = pl.when(unclean).then(pl.lit(rows).gather(place.clip(0))).otherwise(texts)
    return texts if rows.is_empty() else pl.select(picked.alias(texts.name)).to_series()


def join(cleaned: list[pl.Expr]) -> pl.Expr:
    """Cleaned fields, each in double quotes, joined by " and ": the input of a claim."""
    quoted = [pl.concat_str(pl.lit('"'), field, pl.lit('"')) for field in cleaned]
    return pl.concat_str(quoted, separator=" and ")


def label_words(label_code: pl.Expr, polarity: pl.Expr, published: bool = False) -> pl.Expr:
    """What stands behind "is" or "is not" for a label code (see `label_code`)."""
    columns = {}
    for kind in POLARITIES:
        words = [""] * (len(SOURCES) * LABELS_AT_MOST)
        for index, source in enumerate(SOURCES.values()):
            for label, record in enumerate(source.labels):
                words[index * LABELS_AT_MOST + label] = record.worded(kind, published)
        columns[kind] = pl.lit(pl.Series(words)).gather(label_code)
    return pl.when(polarity == "is").then(columns["is"]).otherwise(columns["is not"])


def label_code(source_index: pl.Expr, label: pl.Expr) -> pl.Expr:
    """One number for a label of a source, from the source's place in `SOURCES`."""
    return source_index.cast(pl.Int64) * LABELS_AT_MOST + label


def sentence(text: pl.Expr, polarity: pl.Expr, label: pl.Expr) -> pl.Expr:
    """The claim: `<input> is <label>` or `<input> is not <label>`."""
    return pl.concat_str(text, polarity, label, separator=" ")
