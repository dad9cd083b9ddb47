"""Getting one version of a release: the very one that was asked for, whole and proven, or nothing.

A version is resolved to a commit once; only files that the commit's manifest names are downloaded, into a working
folder inside the target, and they move to their places after they have been proven, the manifest last: a folder
that has a manifest is whole.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from syco_data.errors import SycoError
from syco_data.releasing import manifest, verification
from syco_data.releasing.manifest import Manifest
from syco_data.releasing.parcels import Parcel, of_release
from syco_data.releasing.verification import Verified
from syco_data.remote.hub import PATIENCE, Address, Blob, Remote, tag_of
from syco_data.settings import Retries

if TYPE_CHECKING:
    from datasets import DatasetDict

WORK = ".pulling"
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file size is limited",
}


class Incomplete(ConnectionError):
    """The client came back without every file."""


@dataclass(frozen=True)
class Pulled:
    """A proven release folder and the commit that it came from; `rows` counts those of all tables."""

    address: Address
    commit: str
    folder: Path
    files: int
    rows: int


def pull(address: Address, folder: Path, patience: Retries = PATIENCE) -> Pulled:
    """Downloads a version into a new or empty folder; an interrupted download is gone on with.

    Raises `SycoError` where the version or its repository is not there, a file is missing, wrong or tampered
    with, the folder holds something else, or the disk is full. Nothing is written outside the folder.
    """
    with _writing(folder):
        remote = Remote(address.repository, "dataset", patience)
        commit = _commit_of(remote, address)
        tree = remote.tree(commit)
        if _is_there(address, folder, tree):
            proven = _prove(address, folder)
        else:
            _check_free(folder)
            proven = _fetch(remote, address, commit, tree, folder)
    return Pulled(address, commit, folder, len(proven.found.files) + 1, proven.rows)


def _fetch(remote: Remote, address: Address, commit: str, tree: Mapping[str, Blob], folder: Path) -> Verified:
    """Downloads into the working folder, proves it, and moves it into place."""
    work = folder / WORK / commit
    work.mkdir(parents=True, exist_ok=True)
    wanted = _manifest_at(remote, address, commit, tree, work)
    _check_own(folder, address, of_release(work))
    for other in folder.glob(f"{WORK}/*"):
        if other != work:
            shutil.rmtree(other)
    _download(remote, commit, wanted, work)
    proven = _prove(address, work)
    _settle(work, folder, wanted)
    return proven


def _commit_of(remote: Remote, address: Address) -> str:
    if remote.state() is None:
        raise _no_data_set(remote, address)
    if address.is_commit:
        return address.version
    tags = remote.tags()
    commit = tags.get(tag_of(address.version))
    if commit is None:
        versions = ", ".join(sorted(tag.removeprefix("v") for tag in tags)) or "none"
        raise SycoError(f"{address.repository} has no version {address.version} (versions there: {versions})")
    return commit


def _no_data_set(remote: Remote, address: Address) -> SycoError:
    if Remote(address.repository, "model", remote.patience).state() is not None:
        return SycoError(f"{address.repository} is a model repository, not one of data sets", "Give a data set's name")
    hint = "Compare with: hf auth whoami" if remote.signed_in else "A private one needs `hf auth login` or HF_TOKEN"
    return SycoError(f"{remote.name} is not there, or you may not see it", hint)


def _check_free(folder: Path) -> None:
    """Refuses a folder with anything of the user's in it; the remains of an interrupted pull are gone on with."""
    work = folder / WORK
    if link := next((path for path in (work, *work.rglob("*")) if path.is_symlink()), None):
        raise SycoError(f"{link} is a link, and could lead out of {folder}. Nothing was written", "Remove it")
    if work.is_dir() or not folder.exists():
        return
    if not folder.is_dir():
        raise SycoError(f"{folder} is a file, and a release needs a folder", "Give another folder")
    if first := next(folder.iterdir(), None):
        raise SycoError(f"{folder} is not empty (it holds {first.name}). Nothing was written", "Give a new folder")


def _check_own(folder: Path, address: Address, parcel: Parcel) -> None:
    """Refuses what stands beside the remains of an interrupted pull, unless that pull has put it there itself."""
    wanted = {item.path: item.sha256 for item in parcel.items}
    folders = {parent.as_posix() for path in wanted for parent in PurePosixPath(path).parents}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == WORK or (path.is_dir() and not path.is_symlink() and name in folders):
            continue
        if path.is_symlink() or not path.is_file() or wanted.get(name) != manifest.digest_of(path):
            raise SycoError(
                f"{folder} holds {name}, which is not of {address}. Nothing of it was changed",
                "Move it away, or give a new folder",
            )


def _is_there(address: Address, folder: Path, tree: Mapping[str, Blob]) -> bool:
    """Whether the folder holds a finished release: this one, or it is refused."""
    if not (folder / manifest.NAME).exists() or (folder / WORK).exists():
        return False
    there = {item.path: item for item in of_release(folder).items}
    if manifest.NAME in tree and there[manifest.NAME].is_at(tree[manifest.NAME]):
        return True
    raise SycoError(f"{folder} holds another release than {address}. Nothing was written", "Give another folder")


def _manifest_at(remote: Remote, address: Address, commit: str, tree: Mapping[str, Blob], work: Path) -> Manifest:
    """The manifest of the commit, checked against the version asked for and against the files that are there."""
    if manifest.NAME not in tree:
        raise SycoError(f"{address} is no release: commit {commit} has no {manifest.NAME}")
    if tree[manifest.NAME].bytes > manifest.LARGEST:
        raise SycoError(f"{address}: its {manifest.NAME} has {tree[manifest.NAME].bytes:,} bytes, too many for one")
    remote.file(commit, manifest.NAME, work)
    wanted = manifest.read(work)
    if not address.is_commit and wanted.version != address.version:
        raise SycoError(f"{address}: the tag leads to version {wanted.version}, not to {address.version}")
    for item in of_release(work).items:
        if item.path not in tree:
            raise SycoError(f"{address}: {item.path} is missing on the Hub, and its manifest names it")
        blob = tree[item.path]
        if (blob.bytes, blob.sha256 or item.sha256) != (item.bytes, item.sha256):
            raise SycoError(f"{address}: {item.path} on the Hub is not the file that its manifest names")
    return wanted


def _download(remote: Remote, commit: str, wanted: Manifest, work: Path) -> None:
    """Every file that the manifest names, and no other; files that are here already are not fetched again."""
    from huggingface_hub import snapshot_download

    paths = [file.path for file in wanted.files]

    def attempt() -> None:
        try:
            remote.ask("download", lambda: snapshot_download(
                remote.repository, repo_type=remote.kind, revision=commit, local_dir=work, allow_patterns=paths,
                token=remote.api.token, endpoint=remote.api.endpoint,
            ), work)  # fmt: skip
        except Exception as error:
            if cause := _disk_fault(error):
                raise SycoError(f"{work}: {cause}") from error
            raise
        # Where the Hub fails, the client may return the folder as it is, with only a line in the log.
        missing = [path for path in paths if not (work / path).is_file()]
        if missing:
            raise Incomplete(missing[0])

    remote.attempt("download", attempt)


def _prove(address: Address, folder: Path) -> Verified:
    """Raises for the first wrong file; wrong ones leave a working folder, to be fetched anew next time."""
    done = verification.verify(folder)
    if not done.problems:
        return done
    if folder.parent.name == WORK:
        for problem in done.problems:
            (folder / problem.path).unlink(missing_ok=True)
    raise SycoError(f"{address} in {folder}: {done.fault()}", "Pull it into a new folder")


def _check_version(address: Address, folder: Path, found: Manifest) -> None:
    if not address.is_commit and found.version != address.version:
        raise SycoError(
            f"{folder} holds version {found.version}, not {address}", f"Remove {folder}: it is fetched anew"
        )


def _settle(work: Path, folder: Path, wanted: Manifest) -> None:
    for path in [*(file.path for file in wanted.files), manifest.NAME]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / path, folder / path)
    shutil.rmtree(folder / WORK)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """A full disk, or a folder that cannot be written, in one line; what has arrived is kept."""
    try:
        yield
    except (SycoError, OSError) as error:
        if cause := _disk_fault(error):
            raise SycoError(f"{folder}: {cause}", "Make room, then run the same command: it goes on") from error
        if isinstance(error, SycoError):
            raise
        reason = error.strerror or type(error).__name__
        raise SycoError(f"{folder} could not be written: {reason}", "Give another folder") from error


def _disk_fault(error: BaseException | None) -> str | None:
    """Whether room was missing, behind whatever the client made of it (Xet tells it in words only)."""
    while error is not None:
        said = re.search(r"\(os error (\d+)\)", str(error))
        number = int(said[1]) if said else getattr(error, "errno", None)
        if number in _FULL:
            return _FULL[number]
        error = error.__cause__ or error.__context__
    return None


def store() -> Path:
    """Where `load_release` keeps what it has loaded: a folder per repository and version."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "syco-data"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from the same version until it is there."""
    from huggingface_hub.utils import WeakFileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder.with_name(f"{folder.name}.lock")):
        yield


def kept(address: Address, patience: Retries = PATIENCE) -> Path:
    """The folder of exactly that version below `store`.

    The first call downloads it; every later one reads the same files, proven again, and asks nobody.
    """
    folder = store() / address.repository.replace("/", "--") / address.version
    with _writing(folder), _alone(folder):
        if (folder / manifest.NAME).exists() and not (folder / WORK).exists():
            _check_version(address, folder, _prove(address, folder).found)
        else:
            pull(address, folder, patience)
    return folder


def manifest_of(address: Address, folder: Path, patience: Retries = PATIENCE) -> Manifest:
    """Downloads the manifest of a version into a folder, and nothing else of it."""
    with _writing(folder):
        remote = Remote(address.repository, "dataset", patience)
        commit = _commit_of(remote, address)
        return _manifest_at(remote, address, commit, remote.tree(commit), folder)


def load_release(repo: str, version: str, config: str | None = None, patience: Retries = PATIENCE) -> "DatasetDict":
    """The splits of a config (None: the default one) of exactly that version, such as "1.2.0", or commit."""
    from datasets import load_dataset

    address = Address.of(repo, version)
    folder = kept(address, patience)
    made = manifest.read(folder)
    if config is not None and config not in made.configs:
        raise SycoError(f"{address} has no config {config!r}; it has {', '.join(made.configs)}")
    # `datasets` tells its caches of local folders apart by the folder's last name alone, which is the version:
    # without a place of its own, another repository's rows of the same version would come back.
    cache = folder.with_name(f"{folder.name}.arrow") / manifest.identity(folder)
    return load_dataset(str(folder), config, cache_dir=str(cache))
