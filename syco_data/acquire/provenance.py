"""Where the rows of a raw table come from: one small record beside each table, with no clock and no path in it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents

_LARGEST = 1 << 20  # bytes


@dataclass(frozen=True)
class SplitCount:
    """Rows of one split; `unlabelled` of them carry label -1."""

    split: str
    rows: int
    unlabelled: int


@dataclass(frozen=True)
class Provenance:
    """The record of one source.

    `revision` is the commit that the rows belong to, null where the origin does not tell; `label_names` are
    upstream's, in the order of ids; `published_rows` is the published size of the training split, for
    comparison; `content_digest` is that of the raw table (`tables.ContentDigest`).
    """

    source: str
    origin: str
    hub_id: str
    config: str
    revision: str | None
    licence: str
    attribution: str
    label_names: tuple[str, ...]
    splits: tuple[SplitCount, ...]
    published_rows: int
    content_digest: str


def write(record: Provenance, target: Path) -> None:
    """Writes the record as JSON, whole or not at all."""
    files.write(target, json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n")


def read(path: Path) -> Provenance:
    """Reads a record; raises `SycoError` where it is missing or is none."""
    try:
        values = documents.read_json(path, _LARGEST)
        splits = tuple(SplitCount(**split) for split in values.pop("splits"))
        return Provenance(**values | {"splits": splits, "label_names": tuple(values["label_names"])})
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path}", "Build it: dvc repro") from error
    except (SycoError, KeyError, TypeError, AttributeError) as error:
        raise SycoError(f"{path} is not a provenance record: {error}", "Build it again: dvc repro") from error
