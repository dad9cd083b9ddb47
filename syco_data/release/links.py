"""The files of a release folder, of which some may be links: DVC makes them, and so does the Hub's client.

A link is followed into the cache of the DVC project that the folder lies in and into the blobs of the Hub's own cache
beside it, where every file is named by its digest. Any other could lead anywhere, and is refused: so is a linked
folder, which neither of the two makes.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from syco_data.errors import SycoError

HINT = (
    "Put the file itself there: `dvc unprotect` for what DVC has linked, `hf download --local-dir` for what the Hub's "
    "client has"
)


def file(folder: Path, path: str) -> Path:
    """The regular file at `path` of a folder, behind its link where it is one.

    Raises `SycoError` for a link that is not followed and for what is not a file, and `FileNotFoundError`.
    """
    place = folder / path
    for step in [place, *place.parents[: path.count("/")]]:
        if step.is_symlink() and (step != place or not _is_safe(folder, place)):
            raise SycoError(f"{step} is a link, and not one into DVC's cache or the Hub client's", HINT)
    if not place.exists():
        raise FileNotFoundError(f"{place} is missing")
    if not place.is_file():
        raise SycoError(f"{place} is not a plain file")
    return place.resolve() if place.is_symlink() else place


def _is_safe(folder: Path, link: Path) -> bool:
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError as error:
        raise SycoError(f"{link} is a link to a file that is not there", "Get it: dvc checkout, or pull") from error
    except (OSError, RuntimeError) as error:
        raise SycoError(f"{link} is a link that leads nowhere: {error}") from error
    return any(target.is_relative_to(place) for place in _places(folder))


def _places(folder: Path) -> Iterator[Path]:
    """Where links of this folder may lead."""
    real = folder.resolve()
    for inner, outer in zip((real, *real.parents), real.parents, strict=False):
        if outer.name == "snapshots":  # <repository>/snapshots/<commit>
            yield inner.parents[1] / "blobs"
    for here in (folder.absolute(), real):
        if root := next((place for place in (here, *here.parents) if (place / ".dvc").is_dir()), None):
            yield dvc_cache(root)


@cache
def dvc_cache(root: Path) -> Path:
    """The folder of a DVC project's cache, which may lie outside of it, by DVC's own settings."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError:  # an install that only reads releases
        return (root / ".dvc" / "cache").resolve()
    try:
        with Repo(str(root)) as project:
            return Path(project.cache.local_cache_dir).resolve()
    except (DvcException, OSError) as error:
        raise SycoError(f"{root}: DVC cannot say where its cache is: {error}", "Try: dvc cache dir") from error
