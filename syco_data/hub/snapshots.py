"""Files of a data set on the Hub at a pinned commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.hub import errors, retries
from syco_data.hub.addresses import check_repository
from syco_data.hub.client import sign_in
from syco_data.settings import Hub
from syco_data.settings.revisions import COMMIT, LOCK


@dataclass(frozen=True)
class Wanted:
    """A data set's files that match `patterns`; `group` is the part of params.yaml that names it."""

    group: str
    repository: str
    revision: str
    patterns: tuple[str, ...]


def fetch(request: Wanted, retry: Hub) -> Path:
    """Downloads the files into the Hub client's own cache and returns their folder.

    A commit is asked for by its full id, so what lies in the cache under it cannot be another one. Raises
    `SycoError` for a revision that can move, an unknown or closed data set, and a Hub that does not answer.
    """
    where = f"{request.group}: {request.repository}"
    if not COMMIT.fullmatch(request.revision):
        raise SycoError(
            f"{where}: revision '{request.revision}' is a name that can move, a commit of 40 digits is expected",
            f"Pin it: {LOCK}",
        )

    def get() -> Path:
        return snapshot(request.repository, "dataset", request.revision, request.patterns)

    check_repository(request.repository)
    sign_in(retry)
    folder = cache_of(request.repository, "dataset")
    try:
        snapshot_folder = retries.answer(get, f"download {request.repository}", retry, folder)
    except SycoError:
        raise
    except retries.failures() as error:
        code = retries.status(error)
        if code in (401, 403, 404):
            raise SycoError(
                f"{where} at {request.revision}: not there, or not open to you ({code})",
                f"Correct {request.group} in params.yaml, or log in: hf auth login",
            ) from error
        raise errors.unreachable(error, where, folder) or SycoError(f"{where}: {errors.short(error)}") from error

    if not _holds_files(snapshot_folder):
        raise SycoError(
            f"{where} at {request.revision}: no file there matches {', '.join(request.patterns)}",
            f"Correct {request.group} in params.yaml",
        )
    return snapshot_folder


def snapshot(repository: str, kind: str, revision: str, patterns: Iterable[str]) -> Path:
    """The folder in the client's cache with the files of a commit that match; for `retries.ask`.

    The client keeps the list of files that it was given, and believes it for good. One without any file is forgotten,
    and asked for once more.
    """
    from huggingface_hub import snapshot_download

    for _ in range(2):
        folder = Path(snapshot_download(repository, repo_type=kind, revision=revision, allow_patterns=list(patterns)))
        if _holds_files(folder):
            break
        (cache_of(repository, kind).parent / "trees" / f"{revision}.json").unlink(missing_ok=True)
    return folder


def _holds_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))


def cache_of(repository: str, kind: str) -> Path:
    """Where the client keeps the files of a repository, finished and unfinished ones."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type=kind) / "blobs"
