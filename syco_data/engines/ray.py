"""The Ray engine: replicas of another engine in a pool of actors, on one machine or a cluster.

Batches are the blocks of a Ray data set that is streamed through the actors, one whole batch a task: the
make-up of a batch, and so its scores, does not depend on which actor runs it. The scores come back to this
process, which saves them: nothing but the model has to be readable from the workers. A task whose worker or
node dies is run again elsewhere, and that batch is all that is lost.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from syco_data import engines
from syco_data.engines.planning import OptionScores, Request
from syco_data.errors import SycoError, first_line

if TYPE_CHECKING:
    from syco_data.engines.models import ResolvedModel
    from syco_data.settings import Engines

CONNECT_SECONDS = 10  # for the head of a cluster to take a connection


def identity(settings: Engines) -> engines.Identity:
    """That of the engine in the actors: its scores are the same ones, wherever it runs."""
    engines.version_of("ray")
    inner = engines.module(settings.ray.engine).identity(settings)
    return replace(inner, device=settings.ray.device or inner.device)


def sorts_by_prefix(settings: Engines) -> bool:
    return engines.module(settings.ray.engine).sorts_by_prefix(settings)


def load(model: ResolvedModel, settings: Engines) -> RayEngine:
    return RayEngine(model, settings)


class RayEngine(engines.Engine):
    """A Ray session; the models are loaded by the actors, when the first batches reach them."""

    def __init__(self, model: ResolvedModel, settings: Engines) -> None:
        super().__init__(model, settings)
        _connect(settings)
        try:
            _check_room(settings)
        except SycoError:
            self.close()
            raise

    def stream(self, batches: Sequence[Sequence[Request]]) -> Iterator[engines.Batch]:
        """Finished batches as they come back."""
        for row in self._map("score", [_packed(batch) for batch in batches]):
            scored, counted = json.loads(row["result"])
            self.counter.add(*counted)
            yield engines.Batch(row["number"], [_scores(one) for one in scored])

    def score(self, requests: Sequence[Request]) -> list[OptionScores]:
        size = self.settings.batch
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        scores = {batch.number: batch.scores for batch in self.stream(batches)}
        return [score for number in range(len(batches)) for score in scores[number]]

    def generate(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        size = self.settings.batch
        batches = [json.dumps([max_tokens, list(texts[at : at + size])]) for at in range(0, len(texts), size)]
        results = {row["number"]: json.loads(row["result"]) for row in self._map("generate", batches)}
        return [text for number in range(len(batches)) for text in results[number]]

    def _map(self, method: str, batches: list[str]) -> Iterator[dict[str, Any]]:
        """Rows with `number` and `result` of each batch, in whatever order actors finish."""
        import ray.data

        own = self.settings.ray
        inner = self.settings.model_copy(update={"engine": own.engine})
        if not batches:
            return
        results = _table(batches).map_batches(
            Worker,
            fn_constructor_args=(self.model, inner, method),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=own.actors),
            num_cpus=own.cpus_per_actor,
            num_gpus=own.gpus_per_actor,
        )
        try:
            for row in results.iter_rows():
                if row["error"]:
                    raise SycoError(*json.loads(row["error"]))
                yield row
        except ray.exceptions.RayError as error:
            raise SycoError(
                f"engine 'ray': the workers failed: {_reason(error)}",
                "Try the same with one process: engines.engine: " + own.engine,
            ) from error

    def logprobs(self, queries: Any) -> Any:
        raise NotImplementedError("the actors' engines answer queries")

    def extend(self, prompts: Any, max_tokens: int) -> Any:
        raise NotImplementedError("the actors' engines continue prompts")

    def close(self) -> None:
        import ray

        ray.shutdown()


class Worker:
    """One actor: an engine of its own, loaded for the first batch. Called with one batch a time.

    An error that the user can correct comes back as a row, as Ray would wrap the exception in a trace of its own.
    """

    def __init__(self, model: ResolvedModel, settings: Engines, method: str) -> None:
        self._load = partial(engines.module(settings.engine).load, model, settings)
        self._engine, self._method = None, method

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        try:
            self._engine = self._engine or self._load()
            pairs = [(getattr(self, self._method)(text), "") for text in rows["batch"]]
        except SycoError as error:
            pairs = [("", json.dumps([error.what, error.hint])) for _ in rows["batch"]]
        return {
            "number": rows["number"],
            "result": [one for one, _ in pairs],
            "error": [error for _, error in pairs],
        }

    def score(self, batch: str) -> str:
        counter = self._engine.counter = engines.Counter()
        scored = self._engine.score([Request(text, tuple(options)) for text, options in json.loads(batch)])
        rows = [[score.logprobs, score.tokens, score.mode] for score in scored]
        return json.dumps([rows, [counter.tokens, counter.cached]])

    def generate(self, batch: str) -> str:
        max_tokens, texts = json.loads(batch)
        return json.dumps(self._engine.generate(texts, max_tokens))


def _reason(error: Exception) -> str:
    """The last line of what Ray tells: the exception itself, below the traces around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _packed(batch: Sequence[Request]) -> str:
    return json.dumps([[text, list(options)] for text, options in batch])


def _scores(row: list) -> OptionScores:
    logprobs, tokens, path = row
    return OptionScores(None if logprobs is None else tuple(logprobs), tokens, path)


def _connect(settings: Engines) -> None:
    # Workers see the source tree that this process runs; set before Ray starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    import ray

    if ray.is_initialized():
        raise SycoError("engine 'ray': this process is connected to Ray already", "Close the other engine first")
    try:
        _knock(settings.ray.address)
        ray.init(
            address=settings.ray.address, logging_level=logging.CRITICAL, log_to_driver=False, include_dashboard=False
        )
    except Exception as error:  # Ray raises a bare Exception where its processes do not come up in time
        reason = first_line(error)
        raise SycoError(
            f"engine 'ray': no cluster at {settings.ray.address!r}: {reason}",
            "Start one (ray start --head) and set engines.ray.address, or null for this machine",
        ) from error


def _check_room(settings: Engines) -> None:
    """Refuses actors that no node of the cluster has room for: Ray would wait for such a node without end."""
    import ray

    needs = {"CPU": settings.ray.cpus_per_actor, "GPU": settings.ray.gpus_per_actor}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(kind, 0) >= need for kind, need in needs.items()) for node in nodes):
        return
    largest = ", ".join(f"{max((node.get(kind, 0) for node in nodes), default=0):g} {kind}s" for kind in needs)
    needed = ", ".join(f"{need:g} {kind}s" for kind, need in needs.items())
    raise SycoError(
        f"engine 'ray': no node has room for an actor of {needed} (the most that a node has: {largest})",
        "Lower engines.ray.cpus_per_actor or gpus_per_actor, or start a node that is large enough",
    )


def _knock(address: str | None) -> None:
    """Raises `OSError` at once where nothing listens at host:port; Ray itself would try for many minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def _table(batches: list[str]) -> Any:
    """A Ray data set with a block of one row for each batch.

    The blocks lie in the object store from the start: reading them takes no task, and so no CPU, which actors
    that hold every CPU of a cluster would never give up.
    """
    import pyarrow as pa
    import ray.data

    return ray.data.from_arrow([pa.table({"number": [i], "batch": [batch]}) for i, batch in enumerate(batches)])
