"""From a record of `models:` in the params to a model folder on this disk that is known to be complete.

A record's source is `reference` (the model that stage `reference` makes), a local folder, or a Hub id at a
commit. Weights are safetensors and nothing else; no code that comes with a model is ever run.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from syco_data.engines import model_files
from syco_data.engines.model_files import refused
from syco_data.errors import SycoError
from syco_data.hub import addresses, client, errors, limits, retries, snapshots
from syco_data.settings import REFERENCE, Hub, Model, Settings, unknown
from syco_data.settings.revisions import COMMIT, HUB_ID, LOCK

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip
DESCRIBING = ("config.json", "generation_config.json", model_files.ADAPTER, *TOKENIZER_FILES)
DOWNLOADED = ("*.safetensors", "*.safetensors.index.json", *DESCRIBING)


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


def resolve(name: str, record: Model, reference: Path, policy: Hub, weights: bool = True) -> ResolvedModel:
    """Finds or downloads a model and checks its folder; `reference` is where the reference model lies.

    Without `weights` a model of the Hub is only named: its configuration and tokenizer are fetched, and no more.
    Raises `SycoError` for a missing model, a revision that is not a commit, missing rights, an incomplete folder.
    """
    on_hub = record.is_on_hub
    folder = _folder(name, record, reference, policy, DOWNLOADED if weights else DESCRIBING)
    (check_complete if weights or not on_hub else check_described)(name, folder)
    config = model_files.read_json(label(name), folder / "config.json")
    return ResolvedModel(
        name=name,
        folder=folder,
        commit=record.revision if on_hub else _digest([*_weights(folder), folder / "config.json"]),
        tokenizer=_digest([folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]),
        style=style(name, record, folder),
        dtype=record.dtype,
        positions=_positions(name, config.get("max_position_embeddings")),
    )


def open(name: str, settings: Settings, weights: bool = True) -> ResolvedModel:
    """The model of that name in the settings: `resolve` with the settings' record and retry policy."""
    return resolve(name, named(name, settings), REFERENCE, settings.hub, weights)


def named(name: str, settings: Settings) -> Model:
    """The record of a model in the params. Raises `SycoError` with the list of those that are there."""
    if name not in settings.models:
        raise SycoError(f"models: {unknown(name, settings.models)}")
    return settings.models[name]


def on_hub(name: str, record: Model) -> Model:
    """The record itself, if its source can be a Hub id."""
    if not HUB_ID.fullmatch(record.source):
        raise SycoError(
            f"model '{name}': there is no folder {record.source!r:.200}, and it is not a Hub id (owner/name) either",
            f"Name a folder that is there, or OWNER/NAME (models.{name}.source in params.yaml)",
        )
    return record


def _folder(name: str, record: Model, reference: Path, policy: Hub, files: tuple[str, ...]) -> Path:
    if record.source == "reference":
        if not reference.is_dir():
            raise SycoError(
                f"model '{name}': the reference model is not built (there is no {reference})", "dvc repro reference"
            )
        return reference
    if not record.is_on_hub:
        return Path(record.source).expanduser()
    on_hub(name, record)
    if record.revision is None or not COMMIT.fullmatch(record.revision):
        raise SycoError(
            f"model '{name}': revision {record.revision!r} of {record.source} is not a commit (40 hex digits), "
            "so the model could change unnoticed",
            f"Pin it: {LOCK}",
        )
    return _download(name, record, policy, files)


def _download(name: str, record: Model, policy: Hub, files: tuple[str, ...]) -> Path:
    def fetch() -> Path:
        return snapshots.snapshot(record.source, "model", record.revision, files)

    return Path(_ask_hub(name, record, policy, fetch))


def latest_commit(name: str, record: Model, policy: Hub) -> str:
    """The commit that the record's revision (default: `main`) stands for on the Hub now."""
    from huggingface_hub import HfApi

    def look() -> str:
        return HfApi().model_info(record.source, revision=record.revision).sha

    return _ask_hub(name, record, policy, look, client.commit_id)


def _ask_hub(name: str, record: Model, policy: Hub, call, checked=str) -> str:
    """A call to the Hub; every error is one line, without the client's addresses and tokens.

    `checked` returns an answer of the form that it has.
    """
    addresses.check_repository(record.source)
    client.sign_in(policy)
    folder, deadline = snapshots.cache_of(record.source, "model"), limits.deadline(policy.total)

    def attempt() -> str:
        return checked(retries.ask(call, f"model {record.source}", policy, deadline, folder))

    try:
        return retries.persistent(attempt, policy, deadline)
    except SycoError:
        raise
    except retries.failures() as error:
        raise _explained(name, record, error, folder) from error


def _explained(name: str, record: Model, error: Exception, folder: Path) -> SycoError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    what = f"model '{name}' ({record.source})"
    code = retries.status(error)
    if isinstance(error, GatedRepoError) or code == 403:
        return SycoError(f"{what}: no access (403)", "Accept its terms on its Hub page, then: hf auth login")
    if isinstance(error, RevisionNotFoundError):
        hint = f"Correct it: models.{name}.revision in params.yaml (null: the newest), then: {LOCK}"
        return SycoError(f"{what}: there is no revision {record.revision!r}", hint)
    if isinstance(error, RepositoryNotFoundError) or code in (401, 404):
        return SycoError(
            f"{what}: no such folder here, and no such model on the Hub or no right to see it ({code})",
            f"Correct models.{name}.source in params.yaml, or: hf auth login",
        )
    no_answer = errors.unreachable(error, f"{what}: no such folder here; on the Hub", folder)
    return no_answer or SycoError(f"{what}: {errors.short(error)}")


def label(name: str) -> str:
    """What a model is called in errors."""
    return f"model '{name}'"


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def check_described(name: str, folder: Path) -> None:
    """Refuses a folder without a configuration or a fast tokenizer, and one that asks for more than its own weights."""
    model_files.check_regular(label(name), folder)
    if (folder / model_files.ADAPTER).is_file():
        raise refused(
            label(name),
            f"the folder {folder} holds a PEFT adapter ({model_files.ADAPTER}), which is not a model by itself",
            "Merge it into its base model (PEFT's merge_and_unload), save that, and name its folder",
        )
    for file in ("config.json", "tokenizer.json"):
        if not (folder / file).is_file():
            raise refused(label(name), f"the folder {folder} is incomplete: there is no {file}", _again(name))
    for file in ("generation_config.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            model_files.read_json(label(name), folder / file)
    for _, key, value in model_files.walk(model_files.read_json(label(name), folder / "config.json")):
        _check_entry(label(name), key, value)


def _check_entry(model: str, key: str, value: object) -> None:
    """One entry of config.json, at any depth: no kernel of somebody else's, no other weights, no quantised ones."""
    if "_implementation" in key:
        kernels = [one for _, _, one in model_files.walk(value) if isinstance(one, str) and "/" in one]
        if kernels:
            raise refused(
                model, f"config.json asks for the kernel '{kernels[0]}' ({key}), which is code of others",
                f"Remove {key} from its config.json",
            )  # fmt: skip
    if key == "transformers_weights" and value is not None:
        raise refused(model, f"config.json names a weight file of its own ({key})", f"Remove {key} from it")
    if key in ("quantization_config", "compression_config") and value is not None:
        kind = value.get("quant_method") if isinstance(value, dict) else None
        raise refused(
            model, f"its weights are quantised ({kind or key}): only floating-point weights are read",
            "Name the model that it was made of, or save it dequantised",
        )  # fmt: skip


def _positions(name: str, value: object) -> int | None:
    """The longest text that config.json states, in tokens."""
    if value is None or (type(value) is int and 0 < value < 1 << 31):
        return value
    raise refused(
        label(name), f"max_position_embeddings of config.json is {value!r:.60}, which is not a number of tokens"
    )


def check_complete(name: str, folder: Path) -> None:
    """Refuses a folder that is not described, or whose weight files are not there in full length."""
    check_described(name, folder)
    model_files.tensors(label(name), folder)


def _again(name: str) -> str:
    return f"Fetch or save the model again, or correct models.{name}.source in params.yaml"


def style(name: str, record: Model, folder: Path) -> str:
    """`chat` when asked for, or when asked to look and the model has a chat template."""
    config = folder / "tokenizer_config.json"
    template = model_files.read_json(label(name), config).get("chat_template") if config.is_file() else None
    has_template = bool(template) or any((folder / f"chat_template.{kind}").is_file() for kind in ("jinja", "json"))
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
