"""A data set build system for anti-sycophancy training sets."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from syco_data.errors import SycoError
from syco_data.sources import SOURCES

_ON_DEMAND = {
    "Address": "syco_data.hub.addresses",
    "diff_releases": "syco_data.diff.diffing",
    "load_release": "syco_data.publish.loading",
    "pull": "syco_data.publish.pulling",
    "verify": "syco_data.release.verification",
}
"""What a notebook may import besides, by the module that is only imported with it."""

__all__ = ["SOURCES", "Address", "SycoError", "diff_releases", "load_release", "pull", "verify"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_DEMAND[name]), name)


def _version() -> str:
    """As pyproject.toml states it, by way of the installed package."""
    try:
        return version("syco-data")
    except PackageNotFoundError as error:
        raise SycoError("syco-data is not installed, so its version is not known", "pip install -e .") from error
