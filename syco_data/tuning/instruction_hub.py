"""Instruction rows on the Hub: the files of a data set at a pinned commit."""

from pathlib import Path

from syco_data.errors import SycoError
from syco_data.origins.folders import COMMIT
from syco_data.remote import retries
from syco_data.settings import Instructions


def fetch(choice: Instructions, suffixes: tuple[str, ...]) -> Path:
    """Downloads the files with these suffixes into the Hub client's own cache and returns their folder.

    A commit is asked for by its full id, so what lies in the cache under it cannot be another one. Raises
    `SycoError` for a revision that can move, an unknown or closed data set, and a Hub that does not answer.
    """
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, XetDownloadError

    where = f"instructions: {choice.hub_id}"
    if not COMMIT.fullmatch(choice.revision):
        raise SycoError(
            f"{where}: revision '{choice.revision}' is a name that can move, a commit of 40 digits is expected",
            "Set instructions.revision to the commit that the data set's page shows",
        )
    patterns = [f"*{suffix}" for suffix in suffixes]

    def get() -> str:
        return snapshot_download(choice.hub_id, repo_type="dataset", revision=choice.revision, allow_patterns=patterns)

    try:
        return Path(retries.persistent(get, choice.retries))
    except (HfHubHTTPError, LocalEntryNotFoundError, XetDownloadError, httpx2.HTTPError, OSError, ValueError) as error:
        code = retries.status(error)
        if code in (401, 403, 404):
            raise SycoError(
                f"{where} at {choice.revision}: not there, or not open to you ({code})",
                "Correct instructions.hub_id and revision, or log in: hf auth login",
            ) from error
        reason = f"HTTP {code}" if code else type(error).__name__
        raise SycoError(
            f"{where}: the Hub did not answer usefully ({reason})", "Run again: finished files are kept"
        ) from error
