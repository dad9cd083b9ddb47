"""Models and the engines that ask them what they know."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from syco_data.settings.names import unknown
from syco_data.settings.records import (
    Batch,
    GiB,
    Items,
    Nats,
    PathText,
    Portion,
    Processes,
    Record,
    Revision,
    Share,
    Text,
    Tokens,
    local_path,
)

# A module of `engines` is an engine when it has an engine's functions: see `engines.modules`.
_SIGN = "\ndef sorts_by_prefix("
_MODULES = (Path(__file__).parents[1] / "engines").glob("*.py")
ENGINES = tuple(sorted((path.stem for path in _MODULES if _SIGN in path.read_text(encoding="utf-8")), reverse=True))
"""Every engine there is: an engine is one file of `syco_data/engines`."""
REFERENCE = Path("data/reference")
"""Where stage `reference` leaves its model, which the source `reference` names."""


def _is_engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(unknown(name, ENGINES))
    return name


def _is_no_ray(name: str) -> str:
    if name == "ray":
        raise ValueError("an actor of Ray cannot hold Ray")
    return name


Engine = Annotated[str, Field(max_length=64), AfterValidator(_is_engine)]


class Model(Record):
    """A model to build a training set for: `reference` (what stage `reference` makes), a folder, or a Hub id."""

    source: PathText
    revision: Revision | None
    prompt_style: Literal["plain", "chat", "auto"]
    dtype: Literal["float32", "bfloat16", "float16", "auto"]

    @property
    def is_on_hub(self) -> bool:
        """Whether `source` is a Hub id: neither `reference` nor a folder that is here."""
        try:
            return self.source != "reference" and not local_path(self.source).is_dir()
        except (OSError, ValueError):  # a name of 5,000 characters
            return True


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


ASKS, CALIBRATIONS = ("letters", "words", "labels"), ("none", "order", "batch")


class Filter(Record):
    """Which prompts a model knows. Margins are in nats."""

    ask: Literal["letters", "words", "labels", "auto"]
    calibrate: Literal["none", "order", "batch", "auto"]
    rule: Literal["answered", "both_orders", "margin", "averaged"]
    margin: Nats
    purity: Annotated[float, Field(gt=0, lt=1)] | None
    unsure: Nats
    cell_rows: Items
    assess_rows: Items

    @property
    def both_orders(self) -> bool:
        """Whether each question is asked with its options exchanged too."""
        return self.ask != "labels" and (self.rule == "both_orders" or self.calibrate in ("order", "batch"))

    @property
    def ways(self) -> list["Filter"]:
        """The ways of asking that these settings leave open, the simplest first: one unless a key is `auto`."""
        asks = ASKS if self.ask == "auto" else (self.ask,)
        calibrations = CALIBRATIONS if self.calibrate == "auto" else (self.calibrate,)
        ways = [
            self.model_copy(update={"ask": ask, "calibrate": calibrate}) for ask in asks for calibrate in calibrations
        ]
        return [way for way in ways if way.contradiction is None]

    @property
    def contradiction(self) -> str | None:
        """Why these ways of asking and deciding do not go together; None where they do."""
        ask, calibrate, rule = self.ask, self.calibrate, self.rule
        if ask == "labels" and (calibrate == "order" or rule == "both_orders"):
            return "ask 'labels' shows no options that have an order: take calibrate 'batch' and rule 'averaged'"
        if rule == "averaged" and calibrate == "none":
            return "rule 'averaged' decides by a calibrated margin: set calibrate to order or batch"
        if rule in ("answered", "both_orders") and calibrate in ("order", "batch"):
            return (
                f"rule '{rule}' decides by the answers as they are: with calibrate '{calibrate}' take rule 'averaged'"
            )
        return None

    @model_validator(mode="after")
    def _goes_together(self) -> "Filter":
        if not self.ways:
            raise ValueError(self.contradiction or f"no way of asking goes with rule '{self.rule}'")
        if self.purity is not None and self.rule == "margin":
            raise ValueError("purity chooses the margin: with rule 'margin' it is filter.margin already")
        return self


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
