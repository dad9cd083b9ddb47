"""Names that a shell completes: quick, and silent where there is no project or its params cannot be read."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from syco_data.commands import project
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings import PARAMS
from syco_data.sources import SOURCES


def sources(incomplete: str) -> list[str]:
    return _starting(SOURCES, incomplete)


def profiles(incomplete: str) -> list[str]:
    top = project.root() or Path()
    return _starting((path.stem for path in (top / "profiles").glob("*.yaml")), incomplete)


def of_params(group: str) -> Callable[[str], list[str]]:
    """The names below a group of params.yaml, such as `models`."""
    return lambda incomplete: _starting(_params().get(group) or (), incomplete)


models, arms = of_params("models"), of_params("arms")


def _params() -> dict[str, Any]:
    try:
        values = documents.read_yaml((project.root() or Path()) / PARAMS)
    except (OSError, SycoError):
        return {}
    return values if isinstance(values, dict) else {}


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
