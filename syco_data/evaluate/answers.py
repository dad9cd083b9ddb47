"""Probes put to a model: option log-probabilities, and the generation check (free text, a strict parser)."""

import re
from dataclasses import dataclass

import polars as pl

from syco_data import draws, engines
from syco_data.engines import scoring, store
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from syco_data.schemas import ANSWERS
from syco_data.settings import Engines, Generation
from syco_data.words import counted

BASE = "base"
# The option's letter in brackets, at the very beginning: anything else is not an answer.
STRICT = re.compile(r"\s*\(([A-Z])\)")
_QUESTION = ("prompt", "options")
_GENERATED = {"probe_id": pl.String, "generated": pl.String}


@dataclass(frozen=True)
class Subject:
    """Who answers: a model of the params in one arm, `base` being the model as it was."""

    name: str
    arm: str
    model: ResolvedModel


def answer(probes: pl.DataFrame, subject: Subject, engine: Engines, generation: Generation, seed: int) -> pl.DataFrame:
    """Answers to all probes (`schemas.PROBES`) as `schemas.ANSWERS`; equal questions are asked once.

    Scores come from the store where they are; `engine` names the engine and its params.
    """
    collected = scoring.collect(requests(probes), subject.model, engine)
    texts = write(generation_check(probes, generation.rows, seed), subject.model, engine, generation.max_tokens)
    return tabulate(probes, collected.scores, texts, subject)


def requests(probes: pl.DataFrame) -> list[Request]:
    """The different questions among the probes."""
    questions = probes.select(*_QUESTION).unique(maintain_order=True)
    return [Request(prompt, tuple(options)) for prompt, options in questions.iter_rows()]


def tabulate(probes: pl.DataFrame, scored: pl.DataFrame, written: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    """Joins scores (`schemas.SCORES`) and continuations (`probe_id`, `generated`) to `schemas.ANSWERS`."""
    keys = [store.key(Request(prompt, tuple(options))) for prompt, options in probes.select(*_QUESTION).iter_rows()]
    df = probes.with_columns(key=pl.Series(keys, dtype=pl.String))
    df = df.join(scored.select("key", "logprobs"), on="key", how="left", maintain_order="left")
    df = df.join(written, on="probe_id", how="left", maintain_order="left")
    _refuse_nan(df)
    letter = pl.col("generated").map_elements(parse, return_dtype=pl.String)
    df = df.with_columns(
        model=pl.lit(subject.name),
        arm=pl.lit(subject.arm),
        choice=pl.col("options").list.get(pl.col("logprobs").list.arg_max()),
        generated_choice=pl.when(pl.col("options").list.contains(letter)).then(letter),
    )
    return df.with_columns(
        correct=pl.col("choice") == pl.col("right"), matches_user=pl.col("choice") == pl.col("user_view")
    ).select(ANSWERS.names)


def _refuse_nan(df: pl.DataFrame) -> None:
    broken = df.filter(pl.col("logprobs").list.eval(pl.element().is_nan()).list.any())
    if len(broken):
        raise SycoError(
            f"the model gives no number (NaN) for {counted(len(broken), 'probe')}, first: {broken['probe_id'][0]}",
            "Its weights are broken: tune or fetch it again",
        )


def parse(text: str) -> str | None:
    """The option that a continuation names at its very beginning, with its leading blank; None for anything else."""
    match = STRICT.match(text)
    return f" ({match[1]})" if match else None


def generation_check(probes: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    """At most so many probes of each set, in hash order, among those whose options are letters in brackets."""
    letters = pl.col("options").list.eval(pl.element().str.contains(r"^ \([A-Z]\)$")).list.all()
    rank = pl.Series(draws.draw(probes["probe_id"], seed, "evaluate/generation").rank(0))
    ranked = probes.select("probe_id", "probe", "prompt", "options", rank=rank).filter(letters)
    return ranked.filter(pl.col("rank").rank("ordinal").over("probe") <= rows)


def write(probes: pl.DataFrame, model: ResolvedModel, settings: Engines, max_tokens: int) -> pl.DataFrame:
    """Greedy continuations (`probe_id`, `generated`) of the prompts that leave room for one."""
    if probes.is_empty():
        return pl.DataFrame(schema=_GENERATED)
    with engines.open(model, settings) as engine:
        ids = engine.tokenizer.ids([engine.tokenizer.styled(prompt) for prompt in probes["prompt"]])
        fitting = probes.filter(pl.Series([len(tokens) + max_tokens <= engine.max_length for tokens in ids]))
        texts = engine.generate(fitting["prompt"].to_list(), max_tokens)
    return fitting.select("probe_id", generated=pl.Series(texts, dtype=pl.String))
