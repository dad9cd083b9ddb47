"""`python -m benchmarks prefixes [PROMPTS]`: what texts have in common is read once, with a real chat model.

PROMPTS (1,000) stripped prompts of data/prompts in both option orders, by SmolLM2 (`make smollm2`): our whole path
(texts sorted, cache blocks of 32 tokens on a CPU, saved) to bare `LLM.generate` on the same token ids in the order of
the prompts, in an engine with vLLM's own defaults. One run, an engine after the other, the best of three turns of each.
"""

import sys
import tempfile
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.filter import TURNS, Timed, best, save_all, timed
from syco_data import engines, schemas, settings, tables
from syco_data.engines import models, scoring, smollm2, vllm
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Request
from syco_data.filter import questions
from syco_data.prompts import transcripts
from syco_data.settings import Engines, Model

PROMPTS = Path("data/prompts/prompts.parquet")
AIM = 1.7


def main(count: str = "1000", dtype: str = "float32") -> None:
    if not smollm2.FOLDER.is_dir():
        print(f"there is no {smollm2.FOLDER}: make smollm2")
        return
    configuration = settings.load()
    record = Model(source=str(smollm2.FOLDER), revision=None, prompt_style="chat", dtype=dtype)
    model = models.resolve("smollm2", record, Path(), configuration.hub)
    with tempfile.TemporaryDirectory() as store:
        engine = configuration.engines.model_copy(update={"engine": "vllm", "store": store})
        requests = _requests(int(count))
        ours, share, prompts, params = _ours(model, engine, requests)
    bare, bare_share = _bare(model, engine, prompts, params)
    _print(sum(len(prompt["prompt_token_ids"]) for prompt in prompts), ours, share, bare, bare_share)


def _requests(count: int) -> list[Request]:
    df = tables.read(PROMPTS, schemas.PROMPTS, ["prompt_id", "stripped_prompt"]).sort("prompt_id").head(count)
    text = pl.col("stripped_prompt")
    both = df.select(text, swapped=transcripts.swap_options(text))
    return [Request(one, questions.LETTERS) for pair in both.iter_rows() for one in pair]


def _ours(model: ResolvedModel, engine_settings: Engines, requests: list[Request]) -> tuple[Timed, float, list, list]:
    turns = []
    with engines.open(model, engine_settings) as engine:
        queries = [query for plan in engine.plan(requests) for query in plan.queries]
        for turn in range(TURNS):
            engine.counter = engines.Counter()
            with tempfile.TemporaryDirectory() as store:
                todo = scoring.pending(requests, model, engine_settings.model_copy(update={"store": store}))
                turns.append(timed(lambda todo=todo: save_all(todo, engine)))
            print(f"turn {turn}: ours {turns[-1].seconds:.1f} s", file=sys.stderr)
        share = engine.counter.share_cached
    prompts = [{"prompt_token_ids": list(query.ids)} for query in queries]
    return best(turns), share, prompts, [vllm.sampling(query.candidates) for query in queries]


def _bare(model: ResolvedModel, engines: Engines, prompts: list, params: list) -> tuple[Timed, float]:
    """vLLM's defaults but for what keeps the memory as ours and the engine in this process."""
    from vllm import LLM

    vllm.arguments(engines)  # sets the environment
    llm = LLM(model=str(model.folder), dtype=model.dtype, max_model_len=engines.max_length)
    turns, share = [], 0.0
    for turn in range(TURNS):
        llm.reset_prefix_cache()
        outputs = []
        turns.append(timed(lambda out=outputs: out.extend(llm.generate(prompts, params, use_tqdm=False))))
        print(f"turn {turn}: bare {turns[-1].seconds:.1f} s", file=sys.stderr)
        share = sum(one.num_cached_tokens or 0 for one in outputs) / sum(len(one.prompt_token_ids) for one in outputs)
    llm.llm_engine.engine_core.shutdown()
    return best(turns), share


def _print(tokens: int, ours: Timed, share: float, bare: Timed, bare_share: float) -> None:
    table = Table(title=f"SmolLM2, {tokens:,} tokens of prompts in both orders, one run")
    for heading in ("", "tokens/s", "CPU s", "from the cache", "ratio", "aim"):
        table.add_column(heading, justify="left" if not heading else "right")
    ratio = f"{bare.seconds / ours.seconds:.2f} (processor time: {bare.processor / ours.processor:.2f})"
    for name, run, cached, more in (
        ("ours", ours, share, (ratio, f">= {AIM}")),
        ("bare LLM.generate, vLLM's defaults", bare, bare_share, ("", "")),
    ):
        table.add_row(name, f"{tokens / run.seconds:,.0f}", f"{run.processor:.1f}", f"{cached:.0%}", *more)
    Console().print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
