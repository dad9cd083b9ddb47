"""A disk that refuses a download or an upload, in one line: no room, a folder that cannot be written, HF_HOME."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.files import FULL, system_error

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}
SET_HOME = "Set HF_HOME to a folder that can be written"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A full disk, or a folder that cannot be written, as one line; what has arrived is kept."""
    with client_folders():
        try:
            yield
        except (SycoError, OSError) as error:
            if cause := FULL.get(system_error(error) or 0):
                raise SycoError(f"{folder}: {cause}", "Make room, then run the same command: it goes on") from error
            if isinstance(error, SycoError):
                raise
            reason = error.strerror or type(error).__name__
            raise SycoError(f"{folder} could not be written: {reason}", "Give another folder") from error


@contextmanager
def client_folders() -> Iterator[None]:
    """Names HF_HOME where the Hub's client failed because it cannot write there: its own words name no folder."""
    try:
        yield
    except SycoError as error:
        if system_error(error) in _REFUSED and (unwritable := _unwritable_cache()):
            raise unwritable from error
        raise


def _unwritable_cache() -> SycoError | None:
    """Tries to write where Xet's client keeps its cache and its log."""
    from huggingface_hub import constants

    folder = Path(constants.HF_XET_CACHE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return SycoError(f"the Hub's client keeps its files below HF_HOME, and {folder} cannot be written: {reason}",
                         SET_HOME)  # fmt: skip
