"""Scores of many requests by one model: from the store where they are, from the engine where they are not.

Batches are cut from the sorted list of *all* requests, whether stored or not, by what is known before a model runs:
a build that was killed goes on with the very batches that an uninterrupted one would have run, and a finished batch
is saved before the next. A batch is a few seconds of work, so that a kill costs little with a large model too.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import polars as pl

from syco_data import engines
from syco_data.engines import model_files, planning, store
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Request
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from syco_data.progress import keeping, progress
from syco_data.settings import Engines, local_path

# Parameters x tokens of one batch: some five seconds on two processor cores, or on a GPU of a data centre.
WORK = {"cpu": 1.5e12}
WORK_OF_OTHERS = 1e15
CHARACTERS = 4  # of a token, roughly


@dataclass(frozen=True)
class Collected:
    """`scores` (columns of `schemas.SCORES`, one row per distinct request) and what it took.

    `stored` scores came from the store, `fresh` ones from the engine in `seconds`, for `tokens` tokens read. The time
    that a model takes to load is left out, but for Ray, whose actors load it when their first batch comes.
    `share_cached` is the share of the tokens that the engine took from its prefix cache; None where it does not say.
    """

    scores: pl.DataFrame
    stored: int
    fresh: int
    tokens: int
    seconds: float
    share_cached: float | None = None


@dataclass(frozen=True)
class Pending:
    """What is to be done: `batches` of requests that miss a score, by key, and the scores that are there."""

    partition: store.Partition
    stored: pl.DataFrame
    batches: list[dict[str, Request]]

    @property
    def missing(self) -> int:
        return sum(map(len, self.batches))


def partition_key(model: ResolvedModel, settings: Engines) -> store.PartitionKey:
    """The store's partition for a model under these settings; needs no model library."""
    engine = engines.identity(settings)
    return store.PartitionKey(
        model=model.commit, tokenizer=model.tokenizer, engine=engine.engine, version=engine.version,
        device=engine.device, dtype=model.dtype, style=model.style, path=settings.scoring, scoring=planning.VERSION,
    )  # fmt: skip


def pending(requests: Sequence[Request], model: ResolvedModel, settings: Engines) -> Pending:
    """Looks every request up; nothing is loaded and nothing is run."""
    partition = store.Partition(local_path(settings.store), partition_key(model, settings))
    by_key = {store.key(request): request for request in requests}
    stored = partition.find(pl.Series(list(by_key), dtype=pl.String))
    longest = engines.longest(model, settings)
    # A text that was too long under another limit may fit now.
    stored = stored.filter(pl.col("logprobs").is_not_null() | (pl.col("tokens") >= longest)).remove(_is_broken())
    here = set(stored["key"])
    batches = [
        {name: request for name, request in batch if name not in here}
        for batch in _cut(sorted(by_key.items(), key=_order(settings)), settings.batch, _most_tokens(model, settings))
    ]
    return Pending(partition, stored, [batch for batch in batches if batch])


def _is_broken() -> pl.Expr:
    """Whether a log-probability is not a finite number: of such scores nothing follows."""
    return ~pl.col("logprobs").list.eval(pl.element().is_finite()).list.all().fill_null(True)


def _order(settings: Engines):
    """By text, so that neighbours share prefixes, or by length first."""
    by_prefix = engines.module(settings.engine).sorts_by_prefix(settings)
    return lambda item: (0 if by_prefix else len(item[1].text), item[1].text, item[1].options)


def _most_tokens(model: ResolvedModel, settings: Engines) -> float:
    """How many tokens a batch may have."""
    work = WORK.get(engines.identity(settings).device, WORK_OF_OTHERS)
    return work / max(model_files.parameters(model.folder), 1)


def _cut(items: list[tuple[str, Request]], most: int, most_tokens: float) -> Iterator[list[tuple[str, Request]]]:
    """Batches of at most so many requests and tokens, estimated by characters; of one request at least."""
    batch, tokens = [], 0
    for item in items:
        size = len(item[1].text) // CHARACTERS + 1
        if batch and (len(batch) == most or tokens + size > most_tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(item)
        tokens += size
    if batch:
        yield batch


def tokens(todo: Pending, model: ResolvedModel, settings: Engines) -> int:
    """How many tokens the missing scores will take; only the tokenizer is loaded."""
    tokenizer = Tokenizer(model.folder, model.style)
    planner = planning.Planner(tokenizer, settings.scoring)
    plans = (planner.plan(engines.styled(tokenizer, batch.values())) for batch in todo.batches)
    return sum(len(query.ids) for batch in plans for plan in batch for query in plan.queries)


def collect(
    requests: Sequence[Request], model: ResolvedModel, settings: Engines, engine: engines.Engine | None = None
) -> Collected:
    """One score per distinct request; saves every finished batch.

    Without an `engine` that holds the model, one starts if a score is missing, and ends.
    """
    todo = pending(requests, model, settings)
    fresh, seconds, share = _run(todo, model, settings, engine) if todo.batches else ([], 0.0, None)
    new = pl.concat([pl.DataFrame(schema=todo.stored.schema), *fresh])
    return Collected(
        scores=_limited(pl.concat([todo.stored, new]), engines.longest(model, settings)),
        stored=len(todo.stored),
        fresh=len(new),
        tokens=int(new["tokens"].sum()),
        seconds=seconds,
        share_cached=share,
    )


def _run(
    todo: Pending, model: ResolvedModel, settings: Engines, loaded: engines.Engine | None
) -> tuple[list[pl.DataFrame], float, float | None]:
    """The scores of all pending batches, the seconds that they took, and the share of cached tokens."""
    frames = []
    opened = engines.open(model, settings) if loaded is None else nullcontext(loaded)
    with progress(f"scoring {model.name}", todo.missing) as bar, opened as engine:
        bar.restart()  # what loading took says nothing about the time that is left
        started = time.monotonic()
        with keeping(lambda: f"{bar.done:,} of {todo.missing:,} missing scores are kept in {settings.store}"):
            for scores in saved(todo, engine):
                bar.advance(len(scores))
                frames.append(scores)
        return frames, time.monotonic() - started, engine.counter.share_cached


def saved(todo: Pending, engine: engines.Engine) -> Iterator[pl.DataFrame]:
    """Scores the pending batches; each is in the store before the next one is given out."""
    for number, scored in engine.stream([list(batch.values()) for batch in todo.batches]):
        scores = store.frame(todo.batches[number], scored)
        _refuse_broken(scores, engine.model)
        todo.partition.add(scores)
        yield scores


def _refuse_broken(scores: pl.DataFrame, model: ResolvedModel) -> None:
    broken = scores.filter(_is_broken())
    if len(broken):
        raise SycoError(
            f"model '{model.name}' gives no number (NaN or infinity) for {len(broken):,} of {len(scores):,} texts of a "
            f"batch, as {model.dtype}; nothing of that batch is stored",
            f"Take a wider dtype (models.{model.name}.dtype), or fetch the weights again",
        )


def _limited(df: pl.DataFrame, longest: int) -> pl.DataFrame:
    """Without the log-probabilities of texts that a larger limit let through."""
    return df.with_columns(logprobs=pl.when(pl.col("tokens") < longest).then("logprobs"))
