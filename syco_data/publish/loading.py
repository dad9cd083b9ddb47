"""Versions of releases for notebooks and for `diff`: fetched once, kept below HF_HOME, verified at every use.

What is read is what was verified: the rows come from the Parquet files themselves, whose bytes are compared with the
manifest as they are read, and the manifest's own digest is kept beside the version since it was pulled. A version
that is there is read without writing anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.hub import limits
from syco_data.hub.addresses import Address
from syco_data.hub.client import RETRY
from syco_data.hub.disks import SET_HOME
from syco_data.publish import pulling
from syco_data.publish.unfinished import WORK
from syco_data.release import cards, manifest, verification
from syco_data.release.manifest import CARD, File, Manifest
from syco_data.settings import Hub

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, DatasetInfo

_LARGEST_RECORD = 1 << 16


def load_release(repo: str, version: str, config: str | None = None, retry: Hub = RETRY) -> "DatasetDict":
    """The splits of a config (None: the default one) of exactly that version, such as "1.2.0", or commit.

    Features, splits and rows are those that `datasets.load_dataset` makes of the release's folder; the rows are in
    memory, and nothing is written once the version is there. Raises `SycoError` where the version is not to be had or
    is not what was published.
    """
    address = Address.of(repo, version)
    folder, record = _kept(address, retry)
    if config is not None and config not in record.configs:
        raise SycoError(f"{address} has no config {config!r}; it has {', '.join(record.configs)}")
    try:
        return _splits(address, folder, record, config)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise SycoError(f"{address}: its {CARD} gives types that its tables do not have: {reason:.300}") from error


def _splits(address: Address, folder: Path, record: Manifest, config: str | None) -> "DatasetDict":
    from datasets import DatasetDict

    card = _content(folder, next(file for file in record.files if file.path == CARD)).decode()
    name = config or _default(address, card)
    shown = [one for one in cards.shown(card) if one.config == name]
    if not shown:
        raise SycoError(f"{address}: its {CARD} shows no config {name!r}")
    info = _info(address, card, name)
    splits: dict[Any, Any] = {one.split: _rows(folder, record.table(name, one.split), one.split, info) for one in shown}
    return DatasetDict(splits)


def _default(address: Address, card: str) -> str:
    configs = cards.split(card).values["configs"]
    marked = [config["config_name"] for config in configs if config.get("default") is True]
    if len(marked) != 1:
        raise SycoError(
            f"{address}: its {CARD} names no default config", f"Give one: config={configs[0]['config_name']!r}"
        )
    return marked[0]


def _info(address: Address, card: str, config: str) -> "DatasetInfo":
    """What the card says of a config, read as `load_dataset` reads it."""
    from datasets.info import DatasetInfo, DatasetInfosDict
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(dataset_info=cards.split(card).values.get("dataset_info"))
    info = DatasetInfosDict.from_dataset_card_data(data).get(config) or DatasetInfo()
    info.config_name, info.dataset_name = config, address.repository.rpartition("/")[2]
    return info


def _rows(folder: Path, file: File, split: str, info: "DatasetInfo") -> "Dataset":
    """A table, out of the very bytes that were compared with the manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Dataset, Features, NamedSplit
    from datasets.table import table_cast

    # Not a Python file: native threads would call back into Python, also while it ends.
    rows = pq.ParquetFile(pa.BufferReader(_content(folder, file))).read()
    features = info.features or Features.from_arrow_schema(rows.schema)
    try:
        rows = table_cast(rows, features.arrow_schema)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    name = sha256(f"{file.sha256} {features!r}".encode()).hexdigest()[:16]
    return Dataset(rows, info.copy(), NamedSplit(split), fingerprint=name)


def _content(folder: Path, file: File) -> bytes:
    """The bytes of a file, if they are those that the manifest names."""
    try:
        content = files.read(folder / file.path, file.bytes)
    except FileNotFoundError:
        content = b""
    if sha256(content).hexdigest() != file.sha256:
        raise _damaged(folder, f"{file.path} was changed while it was read (sha256 differs)")
    return content


# The store


def store() -> Path:
    """Where versions are kept: a folder per repository and version."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "syco-data"


def kept(address: Address, retry: Hub = RETRY) -> Path:
    """The folder of exactly that version below `store`.

    The first call downloads it; every later one reads the same files, verified again, and asks nobody.
    """
    return _kept(address, retry)[0]


def _kept(address: Address, retry: Hub) -> tuple[Path, Manifest]:
    folder = store() / address.repository.replace("/", "--") / address.version
    with _usable(folder), limits.within(retry.total):
        if not _is_complete(folder):
            _bring(address, folder, retry)
        return folder, _verified(address, folder, retry)


def _is_complete(folder: Path) -> bool:
    return (folder / manifest.NAME).exists() and not (folder / WORK).exists()


def _bring(address: Address, folder: Path, retry: Hub) -> None:
    """Pulls the version, unless another process has done so meanwhile."""
    from filelock import Timeout
    from huggingface_hub.utils import WeakFileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock")
    try:
        with WeakFileLock(lock, timeout=max(0.0, limits.deadline(retry.total).left)):
            if not _is_complete(folder):
                _note(pulling.pull(address, folder, retry))
    except Timeout as error:
        raise SycoError(
            f"another process has been fetching {address} for {retry.total:,.0f} s (it holds {lock})",
            "Wait until it has ended, or end it",
        ) from error


def _verified(address: Address, folder: Path, retry: Hub) -> Manifest:
    """The manifest of a complete version whose every file is what was pulled."""
    identity, recorded = manifest.identity(folder), _recorded(folder)
    if recorded is not None and recorded != identity:
        raise _damaged(folder, f"{manifest.NAME} is not the one that was pulled (sha256 differs)")
    try:
        verified = verification.verify(folder)
    except SycoError as error:
        raise _damaged(folder, error.what) from error
    if verified.problems:
        raise _damaged(folder, verified.summary())
    if not address.is_commit and verified.release.version != address.version:
        raise _damaged(folder, f"it holds version {verified.release.version}, not {address}")
    if recorded is None:
        _confirm(address, folder, retry)
    return verified.release


def _confirm(address: Address, folder: Path, retry: Hub) -> None:
    """Compares a version with the Hub where its digest was not noted: by an earlier program, or the note is damaged."""
    try:
        pulled = pulling.pull(address, folder, retry)
    except SycoError as error:
        raise SycoError(
            f"{folder} has no readable {_record(folder).name} beside it, so that the Hub has to be asked: {error.what}",
            error.hint,
        ) from error
    with suppress(SycoError):  # a store that cannot be written is asked about at every use
        _note(pulled)


def _record(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.pulled.json")


def _note(pulled: pulling.Pulled) -> None:
    """Keeps what was pulled, outside the release's folder."""
    about: dict[str, Any] = {"repository": pulled.address.repository, "commit": pulled.commit}
    files.write_json(_record(pulled.folder), about | {"manifest": manifest.identity(pulled.folder)})


def _recorded(folder: Path) -> str | None:
    """The digest of the manifest as it was pulled; None where that was not noted."""
    try:
        value = documents.read_json(_record(folder), _LARGEST_RECORD)
    except (FileNotFoundError, SycoError):
        return None
    digest = value.get("manifest") if isinstance(value, dict) else None
    return digest if isinstance(digest, str) else None


def _damaged(folder: Path, what: str) -> SycoError:
    if os.access(folder.parent, os.W_OK):
        return SycoError(f"{folder}: {what}", f"Remove {folder}: it is fetched anew")
    return SycoError(f"{folder}: {what}", f"It cannot be replaced there, as it cannot be written. {SET_HOME}")


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """A store that cannot be read or written, in one line that says how to have another one."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SycoError(f"{folder}, below HF_HOME, cannot be used: {reason}", SET_HOME) from error
