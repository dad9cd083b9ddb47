"""Whether a build needs the embedded model at all; kept apart so that nothing heavy is imported to find out."""

import json
import shutil
from pathlib import Path

from syco_data.settings import Settings


def by(settings: Settings) -> bool:
    """Whether a model of `build.models` is the embedded one."""
    return any(settings.models[name].source == "embedded" for name in settings.build.models)


def write_unwanted(settings: Settings, target: Path) -> None:
    """A folder that says why no model was trained."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    said = {"models": list(settings.build.models), "trained": False, "why": "no model of the build is embedded"}
    write_json(target / "gate.json", said)


def write_json(path: Path, values: dict) -> None:
    """Keys sorted, so that the same values give the same bytes."""
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
