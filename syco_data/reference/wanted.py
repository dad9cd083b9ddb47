"""Whether a build needs the embedded model at all; kept apart so that nothing heavy is imported to find out."""

from pathlib import Path

from syco_data import files, ownership
from syco_data.settings import Settings

HINT = "Move it away, then: dvc repro reference"


def by(settings: Settings) -> bool:
    """Whether a model of `build.models` is the embedded one."""
    return any(settings.models[name].source == "embedded" for name in settings.build.models)


def write_unwanted(settings: Settings, target: Path) -> None:
    """A folder that says why no model was trained."""
    reason = {"models": list(settings.build.models), "trained": False, "why": "no model of the build is embedded"}
    with ownership.replacing(target, HINT) as folder:
        write_json(folder / "gate.json", reason)


def write_json(path: Path, values: dict) -> None:
    """Keys sorted, so that the same values give the same bytes."""
    files.write_json(path, values, indent=2)
