"""Scores of many requests by one model: from the store where they are, from the engine where they are not.

Batches are cut from the sorted list of *all* requests, whether stored or not: a build that was killed goes on
with the very batches that an uninterrupted one would have run, and a finished batch is saved before the next.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from syco_data import engines
from syco_data.engines import planning, store
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from syco_data.progress import progress
from syco_data.settings import Filter, local_path


@dataclass(frozen=True)
class Collected:
    """`scores` (columns of `schemas.SCORES`, one row per distinct request) and what it took.

    `stored` scores came from the store, `fresh` ones from the engine in `seconds`, for `tokens` tokens read. The time
    that a model takes to load is left out, but for Ray, whose actors load it when their first batch comes.
    """

    scores: pl.DataFrame
    stored: int
    fresh: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Pending:
    """What is to be done: `batches` of requests that miss a score, by key, and the scores that are there."""

    shelf: store.Shelf
    stored: pl.DataFrame
    batches: list[dict[str, Request]]

    @property
    def missing(self) -> int:
        return sum(map(len, self.batches))


def space(model: ResolvedModel, settings: Filter) -> store.Space:
    """The store's space for a model under these settings; needs no model library."""
    engine = engines.identity(settings)
    return store.Space(
        model=model.commit, tokenizer=model.tokenizer, engine=engine.engine, version=engine.version,
        device=engine.device, dtype=model.dtype, style=model.style, path=settings.path, scoring=planning.VERSION,
    )  # fmt: skip


def pending(requests: Sequence[Request], model: ResolvedModel, settings: Filter) -> Pending:
    """Looks every request up; nothing is loaded and nothing is run."""
    shelf = store.Shelf(local_path(settings.store), space(model, settings))
    wanted = {store.key(request): request for request in requests}
    stored = shelf.find(pl.Series(list(wanted), dtype=pl.String))
    longest = engines.longest(model, settings)
    # A text that was too long under another limit may fit now.
    stored = stored.filter(pl.col("logprobs").is_not_null() | (pl.col("tokens") >= longest)).remove(_is_broken())
    here = set(stored["key"])
    batches = [
        {name: request for name, request in batch if name not in here}
        for batch in _cut(sorted(wanted.items(), key=_order(settings)), settings.batch)
    ]
    return Pending(shelf, stored, [batch for batch in batches if batch])


def _is_broken() -> pl.Expr:
    """Whether a log-probability is no finite number: of such scores nothing follows."""
    return ~pl.col("logprobs").list.eval(pl.element().is_finite()).list.all().fill_null(True)


def _order(settings: Filter):
    """By text, so that neighbours share prefixes, or by length first."""
    by_prefix = engines.module(settings.engine).sorts_by_prefix(settings)
    return lambda item: (0 if by_prefix else len(item[1].text), item[1].text, item[1].options)


def _cut(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def collect(requests: Sequence[Request], model: ResolvedModel, settings: Filter) -> Collected:
    """One score per distinct request; saves every finished batch. The engine starts only if one is missing."""
    todo = pending(requests, model, settings)
    fresh, seconds = _run(todo, model, settings) if todo.batches else ([], 0.0)
    made = pl.concat([pl.DataFrame(schema=todo.stored.schema), *fresh])
    return Collected(
        scores=_limited(pl.concat([todo.stored, made]), engines.longest(model, settings)),
        stored=len(todo.stored),
        fresh=len(made),
        tokens=made["tokens"].sum(),
        seconds=seconds,
    )


def _run(todo: Pending, model: ResolvedModel, settings: Filter) -> tuple[list[pl.DataFrame], float]:
    """The scores of all pending batches, and the seconds that they took."""
    frames = []
    with engines.open(model, settings) as engine, progress(f"scoring {model.name}", todo.missing) as bar:
        started = time.monotonic()
        for made in saved(todo, engine):
            bar.advance(len(made))
            frames.append(made)
        return frames, time.monotonic() - started


def saved(todo: Pending, engine: engines.Engine) -> Iterator[pl.DataFrame]:
    """Scores the pending batches; each is in the store before the next one is given out."""
    for number, scored in engine.stream([list(batch.values()) for batch in todo.batches]):
        made = store.frame(todo.batches[number], scored)
        _refuse_broken(made, engine.model)
        todo.shelf.add(made)
        yield made


def _refuse_broken(made: pl.DataFrame, model: ResolvedModel) -> None:
    broken = made.filter(_is_broken())
    if len(broken):
        raise SycoError(
            f"model '{model.name}' gives no number (NaN or infinity) for {len(broken):,} of {len(made):,} texts of a "
            f"batch, as {model.dtype}; nothing of that batch is stored",
            f"Take a wider dtype (models.{model.name}.dtype), or fetch the weights again",
        )


def _limited(df: pl.DataFrame, longest: int) -> pl.DataFrame:
    """Without the log-probabilities of texts that a larger limit let through."""
    return df.with_columns(logprobs=pl.when(pl.col("tokens") < longest).then("logprobs"))
