"""Files of a data set on the Hub at a pinned commit."""

from dataclasses import dataclass
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.origins.folders import COMMIT
from syco_data.remote import hubfaults, retries
from syco_data.remote.hub import check_repository
from syco_data.settings import Retries


@dataclass(frozen=True)
class Wanted:
    """A data set's files that match `patterns`; `group` is the part of params.yaml that names it."""

    group: str
    repository: str
    revision: str
    patterns: tuple[str, ...]


def fetch(wanted: Wanted, patience: Retries) -> Path:
    """Downloads the files into the Hub client's own cache and returns their folder.

    A commit is asked for by its full id, so what lies in the cache under it cannot be another one. Raises
    `SycoError` for a revision that can move, an unknown or closed data set, and a Hub that does not answer.
    """
    from huggingface_hub import snapshot_download

    where = f"{wanted.group}: {wanted.repository}"
    if not COMMIT.fullmatch(wanted.revision):
        raise SycoError(
            f"{where}: revision '{wanted.revision}' is a name that can move, a commit of 40 digits is expected",
            f"Set {wanted.group}.revision to the commit that the data set's page shows",
        )

    def get() -> str:
        return snapshot_download(
            wanted.repository, repo_type="dataset", revision=wanted.revision, allow_patterns=list(wanted.patterns)
        )

    check_repository(wanted.repository)
    folder = cache_of(wanted.repository, "dataset")
    try:
        return Path(retries.answer(get, f"download {wanted.repository}", patience, folder))
    except SycoError:
        raise
    except retries.faults() as error:
        code = retries.status(error)
        if code in (401, 403, 404):
            raise SycoError(
                f"{where} at {wanted.revision}: not there, or not open to you ({code})",
                f"Correct {wanted.group} in params.yaml, or log in: hf auth login",
            ) from error
        raise hubfaults.unreachable(error, where, folder) or SycoError(f"{where}: {hubfaults.short(error)}") from error


def cache_of(repository: str, kind: str) -> Path:
    """Where the client keeps the files of a repository, finished and unfinished ones."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type=kind) / "blobs"
