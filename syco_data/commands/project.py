"""The project that a command works in: found from a subfolder, and required where a command needs one."""

import os
from pathlib import Path

from syco_data import settings
from syco_data.errors import SycoError

GRAPH = Path("dvc.yaml")
_started: list[Path] = []
"""The way from the project's root to the folder that the user is in, where that is another one."""


def root() -> Path | None:
    """The nearest folder from here upwards that holds params.yaml and dvc.yaml."""
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise SycoError("the current folder was removed", "Change to another one") from error
    folders = (here, *here.parents)
    return next((one for one in folders if (one / settings.PARAMS).exists() and (one / GRAPH).exists()), None)


def enter() -> None:
    """Changes to the project's root, where the user is in a folder below it; `path` keeps what they mean by a path."""
    _started.clear()
    if os.path.lexists(settings.PARAMS) or (top := root()) is None:
        return
    _started.append(Path.cwd().relative_to(top))
    os.chdir(top)


def require() -> None:
    """Raises `SycoError` outside of a project."""
    if not os.path.lexists(settings.PARAMS):
        raise SycoError(
            f"no project here: neither {Path.cwd()} nor a folder above it holds {settings.PARAMS} and {GRAPH}",
            "Change to your clone of the project",
        )


def load() -> settings.Settings:
    """The settings of the project at hand."""
    require()
    return settings.load()


def path(text: str) -> Path:
    """A path that the user gave, relative to the folder that they are in; seen from the project's root."""
    place = Path(text).expanduser()
    if not _started or place.is_absolute():
        return place
    return _started[0] / place


def path_or_name(text: str) -> str:
    """A folder that the user gave, as `path` has it, or another name: of a release on the Hub, a model, a revision."""
    folder = path(text)
    return str(folder) if _started and folder.exists() else text


FOLDER, FILE = ({"parser": path, "metavar": what} for what in ("FOLDER", "FILE"))
NAMED = {"parser": path_or_name}
"""For arguments and options that take a path."""
