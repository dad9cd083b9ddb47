"""From a record of `models:` in the params to a model folder on this disk that is known to be whole.

A record's source is `embedded` (the reference model that the graph trains), a local folder, or a Hub id at a
commit. Weights are safetensors and nothing else; no code that comes with a model is ever run.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.remote import hub, hubfaults, limits, retries, snapshots
from syco_data.settings import Model, Retries, Settings, unknown

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip
DESCRIBING = ("config.json", "generation_config.json", *TOKENIZER_FILES)
DOWNLOADED = ("*.safetensors", "*.safetensors.index.json", *DESCRIBING)
LOCK = "python -m syco_data models lock"


@dataclass(frozen=True)
class ResolvedModel:
    """A model folder and what identifies it.

    `commit` is the Hub's commit, or for a folder the digest of its weights and configuration; `style` is
    `plain` or `chat`; `positions` is the longest text the model was built for, in tokens, if it says so.
    """

    name: str
    folder: Path
    commit: str
    tokenizer: str
    style: str
    dtype: str
    positions: int | None


def resolve(name: str, record: Model, reference: Path, patience: Retries, weights: bool = True) -> ResolvedModel:
    """Finds or downloads a model and checks its folder; `reference` is where the embedded model lies.

    Without `weights` a model of the Hub is only named: its configuration and tokenizer are fetched, and no more.
    Raises `SycoError` for a missing model, a revision that is no commit, missing rights, an incomplete folder.
    """
    on_hub = is_on_hub(record)
    folder = _folder(name, record, reference, patience, DOWNLOADED if weights else DESCRIBING)
    (check_whole if weights or not on_hub else check_described)(name, folder)
    config = _json(name, folder / "config.json")
    return ResolvedModel(
        name=name,
        folder=folder,
        commit=record.revision if on_hub else _digest([*_weights(folder), folder / "config.json"]),
        tokenizer=_digest([folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]),
        style=_style(name, record, folder),
        dtype=record.dtype,
        positions=config.get("max_position_embeddings"),
    )


def named(name: str, settings: Settings) -> Model:
    """The record of a model in the params. Raises `SycoError` with the list of those that are there."""
    if name not in settings.models:
        raise SycoError(f"models: {unknown(name, settings.models)}")
    return settings.models[name]


def is_on_hub(record: Model) -> bool:
    """Whether the record's source is a Hub id: neither `embedded` nor a folder that is here."""
    return record.source != "embedded" and not Path(record.source).expanduser().is_dir()


def on_hub(name: str, record: Model) -> Model:
    """The record itself, if its source can be a Hub id."""
    if not HUB_ID.fullmatch(record.source):
        raise SycoError(
            f"model '{name}': there is no folder {record.source!r}, and it is no Hub id (owner/name) either",
            f"Correct models.{name}.source in params.yaml",
        )
    return record


def _folder(name: str, record: Model, reference: Path, patience: Retries, files: tuple[str, ...]) -> Path:
    if record.source == "embedded":
        if not reference.is_dir():
            raise SycoError(
                f"model '{name}': the embedded model is not built (there is no {reference})", "dvc repro reference"
            )
        return reference
    if not is_on_hub(record):
        return Path(record.source).expanduser()
    on_hub(name, record)
    if record.revision is None or not COMMIT.fullmatch(record.revision):
        raise SycoError(
            f"model '{name}': revision {record.revision!r} of {record.source} is no commit (40 hex digits), "
            "so the model could change unnoticed",
            f"Pin it: {LOCK} {name}",
        )
    return _download(name, record, patience, files)


def _download(name: str, record: Model, patience: Retries, files: tuple[str, ...]) -> Path:
    def fetch() -> Path:
        return snapshots.snapshot(record.source, "model", record.revision, files)

    return Path(_asked(name, record, patience, fetch))


def latest_commit(name: str, record: Model, patience: Retries) -> str:
    """The commit that the record's revision (default: `main`) stands for on the Hub now."""
    from huggingface_hub import HfApi

    def look() -> str:
        return HfApi().model_info(record.source, revision=record.revision).sha

    return _asked(name, record, patience, look, hub.commit_id)


def _asked(name: str, record: Model, patience: Retries, call, checked=str) -> str:
    """A call to the Hub; every fault is one line, without the client's addresses and tokens.

    `checked` returns an answer of the form that it has.
    """
    hub.check_repository(record.source)
    folder, deadline = snapshots.cache_of(record.source, "model"), limits.deadline(patience.total)

    def attempt() -> str:
        return checked(retries.ask(call, f"model {record.source}", patience, deadline, folder))

    try:
        return retries.persistent(attempt, patience, deadline)
    except SycoError:
        raise
    except retries.faults() as error:
        raise _explained(name, record, error, folder) from error


def _explained(name: str, record: Model, error: Exception, folder: Path) -> SycoError:
    from huggingface_hub import errors

    what = f"model '{name}' ({record.source})"
    code = retries.status(error)
    if isinstance(error, errors.GatedRepoError) or code == 403:
        return SycoError(f"{what}: no access (403)", "Accept its terms on its Hub page, then: hf auth login")
    if isinstance(error, errors.RevisionNotFoundError):
        mend = f"Correct it: models.{name}.revision in params.yaml (null: the newest), then: {LOCK} {name}"
        return SycoError(f"{what}: there is no revision {record.revision!r}", mend)
    if isinstance(error, errors.RepositoryNotFoundError) or code in (401, 404):
        return SycoError(
            f"{what}: no such folder here, and no such model on the Hub or no right to see it ({code})",
            f"Correct models.{name}.source in params.yaml, or: hf auth login",
        )
    no_answer = hubfaults.unreachable(error, f"{what}: no such folder here; on the Hub", folder)
    return no_answer or SycoError(f"{what}: {hubfaults.short(error)}")


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def check_described(name: str, folder: Path) -> None:
    """Refuses a folder without its configuration or a fast tokenizer."""
    for file in ("config.json", "tokenizer.json"):
        if not (folder / file).is_file():
            raise SycoError(f"model '{name}': the folder {folder} is incomplete: there is no {file}", _again(name))


def check_whole(name: str, folder: Path) -> None:
    """Refuses a folder that is not described, or without a weight file in full length."""
    check_described(name, folder)
    weights = {path.name for path in _weights(folder)}
    if not weights:
        others = sorted(path.name for suffix in ("*.bin", "*.pt", "*.gguf") for path in folder.glob(suffix))
        found = f"only {others[0]}: safetensors are the one kind that is read" if others else "none"
        raise SycoError(f"model '{name}': the folder {folder} has no *.safetensors ({found})", _again(name))
    for index in folder.glob("*.safetensors.index.json"):
        missing = sorted(set(_json(name, index).get("weight_map", {}).values()) - weights)
        if missing:
            raise SycoError(f"model '{name}': the folder {folder} is incomplete: no {missing[0]}", _again(name))
    for path in _weights(folder):
        _check_length(name, path)


def _check_length(name: str, path: Path) -> None:
    """A safetensors file states in its head how long it is."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(size)) if size <= path.stat().st_size else {}
        expected = 8 + size + max(entry["data_offsets"][1] for key, entry in head.items() if key != "__metadata__")
    except (ValueError, KeyError, TypeError) as error:
        raise SycoError(f"model '{name}': {path.name} is no safetensors file, or cut off", _again(name)) from error
    if (found := path.stat().st_size) != expected:
        raise SycoError(f"model '{name}': {path.name} has {found:,} bytes, expected {expected:,}", _again(name))


def _again(name: str) -> str:
    return f"Fetch or save the model again, or correct models.{name}.source in params.yaml"


def _json(name: str, path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SycoError(f"model '{name}': {path.name} is no valid JSON", _again(name)) from error
    if not isinstance(value, dict):
        raise SycoError(f"model '{name}': {path.name} holds no mapping", _again(name))
    return value


def _style(name: str, record: Model, folder: Path) -> str:
    """`chat` when asked for, or when asked to look and the model has a chat template."""
    config = folder / "tokenizer_config.json"
    written = _json(name, config).get("chat_template") if config.is_file() else None
    has_template = bool(written) or any((folder / f"chat_template.{kind}").is_file() for kind in ("jinja", "json"))
    if record.prompt_style == "chat" and not has_template:
        raise SycoError(
            f"model '{name}': prompt_style is chat, but the model has no chat template",
            f"Set models.{name}.prompt_style to plain or auto",
        )
    return "chat" if has_template and record.prompt_style != "plain" else "plain"


def _digest(files: list[Path]) -> str:
    """128 bits over names and contents."""
    whole = hashlib.blake2b(digest_size=16)
    for path in sorted(files):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).digest()
        whole.update(path.name.encode() + b"\x1f" + content)
    return whole.hexdigest()
