"""Origin `hub`: the files of a source at a commit, downloaded into the Hub client's own cache.

A file appears in the cache when it is whole and only then, so an interrupted download is gone on with by
running the same command again; nothing is written to `data/` before every file is here and has the hash that
the Hub states. Errors that may pass are tried again (`retries`); others are one line each.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from syco_data import files
from syco_data.acquire import layouts
from syco_data.acquire.examination import Fetched, SplitFiles
from syco_data.errors import SycoError
from syco_data.hub import errors, limits, retries
from syco_data.hub.client import commit_id, sign_in
from syco_data.hub.errors import Unreachable
from syco_data.hub.retries import Misunderstood
from syco_data.hub.snapshots import cache_of
from syco_data.settings import Hub
from syco_data.settings.revisions import COMMIT, LOCK
from syco_data.sources import Source

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, HfApi

Result = TypeVar("Result")
_LOGIN = "hf auth login"


def fetch(source: Source, revision: str, policy: Hub) -> Fetched:
    """Downloads the files of both splits and the card at a revision (a commit, or a name that is resolved).

    Raises `SycoError` for an unknown repository or revision, missing rights, and files that are not there;
    `Unreachable` when the Hub does not answer.
    """
    with limits.within(policy.total):
        api, info = _api(), _info(source, revision, policy)
        paths = [sibling.rfilename for sibling in info.siblings or ()]
        names = {split: layouts.data_files(paths, source, split) for split in (source.train, source.held_out)}

        def local(name: str) -> Path:
            return _download(api, source, info, name, policy)

        splits = tuple(SplitFiles(split, tuple(map(local, files))) for split, files in names.items())
        return Fetched(splits, tuple(map(local, layouts.cards(paths, source))), info.sha)


def pinned(source: Source, revision: str) -> str:
    """The revision, if it is a commit; a name that can move is an error: rows must not change unnoticed."""
    if COMMIT.fullmatch(revision):
        return revision
    raise SycoError(
        f"source '{source.key}': revision '{revision}' is a name that can move, origin 'hub' takes commits only. "
        "Nothing was written",
        f"Pin it: {LOCK}",
    )


def _api() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(library_name="syco-data")


def _info(source: Source, revision: str, policy: Hub) -> "DatasetInfo":
    from huggingface_hub import constants

    def ask() -> "DatasetInfo":
        # The time that the client gives a file: it gives none to this call.
        limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
        return _api().dataset_info(source.hub_id, revision=revision, timeout=limit, files_metadata=True)

    return _ask(source, revision, policy, ask, _sound)


def _sound(info: "DatasetInfo") -> "DatasetInfo":
    """The answer, if its values have the form that they have on the Hub."""
    info.siblings = info.siblings or []
    for sibling in info.siblings:
        sha256 = sibling.lfs.sha256 if sibling.lfs else ""
        if not isinstance(sibling.rfilename, str) or not isinstance(sha256, str):
            raise Misunderstood("a file of another form")
    commit_id(info.sha)
    return info


def _download(api: "HfApi", source: Source, info: "DatasetInfo", name: str, policy: Hub) -> Path:
    """The local path of one file; a copy whose hash is not the Hub's is fetched once more."""
    stated = {sibling.rfilename: sibling.lfs.sha256 for sibling in info.siblings or () if sibling.lfs}
    for anew in (False, True):

        def get(anew: bool = anew) -> str:
            return api.hf_hub_download(
                source.hub_id, name, repo_type="dataset", revision=info.sha, force_download=anew
            )  # fmt: skip

        path = Path(_ask(source, commit_id(info.sha), policy, get))
        if stated.get(name, sha := files.sha256(path)) == sha:
            return path
    raise SycoError(
        f"source '{source.key}': {name} has another hash than the Hub states (found: {sha}; expected: {stated[name]})",
        "Something between the Hub and this machine changes files: try another network",
    )


def _ask(source: Source, revision: str, policy: Hub, call: Callable[[], Result], checked=lambda one: one) -> Result:
    """The call's result, `checked` for its form; every way to fail is one line."""
    sign_in(policy)
    deadline, folder = limits.deadline(policy.total), cache_of(source.hub_id, "dataset")

    def attempt() -> Result:
        return checked(retries.ask(call, f"source '{source.key}'", policy, deadline, folder))

    try:
        return retries.persistent(attempt, policy, deadline)
    except SycoError:
        raise
    except retries.failures() as error:
        raise _explained(source, revision, folder, error) from error


def _explained(source: Source, revision: str, folder: Path, error: Exception) -> SycoError:
    """What the user can do about an error. The client's own text is left out: it holds addresses and signatures."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    at, code = f"source '{source.key}': {source.hub_id} at {constants.ENDPOINT}", retries.status(error)
    login = f"Check the id; where it is private, log in with a token that may read it: {_LOGIN}"
    if errors.is_offline(error):
        return Unreachable(f"{at} was not asked: HF_HUB_OFFLINE is set", "Unset it, or use acquire.origin: directory")
    if isinstance(error, GatedRepoError):
        return SycoError(f"{at} is gated, and your account has no access", f"Ask for it on its page, then: {_LOGIN}")
    if isinstance(error, RevisionNotFoundError):
        return SycoError(
            f"{at} has no revision '{revision}'",
            f"Correct sources.{source.key}.revision, then: {LOCK}",
        )
    if isinstance(error, RepositoryNotFoundError):
        return SycoError(f"{at}: there is no such data set, or it is private ({code})", login)
    if code in (401, 403):
        return SycoError(f"{at}: the token in use is refused ({code})", login)
    if type(error) is RuntimeError:  # what the Xet client raises when its own retries are used up
        hint = "Run the same command again later, or set HF_HUB_DISABLE_XET=1 for plain HTTP"
        return Unreachable(f"{at}: the Hub's file storage gave no file", hint)
    see_more = f"To see more: python -m syco_data sources check {source.key}"
    return errors.unreachable(error, at, folder) or SycoError(f"{at}: {errors.short(error)}", see_more)
