"""Label names as upstream states them, and whether they are the ones a source's record expects, id by id.

Upstream states them in the `huggingface` metadata of a Parquet schema (a `ClassLabel` feature) or in the
`dataset_info:` of a dataset card. Labels are compared by name, never by number alone: a re-ordering upstream
must stop the build.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from syco_data.sources import Source


@dataclass(frozen=True)
class Statement:
    """The names that one place (a file) gives to the ids 0, 1, ..."""

    where: str
    names: tuple[str, ...]

    def agrees_with(self, source: Source) -> bool:
        """The same number of labels, each by one of its accepted spellings."""
        return len(self.names) == len(source.labels) and all(
            name in label.upstream for name, label in zip(self.names, source.labels, strict=True)
        )


def expected(source: Source) -> str:
    """The names a record expects, in the order of ids; accepted spellings stand with a stroke between them."""
    return ", ".join("|".join(label.upstream) for label in source.labels)


def of_schema(where: str, schema: pa.Schema, column: str) -> Statement | None:
    """What the `huggingface` metadata of a Parquet schema says of a column; None where it names no labels."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):
        return None
    return Statement(where, tuple(map(str, names))) if isinstance(names, list) else None


def of_card(card: Path, source: Source) -> Statement | None:
    """What the `dataset_info:` of a dataset card says of the source's config; None where it names no labels."""
    for info in _infos(card):
        if info.get("config_name", source.config) != source.config and len(_infos(card)) > 1:
            continue
        for feature in info.get("features") or ():
            if isinstance(feature, dict) and feature.get("name") == source.label_column:
                return _of_feature(card.name, feature)
    return None


def _infos(card: Path) -> list[dict[str, Any]]:
    """The `dataset_info` entries of a card: one mapping, or a list with one per config."""
    front = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|$)", card.read_text(encoding="utf-8", errors="replace"), re.S)
    try:
        values = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return []
    info = values.get("dataset_info") if isinstance(values, dict) else None
    return [entry for entry in (info if isinstance(info, list) else [info]) if isinstance(entry, dict)]


def _of_feature(where: str, feature: dict[str, Any]) -> Statement | None:
    """`dtype: {class_label: {names: {'0': negative, ...}}}`, the names as a mapping by id or as a list."""
    kind = feature.get("dtype")
    label = kind.get("class_label") if isinstance(kind, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        ids = sorted(names, key=lambda key: int(key) if str(key).isdigit() else -1)
        if [str(key) for key in ids] != [str(number) for number in range(len(ids))]:
            return Statement(where, tuple(f"{key}={names[key]}" for key in names))
        names = [names[key] for key in ids]
    return Statement(where, tuple(map(str, names))) if isinstance(names, list) else None
