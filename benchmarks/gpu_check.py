"""The reference model on a GPU against its CPU verdicts: agreement and rates (`make gpu-check`).

    python -m benchmarks gpu_check

Scores the stripped prompts of data/prompts by the transformers engine on the CPU, then on CUDA, and by vLLM on
CUDA where it is installed. Then tunes a model of about 100 million parameters on the training set of arm `balanced`
and prints steps a second and memory. Exits with 2 where there is no GPU, with 1 where the engines disagree.
"""

import gc
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import gpu_tuning
from syco_data import engines, schemas, settings, tables
from syco_data.build import Tables
from syco_data.engines import models
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import OptionScores, Request
from syco_data.errors import CheckFailed, SycoError
from syco_data.filter import questions
from syco_data.finetune import instructions
from syco_data.settings import REFERENCE, Engines

DATA, NAME = Path("data"), "reference"
TRAIN = Path("data/train/reference/balanced/train.parquet")
CLEAR, CLOSE = 0.01, 0.001  # nats: margins that must agree in sign; largest difference of log-probabilities


@dataclass(frozen=True)
class Measured:
    """Log-probabilities, shape (requests, options), and requests a second after a warm-up."""

    name: str
    logprobs: np.ndarray
    rate: float


def main() -> None:
    try:
        _check()
    except SycoError as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, CheckFailed) else 2)


def _check() -> None:
    import torch

    if not torch.cuda.is_available():
        raise SycoError("no CUDA GPU here, or a CPU build of torch: nothing was checked", "VARIANT=cuda make setup")
    params = settings.load()
    model = models.open(NAME, params)
    prompts = questions.of_build(Tables.below(DATA, (), (), ()))
    requests = questions.requests(questions.build(prompts, params.filter, model.style))
    expected = _measured("transformers on cpu", model, _on(params.engines, "transformers", "cpu"), requests)
    result = [_measured("transformers on cuda", model, _on(params.engines, "transformers", "cuda"), requests)]
    if engines.module("vllm").identity(params.engines).device != "cpu":
        result.append(_measured("vllm on cuda", model, _on(params.engines, "vllm", "cuda"), requests))
    agree = [_compared(expected, one) for one in result]
    _tune(params)
    if not all(agree):
        raise CheckFailed("the GPU's verdicts are not the CPU's")


def _tune(params: settings.Settings) -> None:
    import torch

    train = tables.read(TRAIN, schemas.TRAIN)
    pool = instructions.load(params.instructions, params.seed, params.hub)
    # The peak that is printed is that of tuning, not of the engines before it.
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    tuned, tokens = gpu_tuning.tune(params, REFERENCE, train, pool, gpu_tuning.Size())
    size = tuned.metrics.parameters / 1e6
    print(f"tuning {size:.0f} million parameters, {tokens:,} tokens a step: {tuned.cost.line()}")


def _on(engines: Engines, engine: str, device: str) -> Engines:
    changed = engines.transformers.model_copy(update={"device": device})
    return engines.model_copy(update={"engine": engine, "transformers": changed})


def _measured(name: str, model: ResolvedModel, engine_settings: Engines, requests: list[Request]) -> Measured:
    with engines.open(model, engine_settings) as engine:
        engine.score(requests[:64])
        started = time.perf_counter()
        scored: list[OptionScores] = engine.score(requests)
        seconds = time.perf_counter() - started
    print(f"{name:<22} {len(requests) / seconds:10,.0f} prompts/s")
    rows = [score.logprobs or (np.nan,) * len(questions.LETTERS) for score in scored]
    return Measured(name, np.array(rows), len(requests) / seconds)


def _compared(expected: Measured, measured: Measured) -> bool:
    """Same choice wherever the margin is clear, and log-probabilities close together."""
    margins = [logprobs[:, 0] - logprobs[:, 1] for logprobs in (expected.logprobs, measured.logprobs)]
    clear = np.abs(margins[0]) > CLEAR
    same = np.sign(margins[0][clear]) == np.sign(margins[1][clear])
    largest = float(np.nanmax(np.abs(expected.logprobs - measured.logprobs)))
    print(
        f"{measured.name:<22} same choice {same.mean():.4%} of {clear.sum():,} with |margin| > {CLEAR}; "
        f"largest difference {largest:.2g} nats; {measured.rate / expected.rate:.1f} times the CPU's rate"
    )
    return bool(same.all()) and largest <= CLOSE


if __name__ == "__main__":
    main()
