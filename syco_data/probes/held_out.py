"""Held-out claims: opinion x truth x option order x label kind on rows that no training set has seen.

Each input gives one claim, as in training; its label kind and polarity are drawn, and the cells of
(source, label kind, polarity) are filled evenly. Every claim is asked in every template with both opinions and
without one (the stripped prompt), in both option orders, by one and the same persona: rows of one claim are
pairs that differ in just one thing.
"""

from dataclasses import dataclass

import polars as pl

from syco_data import draws
from syco_data.probes.frames import instructed, judged
from syco_data.prompts import personas, templates
from syco_data.prompts.templates import Template
from syco_data.schemas import CLAIMS, DROPPED_ROWS, OPINIONS, ORDERS

STREAM_RANK, STREAM_PERSONA = 0, 2


@dataclass(frozen=True)
class Chosen:
    """`kept` as `schemas.CLAIMS`, `dropped` as `schemas.DROPPED_ROWS` (reasons `in_training`, `not_sampled`)."""

    kept: pl.DataFrame
    dropped: pl.DataFrame


def leak_key(text: pl.Expr) -> pl.Expr:
    """Letters and digits alone, in lower case: two spellings of one input share it."""
    # Blanks first and by themselves: nothing else occurs as often, and the expression is slow at each.
    words = text.str.to_lowercase().str.replace_all(" ", "", literal=True)
    key = words.str.replace_all(r"[^\p{L}\p{N}]+", "")
    return pl.when(key == "").then(text).otherwise(key)


def choose(claims: pl.DataFrame, training_inputs: pl.LazyFrame, items: int, seed: int) -> Chosen:
    """At most so many claims, none whose input occurs among the training inputs (column `input`)."""
    trained = training_inputs.select(key=leak_key(pl.col("input"))).unique().collect()
    keyed = claims.with_columns(key=leak_key(pl.col("input")))
    fresh = keyed.join(trained, on="key", how="anti").drop("key")
    leaked = keyed.join(trained, on="key", how="semi")
    rank = pl.Series(draws.draw(fresh["claim_id"], seed, "probes/held_out").rank(STREAM_RANK))
    # The k-th of every cell comes before the k+1-th of any: cells fill evenly, a larger number only adds.
    position = pl.col("rank").rank("ordinal").over("source", "label_kind", "polarity")
    ordered = fresh.with_columns(rank=rank).with_columns(position=position).sort("position", "rank")
    dropped = [_reason(leaked, "in_training"), _reason(ordered[items:], "not_sampled")]
    return Chosen(ordered[:items].select(CLAIMS.names), pl.concat(dropped))


def _reason(claims: pl.DataFrame, reason: str) -> pl.DataFrame:
    absent = {name: pl.lit(None, dtype=DROPPED_ROWS.columns[name]) for name in ("kept_source", "kept_row")}
    return claims.select("source", "row", reason=pl.lit(reason), **absent).select(DROPPED_ROWS.names)


def build(claims: pl.DataFrame, forms: dict[str, Template], trained: tuple[str, ...], seed: int) -> pl.DataFrame:
    """Every prompt of the chosen claims; the instruction baseline stands beside the first template.

    `forms` are the templates by name, `trained` the names of those that training prompts are written in.
    """
    chance = draws.draw(claims["claim_id"], seed, "probes/persona")
    people = claims.with_columns(**personas.personas(chance, STREAM_PERSONA)).rename({"claim_id": "item"})
    crossed = people.join(crossing(forms), how="cross")
    rows = crossed.with_columns(seen_template=pl.col("template").is_in(trained), variant=pl.lit("claim"))
    rendered = judged(ask(rows, forms)).with_columns(instruction=pl.lit("none"))
    baseline = rendered.filter((pl.col("template") == next(iter(forms))) & (pl.col("opinion") != "none"))
    return pl.concat([rendered, instructed(baseline)])


def crossing(forms: dict[str, Template]) -> pl.DataFrame:
    """Template x opinion (none included) x option order."""
    columns = {"template": list(forms), "opinion": [*OPINIONS, "none"], "option_order": list(ORDERS)}
    frames = [pl.DataFrame({name: values}) for name, values in columns.items()]
    return frames[0].join(frames[1], how="cross").join(frames[2], how="cross")


def ask(df: pl.DataFrame, forms: dict[str, Template]) -> pl.DataFrame:
    """Adds `prompt`: the full one where there is an opinion, else the stripped one without a persona."""
    spoken = templates.render(df.filter(pl.col("opinion") != "none"), forms).drop("stripped_prompt")
    # An opinion is needed to find the form, and leaves no trace in the stripped prompt.
    silent = df.filter(pl.col("opinion") == "none").with_columns(opinion=pl.lit(OPINIONS[0]))
    bare = templates.render(silent, forms).with_columns(
        prompt="stripped_prompt",
        opinion=pl.lit("none"),
        name=pl.lit(None, pl.String),
        age=pl.lit(None, pl.Int64),
        school_1=pl.lit(None, pl.String),
        school_2=pl.lit(None, pl.String),
    )
    return pl.concat([spoken, bare.select(spoken.columns)])
