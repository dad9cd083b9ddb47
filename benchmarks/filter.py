"""The filter against its floors, from one run: bare `LLM.generate`, lm-evaluation-harness, and a second run.

    python -m benchmarks filter [PROMPTS]

Real engine (vLLM), the reference model, PROMPTS (20,000) distinct stripped prompts made from data/prompts: where
there are fewer, their claims are numbered. One engine serves ours and the bare one, warmed up, in turns
(ours, bare, ours, bare ...; the best of each counts), each with an empty prefix cache. The harness's own vLLM class is
made around that engine too and answers 1,000 of the questions; its rate counts questions, as ours does.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest import mock

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import engines, schemas, settings, tables
from syco_data.engines import models, scoring
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Request
from syco_data.engines.vllm import PACKAGES, VllmEngine, sampling
from syco_data.filter import questions
from syco_data.settings import REFERENCE, Engines

PROMPTS, NAME = Path("data/prompts/prompts.parquet"), "reference"
HARNESS_QUESTIONS = 1_000
TURNS = 3


@dataclass(frozen=True)
class Timed:
    """Seconds by the clock, and of all processors of this process: other programs change these little."""

    seconds: float
    processor: float


def main(count: str = "20000", folder: str | None = None) -> None:
    params = settings.load()
    model = _model(params, folder)
    requests = _requests(int(count))
    with tempfile.TemporaryDirectory() as store:
        asking = params.engines.model_copy(update={"engine": "vllm", "store": store})
        first = timed(lambda: scoring.collect(requests, model, asking))
        again = timed(lambda: scoring.collect(requests, model, asking))
        with engines.open(model, asking) as engine:
            ours, bare = _side_by_side(engine, model, asking, requests)
            harness = _harness(engine, requests[:HARNESS_QUESTIONS])
    _print(len(requests), ours, bare, harness, first, again)


def _model(params: settings.Settings, folder: str | None) -> ResolvedModel:
    record = models.named(NAME, params)
    if folder is not None:
        record = record.model_copy(update={"source": folder})
    return models.resolve(NAME, record, REFERENCE, params.hub)


def _requests(count: int) -> list[Request]:
    """Distinct questions: the prompts' own, then the same with a number in the claim."""
    texts = tables.read(PROMPTS, schemas.PROMPTS, ["stripped_prompt"])["stripped_prompt"].unique(maintain_order=True)
    rounds = -(-count // len(texts))
    numbered = [texts.str.replace('"', f'"{turn} ', literal=True) if turn else texts for turn in range(rounds)]
    return [Request(text, questions.LETTERS) for text in pl.concat(numbered)[:count]]


def timed(call) -> Timed:
    seconds, processor = time.perf_counter(), time.process_time()
    call()
    return Timed(time.perf_counter() - seconds, time.process_time() - processor)


def best(turns: list[Timed]) -> Timed:
    """The least of each, as other programs can only slow a turn."""
    return Timed(min(turn.seconds for turn in turns), min(turn.processor for turn in turns))


def _side_by_side(
    engine: VllmEngine, model: ResolvedModel, given: Engines, requests: list[Request]
) -> tuple[Timed, Timed]:
    """Our whole path (tokenising, scoring, saving), and `LLM.generate` on the same token ids."""
    queries = [query for plan in engine.plan(requests) for query in plan.queries]
    prompts = [{"prompt_token_ids": list(query.ids)} for query in queries]
    params = [sampling(query.candidates) for query in queries]
    ours, bare = [], []
    for turn in range(TURNS):
        with tempfile.TemporaryDirectory() as store:
            todo = scoring.pending(requests, model, given.model_copy(update={"store": store}))
            engine.llm.reset_prefix_cache()
            ours.append(timed(lambda todo=todo: save_all(todo, engine)))
        engine.llm.reset_prefix_cache()
        bare.append(timed(lambda: engine.llm.generate(prompts, params, use_tqdm=False)))
        print(f"turn {turn}: ours {ours[-1].seconds:.1f} s, bare {bare[-1].seconds:.1f} s", file=sys.stderr)
    return best(ours), best(bare)


def save_all(todo: scoring.Pending, engine: VllmEngine) -> None:
    """What `scoring.collect` does once the engine stands."""
    for scores in scoring.saved(todo, engine):
        assert len(scores)


def _harness(engine: VllmEngine, requests: list[Request]) -> float:
    """Seconds a question of lm-evaluation-harness: its own vLLM class, made with the engine that is running."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from lm_eval.api.instance import Instance

    # It asks for the version of `vllm`, at import and later; on a CPU the package has another name.
    version = metadata.version
    versions = {"vllm": engines.version_of(*PACKAGES)}
    with mock.patch("importlib.metadata.version", lambda name: versions.get(name) or version(name)):
        from lm_eval.models.vllm_causallms import VLLM

    with mock.patch("lm_eval.models.vllm_causallms.LLM", return_value=engine.llm):
        harness = VLLM(pretrained=str(engine.model.folder), max_model_len=engine.max_length, batch_size="auto")
    instances = [
        Instance("loglikelihood", {}, (request.text, option), index)
        for request in requests
        for index, option in enumerate(request.options)
    ]
    harness.loglikelihood(instances[:64], disable_tqdm=True)
    engine.llm.reset_prefix_cache()
    return timed(lambda: harness.loglikelihood(instances, disable_tqdm=True)).seconds / len(requests)


def _print(count: int, ours: Timed, bare: Timed, harness: float, first: Timed, again: Timed) -> None:
    table = Table(title=f"filter: {count:,} stripped prompts, vLLM, one run")
    for heading in ("", "prompts/s", "CPU s", "ratio", "aim"):
        table.add_column(heading, justify="left" if not heading else "right")
    lines = (
        ("ours (tokenise, score, save)", ours, "", ""),
        ("bare LLM.generate, same ids", bare, f"ours {bare.seconds / ours.seconds:.2f}", ">= 0.95"),
        ("lm-evaluation-harness", Timed(harness * count, 0), f"ours {harness * count / ours.seconds:.2f}", ">= 1.8"),
        ("first run, start-up included", first, "", ""),
        ("second run, all in the store", again, f"{again.seconds / first.seconds:.1%} of the time", "< 5%"),
    )
    for name, run, ratio, aim in lines:
        processor = f"{run.processor:.1f}" if run.processor else ""
        table.add_row(name, f"{count / run.seconds:,.0f}", processor, ratio, aim)
    Console().print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
