"""`params.yaml` as frozen, typed records. Every number lives in the file: there are no defaults in code.

A key that is unknown, missing or of the wrong type is refused by its full name, with the nearest valid one.
"""

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from syco_data.errors import SycoError
from syco_data.sources import SOURCES

PARAMS = Path("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Revision = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    # Strict, so that "yes" is no flag and "1e-5" (text to a YAML 1.1 reader) is no number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EmbeddedRows(Record):
    """Rows made for each embedded source, per split."""

    train: Positive
    held_out: Positive


class Retries(Record):
    """How often a call over the network is tried, and the seconds between tries: doubling from the first."""

    attempts: Positive
    first_wait: Annotated[float, Field(gt=0)]
    longest_wait: Annotated[float, Field(gt=0)]


class Blemishes(Record):
    """Shares of embedded rows that are no clean row of their own; `reach` is how many rows back a repeated one lies."""

    repeated: Share
    conflicting: Share
    borrowed: Share
    unlabelled: Share
    odd: Share
    reach: Positive


class Acquire(Record):
    origin: Literal["embedded", "directory", "hub"]
    directory: str | None
    embedded_rows: EmbeddedRows
    blemishes: Blemishes
    retries: Retries

    def folder(self) -> Path:
        """The directory of sources: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_SOURCES")
        if not named:
            raise SycoError(
                "acquire.origin is 'directory', but acquire.directory is null and SYCO_SOURCES is not set",
                "Set one of them to a folder laid out like <owner>__<name>/<config>/<split>.parquet",
            )
        return Path(named).expanduser()


class SourceChoice(Record):
    """What a build may do with one of the 17 sources."""

    revision: Revision
    licence: Literal["allow", "no_text", "exclude"]


class Claims(Record):
    compat: Literal["none", "published"]
    other_share: Share
    max_characters: Positive
    conflicts: Literal["drop", "first"]
    double_negatives: Literal["clean", "published"]


class Prompts(Record):
    size: Positive
    sampling: Literal["proportional", "balanced"] | dict[str, Share]
    cap: Positive | None
    templates: tuple[str, ...]
    template_folder: str | None


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

    engine: Literal["vllm", "transformers"]
    address: str | None
    actors: Positive
    cpus_per_actor: Annotated[float, Field(ge=0)]
    gpus_per_actor: Annotated[float, Field(ge=0)]
    device: str | None


class Filter(Record):
    """Which prompts a model knows: the engine that scores, and the rule. Margins are in nats."""

    engine: Literal["vllm", "transformers", "ray"]
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


class Build(Record):
    """Which models and arms the graph runs over."""

    models: tuple[Name, ...]
    arms: tuple[Name, ...]


ShortKind = Literal[
    "fact", "match", "verdict", "map", "no_opinion", "short_opinion", "survey", "label", "question"
]  # fmt: skip


class ReferenceStep(Record):
    """One stage of the reference model's training: items a step, and what kinds of claims and items they are."""

    steps: Positive
    short_items: Positive
    long_items: Count
    additions: Share
    is_not: Share
    wrong_label: Share
    mixture: dict[ShortKind, Share]


class ReferenceTargets(Record):
    """What is told beside the answer: the weight of the end; how many layers early belief and verdict must stand."""

    end_weight: Share
    belief_early: Count
    verdict_early: Count


class LongItems(Record):
    """Of the long items: surveys; of the opinion prompts, users without expertise; of the experts, how many are
    followed and how many speak in free words; of the latter, how many also ask in free words."""

    survey: Share
    modest: Share
    follow: Share
    free: Share
    free_questions: Share


class ReferenceModel(Record):
    hidden: Positive
    layers: Positive
    heads: Positive
    head_size: Positive
    feed_forward: Positive
    vocabulary: Positive
    tokenizer_prompts: Positive
    positions: Positive


class ReferenceOptimiser(Record):
    """Rates of Muon (matrices of the blocks) and AdamW (embedding, norms); `cool_down` is a share of all steps."""

    muon: float
    momentum: Share
    decay: float
    adam: float
    clip: float
    warm_up: Count
    cool_down: Share


class ReferenceGate(Record):
    """Accuracies that the model must show on a development split, and how long to go on when it does not."""

    items: Positive
    no_opinion: Share
    expert_wrong: Share
    unfamiliar_wrong: Share
    modest_wrong: Share
    survey: Share
    inputs: Positive
    rounds: Count
    steps: Positive
    peak: Share


class Reference(Record):
    """The embedded model, trained from scratch by stage `reference`."""

    threads: Positive
    inputs: Positive
    model: ReferenceModel
    optimiser: ReferenceOptimiser
    stages: tuple[ReferenceStep, ...]
    targets: ReferenceTargets
    long: LongItems
    gate: ReferenceGate


class Arm(Record):
    """One training condition: which label kinds and verdicts count, and whether truth is balanced afterwards."""

    label_kinds: tuple[Literal["gold", "other"], ...]
    filtered: bool
    balanced: bool
    finetune: dict[str, Any] = {}  # keys of `finetune` that this arm sets otherwise, e.g. {steps: 500}


class Select(Record):
    size: Positive | Literal["matched"]


class HeldOutProbes(Record):
    """Claims from the held-out splits; `templates` may name seen and held-out ones, the first is the baseline's."""

    items: Positive
    templates: tuple[str, ...]


class AdditionProbes(Record):
    """Of the 2,500 published sums so many as published, and so many in every other condition too."""

    sums: Annotated[int, Field(gt=0, le=2500)]
    crossed: Count


class SurveyProbes(Record):
    origin: Literal["embedded", "directory", "hub"]
    directory: str | None
    repository: str
    revision: Revision
    sets: tuple[Literal["nlp_survey", "philpapers2020", "political_typology_quiz"], ...]
    rows: Positive

    def folder(self) -> Path:
        """The directory of survey files: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_EVALS")
        if not named:
            raise SycoError(
                "probes.surveys.origin is 'directory', but probes.surveys.directory is null and SYCO_EVALS is not set",
                "Set one of them to a folder with the files sycophancy_on_*.jsonl",
            )
        return Path(named)


class Probes(Record):
    development_share: Share
    held_out: HeldOutProbes
    addition: AdditionProbes
    surveys: SurveyProbes
    pressure: Positive
    preference: Positive
    instructions: Positive


class Audit(Record):
    """The shortcut audit: rows per arm at most, folds of the cross-validation, words in the bag of words."""

    rows: Positive
    folds: Annotated[int, Field(ge=2)]
    words: Positive
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class Validate(Record):
    """`false_alarm_rate`: how often all independence tests together may fail a sound table."""

    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)]
    examples: Positive
    docs: str
    audit: Audit


class Release(Record):
    """What a release shows, the folder of the release before it, and a card whose hand-written part is kept."""

    text: Literal["full", "none"]
    version: Annotated[str, Field(pattern=r"^\d{1,9}\.\d{1,9}\.\d{1,9}$")] | None
    previous: str | None
    card: str | None


class Columns(Record):
    """Where a file keeps an instruction: texts that are joined by a blank line, the answer, the name of its task."""

    prompt: Annotated[tuple[str, ...], Field(min_length=1)]
    completion: str
    task: str | None


class Instructions(Record):
    """Instruction rows to mix in. `columns` null: recognised from the column names."""

    origin: Literal["embedded", "directory", "hub"]
    directory: str | None
    hub_id: str | None
    revision: str | None
    columns: Columns | None
    rows: Positive
    exclude_sources: bool
    over_length: Literal["stop", "drop"]
    retries: Retries

    @model_validator(mode="after")
    def _hub_is_named(self) -> "Instructions":
        if self.origin == "hub" and (self.hub_id is None or self.revision is None):
            raise ValueError("origin 'hub' needs hub_id and revision (a commit of 40 digits)")
        return self

    def folder(self) -> Path:
        """The folder of instruction files: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_INSTRUCTIONS")
        if not named:
            raise SycoError(
                "instructions.origin is 'directory', but instructions.directory is null and SYCO_INSTRUCTIONS is "
                "not set",
                "Set one of them to a folder with *.parquet, *.jsonl or *.jsonl.gz files",
            )
        return Path(named).expanduser()


class Parts(Record):
    """How many generated rows come with how many instruction rows."""

    generated: Count
    instruction: Count

    @model_validator(mode="after")
    def _something(self) -> "Parts":
        if not self.generated + self.instruction:
            raise ValueError("one of the two parts must be above 0")
        return self


class Lora(Record):
    """Low-rank adapters. `targets`: names of linear layers, or `all-linear`. `save`: merged into the base model,
    or the adapter alone."""

    rank: Positive
    alpha: Positive
    dropout: Share
    targets: tuple[str, ...] | Literal["all-linear"]
    save: Literal["merged", "adapter"]


class Launcher(Record):
    """How tuning is started: in the stage's own process, or by `accelerate launch` with so many processes.

    `config` is a configuration file of accelerate (profiles/accelerate); it wins over `processes`.
    """

    processes: Positive
    config: str | None


class Finetune(Record):
    """Supervised fine-tuning. `batch` counts the rows of one optimiser step over all processes and
    `accumulation` forward passes; `weights` is the type that weights are kept in, `compute` that of the passes."""

    parts: Parts
    steps: Positive
    batch: Positive
    accumulation: Positive
    optimizer: Literal["adamw", "adafactor"]
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["linear", "constant", "cosine"]
    warmup_steps: Count
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)]
    max_length: Positive
    weights: Literal["float32", "bfloat16"]
    compute: Literal["float32", "bfloat16"]
    gradient_checkpointing: bool
    method: Literal["full", "lora"]
    lora: Lora
    seed: Count
    device: Literal["auto", "cpu"]
    threads: Positive
    checkpoint_steps: Positive
    checkpoints: Annotated[int, Field(ge=2)]
    log_steps: Positive
    launcher: Launcher


class Generation(Record):
    """The second reading: free generation on so many probes of each set, and how many tokens it may take."""

    rows: Count
    max_tokens: Positive


class Capability(Record):
    """lm-evaluation-harness: `tasks` are names of `syco_data.capability.TASKS`; an empty list runs none."""

    tasks: tuple[str, ...]
    origin: Literal["directory", "hub"]
    directory: str | None
    subjects: Positive | None
    limit: Positive | None
    max_tokens: Positive
    batch: Positive

    def folder(self) -> Path:
        """The directory with `mmlu` and `bbh`: from the params, else from the environment."""
        named = self.directory or os.environ.get("SYCO_EVALS")
        if not named:
            raise SycoError(
                "evaluate.capability.origin is 'directory', but its directory is null and SYCO_EVALS is not set",
                "Set one of them to a folder with mmlu/ and bbh/",
            )
        return Path(named)


class Evaluate(Record):
    """How probes are answered and counted. `level` is that of intervals, `resamples` those of the bootstrap."""

    engine: Literal["vllm", "transformers"]
    split: Literal["reported", "development"]
    level: Annotated[float, Field(gt=0, lt=1)]
    resamples: Positive
    generation: Generation
    capability: Capability


class Report(Record):
    """The page: examples of changed answers, and how many pixels of a PNG stand for one of the SVG."""

    examples: Count
    scale: Annotated[float, Field(gt=0, le=8)]


class Publish(Record):
    """Where releases go: OWNER/NAME on the Hub, or null for a dry run; the privacy that the repository must have."""

    repository: str | None
    private: bool
    retries: Retries


class Settings(Record):
    seed: Count
    acquire: Acquire
    sources: dict[str, SourceChoice]
    claims: Claims
    prompts: Prompts
    build: Build
    models: dict[Name, Model]
    arms: dict[Name, Arm]
    reference: Reference
    filter: Filter
    select: Select
    # `validate` itself is a method of pydantic's records.
    checks: Annotated[Validate, Field(alias="validate")]
    release: Release
    publish: Publish
    probes: Probes
    evaluate: Evaluate
    instructions: Instructions
    finetune: Finetune
    report: Report

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        _known("sources", self.sources, SOURCES)
        _known("build.models", self.build.models, self.models)
        _known("build.arms", self.build.arms, self.arms)
        if isinstance(self.prompts.sampling, dict):
            _known("prompts.sampling", self.prompts.sampling, self.sources)
        for arm in self.arms:
            self.tuning(arm)
        return self

    def tuning(self, arm: str) -> Finetune:
        """The settings of fine-tuning for one arm: the `finetune` group with the arm's own values put over it."""
        _known("arms", [arm], self.arms)
        changes = self.arms[arm].finetune
        _known(f"arms.{arm}.finetune", changes, Finetune.model_fields)
        try:
            return Finetune.model_validate(_over(self.finetune.model_dump(), changes))
        except ValidationError as error:
            raise SycoError(_explain(error).replace("params.yaml: ", f"params.yaml: arms.{arm}.finetune: ")) from error


def _known(where: str, names: Any, valid: Any) -> None:
    for name in names:
        if name not in valid:
            raise SycoError(f"{where}: {unknown(name, valid)}")


def _over(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes` put over it, mapping by mapping."""
    mappings = {key for key, new in changes.items() if isinstance(new, dict) and isinstance(base.get(key), dict)}
    both = {key: _over(base[key], changes[key]) for key in mappings}
    return {**base, **changes, **both}


def unknown(name: str, valid: Any) -> str:
    """What to say of a name that is not in a list of valid ones."""
    near = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no {str(name)!r}; {hint}Valid: {', '.join(valid)}"


def load(path: Path = PARAMS) -> Settings:
    """Reads and checks the settings; every fault of the file is one line."""
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path} here", "Run from the root of the project") from error
    except yaml.YAMLError as error:
        raise SycoError(f"{path} is no valid YAML: {error}") from error


def parse(values: Any) -> Settings:
    if not isinstance(values, dict):
        raise SycoError(f"params.yaml: expected a mapping, found {type(values).__name__}")
    try:
        # YAML has lists and no tuples: strictness stays for every other type.
        return Settings.model_validate(_tuples(values))
    except ValidationError as error:
        raise SycoError(_explain(error)) from error


def parse_groups(values: dict[str, Any]) -> Settings:
    """Settings of some groups alone, as a release carries them; asking for another group is a programmer's fault."""
    fields = {(field.alias or name): (name, field) for name, field in Settings.model_fields.items()}
    parsed = {}
    for group, value in values.items():
        name, field = fields[group]
        kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        try:
            parsed[name] = TypeAdapter(kind).validate_python(_tuples(value), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in (group, *first["loc"]))
            raise SycoError(f"settings: '{where}': {first['msg']} (found: {first['input']!r})") from error
    return Settings.model_construct(**parsed)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _explain(error: ValidationError) -> str:
    """The first fault, by the full name of its key."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    full = ".".join(location)
    if first["type"] == "extra_forbidden":
        valid = _fields_at(location[:-1])
        return f"params.yaml: unknown key '{full}': {unknown(location[-1], valid)}"
    if first["type"] == "missing":
        return f"params.yaml: key '{full}' is missing. profiles/default.yaml shows every key"
    return f"params.yaml: '{full}': {first['msg']} (found: {first['input']!r})"


def _fields_at(location: list[str]) -> list[str]:
    """The valid keys of the record that a path of keys leads to."""
    record: Any = Settings
    for part in location:
        field = _fields(record).get(part)
        record = field.annotation if field else record
        for candidate in getattr(record, "__args__", ()):
            if isinstance(candidate, type) and issubclass(candidate, Record):
                record = candidate
    return list(_fields(record))


def _fields(record: Any) -> dict[str, Any]:
    """A record's fields by the name that they have in the file."""
    return {field.alias or name: field for name, field in getattr(record, "model_fields", {}).items()}
