"""The card of a tuned model: what it was tuned from, on which release of the data, how, and what came out.

`tuning.json` in the model's folder is the record of a run; the card is rendered from it, first by stage finetune
and again by `push`, which knows the release and the figures of the evaluation.
"""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import yaml

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents

RECORD, CARD = "tuning.json", "README.md"
_LARGEST = 1 << 20  # bytes of a record
_TEMPLATE = resources.files("syco_data") / "data/cards/model.md.jinja"


@dataclass(frozen=True)
class TuningRecord:
    """One run. `source` is a Hub id, `reference`, or `local` for a folder of the user's; `prompts` is the digest of
    the training set's prompt ids."""

    model: str
    source: str
    revision: str | None
    commit: str
    arm: str
    condition: dict[str, Any]
    settings: dict[str, Any]
    prompts: str
    metrics: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class DataRelease:
    """The release that a training set stands in; `repository` is None where it was not published."""

    repository: str | None
    version: str
    config: str
    manifest: str


def prompts_digest(prompt_ids: pl.Series) -> str:
    """128 bits over a set of prompt ids, which come from content: the same set, the same texts and answers."""
    return blake2b("\n".join(sorted(prompt_ids)).encode(), digest_size=16).hexdigest()


def write(record: TuningRecord, folder: Path) -> None:
    """The record and the card that can be written without a release."""
    files.write_json(folder / RECORD, asdict(record), indent=2)
    files.write(folder / CARD, render(record, None, None))


def read(folder: Path) -> TuningRecord:
    """Raises `SycoError` where the folder holds no finished tuned model."""
    try:
        return TuningRecord(**documents.read_json(folder / RECORD, _LARGEST))
    except (OSError, SycoError, TypeError) as error:
        raise SycoError(f"{folder} holds no finished tuned model (no sound {RECORD})", "dvc repro finetune") from error


def render(record: TuningRecord, data: DataRelease | None, results: pl.DataFrame | None) -> str:
    """The text of README.md. `results` has the columns of `schemas.METRICS`, of this model and arm."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701
    )
    template = environment.from_string(_TEMPLATE.read_text("utf-8"))
    rows = [] if results is None else results.sort("probe", "metric", "slice").to_dicts()
    head = yaml.safe_dump(_head(record, data), sort_keys=True, allow_unicode=True)
    return template.render(head=head, record=record, data=data, results=rows, settings=_flat(record.settings))


def _head(record: TuningRecord, data: DataRelease | None) -> dict[str, Any]:
    """What the Hub reads: the licence follows base model and sources, so it is `other`."""
    head: dict[str, Any] = {
        "library_name": "peft" if _is_adapter(record) else "transformers",
        "license": "other",
        "license_name": "see-base-model-and-data",
        "pipeline_tag": "text-generation",
        "tags": ["sycophancy", "sft", "trl"],
    }
    if "/" in record.source:
        head["base_model"] = record.source
    if data is not None and data.repository is not None:
        head["datasets"] = [data.repository]
    return head


def _is_adapter(record: TuningRecord) -> bool:
    return record.settings["method"] == "lora" and record.settings["lora"]["save"] == "adapter"


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted name, value), in the order of the names."""
    flat = []
    for key, value in sorted(values.items()):
        flat += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return flat
