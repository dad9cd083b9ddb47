"""Held-out instruction rows: what tuning must not cost the reference model, read by log-probability.

The completions that occur within one kind of instruction are its options; of many, a row gets the right one and
a few others drawn by its text.
"""

import polars as pl

from syco_data import draws

MOST_OPTIONS = 4


def build(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Probes of rows with `source` (the kind), `prompt` and `completion`; each prompt is asked once."""
    once = rows.unique("prompt", keep="first", maintain_order=True)
    answers = once.select("source", other="completion").unique(maintain_order=True)
    paired = once.join(answers, on="source").filter(pl.col("other") != pl.col("completion"))
    keys = paired.select(pl.concat_str("prompt", "other", separator="\x1f")).to_series()
    ranked = paired.with_columns(rank=pl.Series(draws.draw(keys, seed, "probes/instructions").rank(0)))
    others = ranked.sort("rank").group_by("prompt", maintain_order=True).agg(pl.col("other").head(MOST_OPTIONS - 1))
    with_options = once.join(others, on="prompt", maintain_order="left")
    return with_options.select(
        "prompt",
        item=draws.content_ids("prompt"),
        variant="source",
        right="completion",
        options=pl.concat_list("other", pl.concat_list("completion")).list.sort(),
    )
