"""The card of a release: a YAML head that the Hub and `datasets` read, and a text made of the build's numbers.

What stands between the two fences is written by hand and survives: it is taken over from an existing card.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
import yaml

from syco_data import files
from syco_data.errors import SycoError
from syco_data.filter.purity import Purity
from syco_data.formats import documents
from syco_data.release import licences, tables
from syco_data.release.manifest import File
from syco_data.schemas import Schema

BEGIN = "<!-- hand-written: begin (what stands between these two lines is kept in later versions) -->"
END = "<!-- hand-written: end -->"
TEXT_BEGIN, TEXT_END = "<!-- texts: begin -->", "<!-- texts: end -->"
TITLE = "Judge the claim, not the user"
NOTHING_WRITTEN = "Notes by hand go here."
LARGEST = 2 << 20  # bytes of a card
LARGEST_HEAD = documents.LARGEST  # characters of its head: some 800 configs
CONFIG_KEYS = {"config_name", "data_files", "default"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class SourceCount:
    """Candidates of a source and how many of them each training set kept."""

    source: str
    candidates: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class KeepRate:
    model: str
    source: str
    asked: int
    known: int
    purity: Purity | None


@dataclass(frozen=True)
class AuditLine:
    """One feature of one training set; accuracies and bounds as shares of 1."""

    config: str
    feature: str
    accuracy: float
    low: float
    high: float
    finding: str


@dataclass(frozen=True)
class Fact:
    what: str
    value: str


@dataclass(frozen=True)
class Facts:
    """Everything that a card says; every number comes from the build."""

    version: str
    change: str
    previous: str | None
    changes: tuple[str, ...]
    files: tuple[File, ...]
    grants: licences.Grants
    sources: tuple[SourceCount, ...]
    keep_rates: tuple[KeepRate, ...]
    guessing: str
    audit: tuple[AuditLine, ...]
    leaks: dict[str, tuple[str, ...]]
    folds: int
    confidence: float
    built: tuple[Fact, ...]
    surveys: str | None
    default: str
    controls: tuple[str, ...] = ()
    hand_written: str = field(default=NOTHING_WRITTEN)


def render(facts: Facts) -> str:
    """The whole card. Raises `SycoError` where the Hub's own reader would not take its head."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701
    template = environment.from_string(
        (resources.files("syco_data") / "data" / "cards" / "README.md.jinja").read_text(encoding="utf-8")
    )
    body = template.render(
        **{name: getattr(facts, name) for name in Facts.__dataclass_fields__},
        title=TITLE, begin=BEGIN, end=END, text_begin=TEXT_BEGIN, text_end=TEXT_END,
        extent=facts.grants.extent, withheld=facts.grants.withheld, tables=_tables(facts),
        configs=_training(facts), licences=_licences(facts.grants),
    )  # fmt: skip
    return joined(head(facts), body)


def joined(values: dict, body: str) -> str:
    """A card from its head and its text; its head is checked."""
    head_text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    card = f"---\n{head_text}---\n\n" + body.lstrip("\n")
    check(card)
    return card


def head(facts: Facts) -> dict:
    """The YAML head: what the Hub shows, and the configs and types that `datasets` reads."""
    rows = sum(file.as_table.rows for file in facts.files if file.as_table.config in _training(facts))
    sources = sorted({f"extended|{grant.record.hub_id}" for grant in facts.grants.by_source.values()})
    return {
        "pretty_name": TITLE,
        "license": licences.MIXTURE,
        "license_name": licences.MIXTURE_NAME,
        "license_link": "#licence",
        "language": ["en"],
        "task_categories": ["text-generation", "text-classification"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")],
        "annotations_creators": ["derived"],
        "source_datasets": sources,
        "tags": ["sycophancy", "alignment", "synthetic", "supervised-fine-tuning", "not-for-all-audiences"],
        "configs": [_config(facts, name) for name in _configs(facts)],
        "dataset_info": [_info(facts, name) for name in _configs(facts)],
    }


def _configs(facts: Facts) -> list[str]:
    """The default first, then by kind."""
    kinds = list(tables.SCHEMAS)
    ordered = sorted(facts.files, key=lambda file: kinds.index(file.as_table.schema_name))
    return list(dict.fromkeys([facts.default, *(file.as_table.config for file in ordered)]))


def _training(facts: Facts) -> list[str]:
    names = (file.as_table.config for file in facts.files if file.as_table.schema_name == "released/train")
    return list(dict.fromkeys(names))


def _of(facts: Facts, config: str) -> list[File]:
    """A config's files, the training split first."""
    files = [file for file in facts.files if file.as_table.config == config]
    return sorted(files, key=lambda file: file.as_table.split != "train")


def _config(facts: Facts, name: str) -> dict:
    data = [{"split": file.as_table.split, "path": file.path} for file in _of(facts, name)]
    return {"config_name": name, "data_files": data} | ({"default": True} if name == facts.default else {})


def _info(facts: Facts, name: str) -> dict:
    files = _of(facts, name)
    size = sum(file.bytes for file in files)
    splits = [{"name": f.as_table.split, "num_bytes": f.bytes, "num_examples": f.as_table.rows} for f in files]
    schema = tables.SCHEMAS[files[0].as_table.schema_name]
    features = [_feature(schema, column) for column in schema.names]
    return {"config_name": name, "features": features, "splits": splits, "download_size": size, "dataset_size": size}


def _feature(schema: Schema, name: str) -> dict:
    kind, vocabulary = schema.columns[name], tables.classes(schema, name)
    if vocabulary is not None:
        return {"name": name, "dtype": {"class_label": {"names": {str(i): word for i, word in enumerate(vocabulary)}}}}
    return {"name": name, "list" if hasattr(kind, "inner") else "dtype": tables.dtype(kind)}


_WHAT = {
    "released/train": {
        "train": "training rows of this model and arm",
        "held_out": "the same questions about rows that no training set has seen",
    },
    "released/candidates": {"train": "every prompt before filtration, with the draws behind it"},
    "verdicts": {"train": "what the model said to each stripped prompt"},
    "released/probes": {"test": "evaluation items"},
    "released/dropped": {"train": "every row that was left out, with its reason"},
}


def _tables(facts: Facts) -> list[dict]:
    ordered = [file.as_table for name in _configs(facts) for file in _of(facts, name)]
    return [
        {
            "config": table.config,
            "split": table.split,
            "rows": table.rows,
            "what": _WHAT[table.schema_name][table.split],
        }
        for table in ordered
    ]


def _licences(grants: licences.Grants) -> list[dict]:
    withheld = set(grants.withheld)
    return [
        {
            "source": key, "hub_id": grant.record.hub_id, "config": grant.record.config, "origin": grant.record.origin,
            "revision": grant.record.revision, "licence": grant.record.licence,
            "texts": "left out" if key in withheld else "included", "attribution": grant.record.attribution,
        }
        for key, grant in grants.by_source.items()
    ]  # fmt: skip


def hand_written(card: str) -> str:
    """The hand-written part of a card, without its fences. Raises `SycoError` where the fences are broken."""
    if card.count(BEGIN) != 1 or card.count(END) != 1 or card.index(BEGIN) > card.index(END):
        raise SycoError(
            f"the card has {card.count(BEGIN)} opening and {card.count(END)} closing fences of the hand-written part, "
            "expected one of each, in this order",
            f"Put these two lines around it: {BEGIN} and {END}",
        )
    return card.split(BEGIN)[1].split(END)[0].strip("\n")


def without_text_note(card: str) -> str:
    """The card of a restored release: the note on missing texts is gone."""
    before, rest = card.split(TEXT_BEGIN, 1)
    return before.rstrip("\n") + "\n" + rest.split(TEXT_END, 1)[1]


@dataclass(frozen=True)
class Split:
    """A card's head and its text."""

    values: dict
    body: str


def read(path: Path) -> str:
    """The card in a file. Raises `SycoError` for one that is larger than a card can be, or no UTF-8 text."""
    try:
        return files.read_text(path, LARGEST).replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path}") from error


def split(card: str) -> Split:
    """Raises `SycoError` where the head is missing, too large, or no YAML mapping within limits."""
    if len(card) > LARGEST:
        raise SycoError(f"the card has {len(card):,} characters, at most {LARGEST:,} are read")
    start, _, rest = card.partition("---\n")
    head_text, fence, body = rest.partition("\n---\n")
    # No card of a release holds an alias: what it stands for would be changed in both places at once.
    values = documents.parse_yaml(head_text, "the card's YAML head", LARGEST_HEAD, aliases=False)
    if start or not fence or not isinstance(values, dict):
        raise SycoError("the card has no YAML head between two lines `---`")
    return Split(values, body)


@dataclass(frozen=True)
class Shown:
    """A file that a card shows as one split of a config."""

    config: str
    split: str
    path: str


def shown(card: str) -> Iterator[Shown]:
    """Every file that `load_dataset` would read. Raises `SycoError` for a form that no card of a release has."""
    configs = split(card).values.get("configs")
    for config in configs if isinstance(configs, list) else [None]:
        form = isinstance(config, dict) and {"config_name", "data_files"} <= config.keys() <= CONFIG_KEYS
        for file in config["data_files"] if form and isinstance(config["data_files"], list) else [None]:
            if not isinstance(file, dict) or file.keys() != {"split", "path"}:
                raise SycoError(f"the card's configs are not those of a release: {config!r:.100}")
            yield Shown(str(config["config_name"]), str(file["split"]), str(file["path"]))


def check(card: str) -> None:
    """Whether huggingface_hub reads the head of a card; a broken one is refused with one line."""
    from huggingface_hub import DatasetCard

    split(card)  # what this program could not read again is not written either
    try:
        data = DatasetCard(card).data.to_dict()
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise SycoError(f"the card's YAML head cannot be read: {error}") from error
    defaults = [config["config_name"] for config in data.get("configs", []) if config.get("default")]
    if data.get("license") != licences.MIXTURE or len(defaults) != 1:
        raise SycoError(f"the card's YAML head must have license {licences.MIXTURE!r} and one default config")
