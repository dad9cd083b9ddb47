"""Label names as upstream states them, and whether they are the ones a source's record expects, id by id.

Upstream states them in the `huggingface` metadata of a Parquet schema (a `ClassLabel` feature) or in the
`dataset_info:` of a dataset card. Labels are compared by name, never by number alone: a re-ordering upstream
must stop the build.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.sources import Source

LARGEST_CARD = 2 << 20  # bytes
MOST_NAMES, LONGEST_NAME = 200, 200  # what is kept of a statement; no source has as many labels
_HEAD = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ID = re.compile(r"[0-9]{1,9}")


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
        features = documents.parse_json((schema.metadata or {})[b"huggingface"], where)["info"]["features"]
        feature = features[column]
        return _statement(where, feature["names"]) if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, SycoError):
        return None


def of_card(card: Path, source: Source) -> Statement | None:
    """What the `dataset_info:` of a dataset card says of the source's config; None where it names no labels.

    Raises `SycoError` for a card that is not a file of a readable size.
    """
    infos = _infos(card)
    for info in infos:
        if info.get("config_name", source.config) != source.config and len(infos) > 1:
            continue
        features = info.get("features")
        for feature in features if isinstance(features, list) else ():
            if isinstance(feature, dict) and feature.get("name") == source.label_column:
                return _of_feature(card.name, feature)
    return None


def _infos(card: Path) -> list[dict[str, Any]]:
    """The `dataset_info` entries of a card: a mapping, or a list of them. None where its head is not valid YAML."""
    try:
        content = files.read(card, LARGEST_CARD)
    except FileNotFoundError as error:
        raise SycoError(f"{card} is a link to a file that is not there", "Fetch the source again") from error
    text = content.decode(errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")
    front = _HEAD.match(text)
    try:
        values = documents.parse_yaml(front[1], card.name) if front else None
    except SycoError:
        return []
    info = values.get("dataset_info") if isinstance(values, dict) else None
    return [entry for entry in (info if isinstance(info, list) else [info]) if isinstance(entry, dict)]


def _of_feature(where: str, feature: dict[str, Any]) -> Statement | None:
    """`dtype: {class_label: {names: {'0': negative, ...}}}`, the names as a mapping by id or as a list."""
    kind = feature.get("dtype")
    label = kind.get("class_label") if isinstance(kind, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        ids = sorted(names, key=lambda key: int(key) if _ID.fullmatch(str(key)) else -1)
        in_order = [str(key) for key in ids] == [str(number) for number in range(len(ids))]
        names = [names[key] if in_order else f"{key}={names[key]}" for key in (ids if in_order else names)]
    return _statement(where, names)


def _statement(where: str, names: Any) -> Statement | None:
    if not isinstance(names, list):
        return None
    return Statement(where, tuple(str(name)[:LONGEST_NAME] for name in names[:MOST_NAMES]))
