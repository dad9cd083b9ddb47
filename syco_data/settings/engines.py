"""The engines that ask models."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from syco_data.settings.names import unknown
from syco_data.settings.records import Batch, GiB, Items, PathText, Portion, Processes, Record, Share, Text, Tokens

# A module of `engines` is an engine when it has an engine's functions: see `engines.modules`.
_SIGN = "\ndef sorts_by_prefix("
_MODULES = (Path(__file__).parents[1] / "engines").glob("*.py")
ENGINES = tuple(sorted((path.stem for path in _MODULES if _SIGN in path.read_text(encoding="utf-8")), reverse=True))
"""Every engine there is: an engine is one file of `syco_data/engines`."""


def _is_engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(unknown(name, ENGINES))
    return name


def _is_no_ray(name: str) -> str:
    if name == "ray":
        raise ValueError("an actor of Ray cannot hold Ray")
    return name


Engine = Annotated[str, Field(max_length=64), AfterValidator(_is_engine)]


class TransformersEngine(Record):
    """`batch_tokens`: padded tokens per forward pass."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    batch_tokens: Tokens


class VllmEngine(Record):
    """How vLLM is started. `cpu_cache_gib` counts on a CPU, `gpu_memory` (a share) on a GPU."""

    gpu_memory: Share
    cpu_cache_gib: GiB
    tensor_parallel: Processes
    eager: bool
    prefix_caching: bool
    max_sequences: Batch
    max_batched_tokens: Tokens


class RayEngine(Record):
    """Replicas of another engine; `address` null starts Ray on this machine alone."""

    engine: Annotated[Engine, AfterValidator(_is_no_ray)]
    address: Text | None
    actors: Processes
    cpus_per_actor: Portion
    gpus_per_actor: Portion
    device: Text | None


class Engines(Record):
    """How models are asked: by stages filter, baseline and evaluate alike."""

    engine: Engine
    scoring: Literal["auto", "whole"]
    max_length: Tokens
    batch: Items
    store: PathText
    transformers: TransformersEngine
    vllm: VllmEngine
    ray: RayEngine
