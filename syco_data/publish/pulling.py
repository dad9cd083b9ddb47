"""Getting one version of a release: the very one that was asked for, complete and verified, or nothing.

A version is resolved to a commit once; only files that the commit's manifest names are downloaded, into a working
folder inside the target, and they move to their places after they have been verified, the manifest last: a folder
that has a manifest is complete.
"""

import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from syco_data.errors import SycoError
from syco_data.files import FULL, system_error
from syco_data.hub import disks, limits
from syco_data.hub.addresses import Address, tag_of
from syco_data.hub.client import RETRY, Blob, Remote
from syco_data.publish import unfinished
from syco_data.publish.unfinished import WORK
from syco_data.publish.uploads import Item, Upload, of_release
from syco_data.release import manifest, verification
from syco_data.release.manifest import Manifest
from syco_data.release.verification import Verified
from syco_data.settings import Hub

AT_ONCE = 8
"""Files that are downloaded at the same time, as many as the Hub's client takes."""
_CLIENT = ".cache"
"""Where the client keeps notes on what it has downloaded: they are never read again."""


@dataclass(frozen=True)
class Pulled:
    """A verified release folder and the commit that it came from; `rows` counts those of all tables."""

    address: Address
    commit: str
    folder: Path
    files: int
    rows: int


def pull(address: Address, folder: Path, retry: Hub = RETRY) -> Pulled:
    """Downloads a version into a new or empty folder; an interrupted download is gone on with.

    Raises `SycoError` where the version or its repository is not there, a file is missing, wrong or tampered
    with, the folder holds something else or another pull writes to it, or the disk is full. Nothing is written
    outside the folder.
    """
    with disks.writing(folder), limits.within(retry.total):
        remote = Remote(address.repository, "dataset", retry)
        commit = _commit_of(remote, address)
        tree = _tree(remote, address, commit)
        if not (folder / WORK).exists() and _is_there(address, folder, tree):
            verified = _verified(address, folder)
        else:
            unfinished.check(folder)
            with unfinished.alone(folder) as work:
                verified = _completed(remote, address, commit, tree, work)
    return Pulled(address, commit, folder, len(verified.release.files) + 1, verified.rows)


def _completed(remote: Remote, address: Address, commit: str, tree: Mapping[str, Blob], work: Path) -> Verified:
    """What this pull, or another one that has just ended, has brought into the folder around `work`."""
    if _is_ours(work.parent / manifest.NAME, tree):
        unfinished.close(work)
        return _verified(address, work.parent)
    return _fetch(remote, address, commit, tree, work)


def _fetch(remote: Remote, address: Address, commit: str, tree: Mapping[str, Blob], work: Path) -> Verified:
    """Downloads into the working folder, verifies it, and moves it into place."""
    folder, here = work.parent, work / commit
    unfinished.clear(work, commit)
    for path in (here if not here.is_dir() else here / _CLIENT, here / manifest.NAME):
        if os.path.lexists(path):
            unfinished.remove(path)
    record = _manifest_at(remote, address, commit, tree, here)
    upload = of_release(here)
    _check_own(folder, address, upload)
    _sift(here, upload)
    _take_back(folder, here, record)
    _download(remote, commit, record, here)
    verified = _verified_download(address, here, upload)
    _settle(here, folder, record)
    return verified


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


def _tree(remote: Remote, address: Address, commit: str) -> dict[str, Blob]:
    tree = remote.listing(commit)
    if not tree:
        raise SycoError(f"{address}: the Hub lists no file of commit {commit}", "Run the same command later")
    return tree


def _no_data_set(remote: Remote, address: Address) -> SycoError:
    if Remote(address.repository, "model", remote.retry).state() is not None:
        return SycoError(f"{address.repository} is a model repository, not one of data sets", "Give a data set's name")
    hint = "Compare with: hf auth whoami" if remote.signed_in else "A private one needs `hf auth login` or HF_TOKEN"
    return SycoError(f"{remote.name} is not there, or you may not see it", hint)


def _check_own(folder: Path, address: Address, upload: Upload) -> None:
    """Refuses what stands beside the remains of an interrupted pull, unless that pull has put it there itself."""
    items = {item.path: item for item in upload.items}
    folders = {parent.as_posix() for path in items for parent in PurePosixPath(path).parents}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == WORK or (path.is_dir() and not path.is_symlink() and name in folders):
            continue
        if items.get(name) is None or not _is_item(path, items[name]):
            raise SycoError(
                f"{folder} holds {name}, which is not of {address}. Nothing of it was changed",
                "Move it away, or give a new folder",
            )


def _is_item(path: Path, item: Item) -> bool:
    """Whether a plain file of the item's content stands there."""
    try:
        about = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size == item.bytes and manifest.digest_of(path) == item.sha256


def _is_there(address: Address, folder: Path, tree: Mapping[str, Blob]) -> bool:
    """Whether the folder holds a finished release: this one, or it is refused."""
    if not (folder / manifest.NAME).exists():
        return False
    if _is_ours(folder / manifest.NAME, tree):
        return True
    raise SycoError(
        f"{folder} holds another release than {address}: its {manifest.NAME} differs. Nothing was written",
        "Give another folder",
    )


def _is_ours(path: Path, tree: Mapping[str, Blob]) -> bool:
    """Whether the file is the very manifest of the commit."""
    blob = tree.get(manifest.NAME)
    if blob is None or not path.is_file() or path.stat().st_size != blob.bytes:
        return False
    return Item(manifest.NAME, path, blob.bytes, manifest.digest_of(path)).is_at(blob)


def _manifest_at(remote: Remote, address: Address, commit: str, tree: Mapping[str, Blob], folder: Path) -> Manifest:
    """The manifest of the commit, checked against the version asked for and against the files that are there."""
    if manifest.NAME not in tree:
        raise SycoError(f"{address} is not a release: commit {commit} has no {manifest.NAME}")
    if tree[manifest.NAME].bytes > manifest.LARGEST:
        raise SycoError(f"{address}: its {manifest.NAME} has {tree[manifest.NAME].bytes:,} bytes, too many for one")
    remote.file(commit, manifest.NAME, folder)
    if not _is_ours(folder / manifest.NAME, tree):
        raise SycoError(f"{address}: {manifest.NAME} was damaged on its way", "Run the same command again")
    record = manifest.read(folder)
    if not address.is_commit and record.version != address.version:
        raise SycoError(f"{address}: the tag leads to version {record.version}, not to {address.version}")
    for item in of_release(folder).items:
        if item.path not in tree:
            raise SycoError(f"{address}: {item.path} is missing on the Hub, and its manifest names it")
        blob = tree[item.path]
        if (blob.bytes, blob.sha256 or item.sha256) != (item.bytes, item.sha256):
            raise SycoError(f"{address}: {item.path} on the Hub is not the file that its manifest names")
    return record


def _sift(here: Path, upload: Upload) -> None:
    """Removes what an interrupted pull has left in the place of a file and is not that file."""
    unfinished.remove(here / _CLIENT)
    items = {item.path: item for item in upload.items}
    for name, item in items.items():
        for place in (*reversed(PurePosixPath(name).parents), PurePosixPath(name)):
            path = here / place
            right = _is_item(path, item) if place == PurePosixPath(name) else path.is_dir()
            if not right and os.path.lexists(path):
                unfinished.remove(path)
    for path in sorted(here.rglob("*")):
        if not path.is_dir() and path.relative_to(here).as_posix() not in items:
            raise SycoError(f"{path} was not put there by `pull`. Nothing was removed", f"Move {path} away")


def _take_back(folder: Path, here: Path, record: Manifest) -> None:
    """Files that an interrupted pull had already moved to their places need not be fetched again."""
    for file in record.files:
        if (folder / file.path).is_file() and not (here / file.path).exists():
            (here / file.path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / file.path, here / file.path)


def _download(remote: Remote, commit: str, record: Manifest, here: Path) -> None:
    """Every file that the manifest names and that is not here yet, each by its own name: no listing is believed."""
    paths = [file.path for file in record.files]

    def fetch() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda path: _download_file(remote, commit, path, here), _missing(paths, here)))

    try:
        remote.attempt("download", lambda: remote.ask("download", fetch, here))
    except SycoError as error:
        arrived = len(paths) - len(_missing(paths, here))
        if not arrived:
            raise
        hint = f"{error.hint or 'Run the same command later'}: {arrived} of {len(paths)} files are kept"
        raise SycoError(error.what, hint) from error


def _missing(paths: list[str], here: Path) -> list[str]:
    """The client gives a file its name when all of it has arrived."""
    return [path for path in paths if not (here / path).is_file()]


def _download_file(remote: Remote, commit: str, path: str, here: Path) -> None:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(
            remote.repository, path, repo_type=remote.kind, revision=commit, local_dir=here,
            token=remote.api.token, endpoint=remote.api.endpoint,
        )  # fmt: skip
    except Exception as error:
        if cause := FULL.get(system_error(error) or 0):
            raise SycoError(f"{here}: {cause}") from error  # to try again would not help
        raise


def _verified_download(address: Address, here: Path, upload: Upload) -> Verified:
    """Raises for the first wrong file; wrong ones leave the working folder, to be fetched anew next time."""
    wrong = [item for item in upload.items if not _is_item(here / item.path, item)]
    for item in wrong:
        unfinished.remove(here / item.path)
    if wrong:
        raise SycoError(
            f"{address}: {wrong[0].path} is not what the manifest names (sha256 differs): it was damaged on its way",
            "Run the same command again: it is fetched anew",
        )
    unfinished.remove(here / _CLIENT)
    verified = verification.verify(here)
    if verified.problems:
        raise SycoError(f"{address} was published wrong: {verified.summary()}", "Ask its publisher for a new version")
    return verified


def _verified(address: Address, folder: Path) -> Verified:
    verified = verification.verify(folder)
    if verified.problems:
        raise SycoError(f"{address} in {folder}: {verified.summary()}", "Pull it into a new folder")
    return verified


def _settle(here: Path, folder: Path, record: Manifest) -> None:
    for path in [*(file.path for file in record.files), manifest.NAME]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(here / path, folder / path)
    unfinished.close(here.parent)


def manifest_of(address: Address, folder: Path, retry: Hub = RETRY) -> Manifest:
    """Downloads the manifest of a version into a folder, and nothing else of it."""
    with disks.writing(folder), limits.within(retry.total):
        remote = Remote(address.repository, "dataset", retry)
        commit = _commit_of(remote, address)
        return _manifest_at(remote, address, commit, _tree(remote, address, commit), folder)
