"""How long stripped prompts are, in tokens: what the cost of filtration follows from (docs/filter.md).

    python -m benchmarks tokens [PROMPTS.parquet] [TOKENIZER.json]

Of the prompts of a build (data/prompts/prompts.parquet): the mean of each source, weighted by its inputs in the
published pool. Without a tokenizer, a byte-level BPE of 32,000 pieces is trained on the prompts themselves.
"""

import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import schemas, tables
from syco_data.sources import SOURCES

PIECES = 32_000
OPTIONS = "\n (A)"
"""Where the two orders of a question part."""


def main(prompts: str = "data/prompts/prompts.parquet", tokenizer: str | None = None) -> None:
    rows = tables.read(Path(prompts), schemas.PROMPTS, ["source", "stripped_prompt"])
    texts = rows["stripped_prompt"]
    core = _trained(texts.to_list()) if tokenizer is None else _saved(tokenizer)
    counted = rows.select(
        "source",
        tokens=_sizes(core, texts),
        shared=_sizes(core, texts.str.split(OPTIONS).list.first()),
        characters=texts.str.len_chars(),
    )
    _print(counted, "trained on them" if tokenizer is None else Path(tokenizer).name)


def _saved(path: str):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(path)


def _trained(texts: list[str]):
    from tokenizers import ByteLevelBPETokenizer

    core = ByteLevelBPETokenizer()
    core.train_from_iterator(texts, vocab_size=PIECES, show_progress=False)
    return core


def _sizes(core, texts: pl.Series) -> pl.Series:
    return pl.Series([len(encoded.ids) for encoded in core.encode_batch(texts.to_list())])


def _print(counted: pl.DataFrame, tokenizer: str) -> None:
    weights = pl.DataFrame({"source": list(SOURCES), "weight": [s.unique_inputs for s in SOURCES.values()]})
    means = counted.group_by("source").mean().join(weights, on="source").sort("source")
    table = Table(title=f"{len(counted):,} stripped prompts, tokenizer: {tokenizer}")
    for heading in ("source", "tokens", "before the options", "characters"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    names = ("tokens", "shared", "characters")
    for row in means.iter_rows(named=True):
        table.add_row(row["source"], *(f"{row[name]:.0f}" for name in names))
    share = pl.col("weight") / pl.col("weight").sum()
    whole = means.select((pl.col(name) * share).sum() for name in names).row(0)
    table.add_row("published mixture", *(f"{value:.0f}" for value in whole))
    Console().print(table)
    Console().print(f"the longest 1% have over {counted['tokens'].quantile(0.99):.0f} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
