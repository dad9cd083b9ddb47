"""Models and the engines that ask them what they know."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from syco_data.settings.names import unknown
from syco_data.settings.records import Positive, Record, Share

HELPERS = {"__init__", "tokenizer"}
ENGINES = tuple(
    sorted({path.stem for path in (Path(__file__).parents[1] / "engines").glob("*.py")} - HELPERS, reverse=True)
)
"""Every engine there is: the files of `syco_data/engines`."""


def _is_engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(unknown(name, ENGINES))
    return name


def _is_no_ray(name: str) -> str:
    if name == "ray":
        raise ValueError("an actor of Ray cannot hold Ray")
    return name


Engine = Annotated[str, AfterValidator(_is_engine)]


class Model(Record):
    """A model to build a training set for: `embedded`, a local folder, or a Hub id with a revision."""

    source: str
    revision: str | None
    prompt_style: Literal["plain", "chat", "auto"]
    dtype: Literal["float32", "bfloat16", "float16", "auto"]


class TransformersEngine(Record):
    """`batch_tokens`: padded tokens per forward pass."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    batch_tokens: Positive


class VllmEngine(Record):
    """How vLLM is started. `cpu_cache_gib` counts on a CPU, `gpu_memory` (a share) on a GPU."""

    gpu_memory: Share
    cpu_cache_gib: Positive
    tensor_parallel: Positive
    eager: bool
    prefix_caching: bool
    max_sequences: Positive
    max_batched_tokens: Positive


class RayEngine(Record):
    """Replicas of another engine; `address` null starts Ray on this machine alone."""

    engine: Annotated[Engine, AfterValidator(_is_no_ray)]
    address: str | None
    actors: Positive
    cpus_per_actor: Annotated[float, Field(ge=0)]
    gpus_per_actor: Annotated[float, Field(ge=0)]
    device: str | None


class Filter(Record):
    """Which prompts a model knows: the engine that scores, and the rule. Margins are in nats."""

    engine: Engine
    rule: Literal["answered", "both_orders", "margin"]
    margin: Annotated[float, Field(ge=0)]
    unsure: Annotated[float, Field(ge=0)]
    path: Literal["auto", "whole"]
    max_length: Positive
    batch: Positive
    store: str
    transformers: TransformersEngine
    vllm: VllmEngine
    ray: RayEngine
