"""The trained weights that come with the package, and the stage's choice between them and a training.

`recipe.json` beside them names the recipe that made them and the SHA-256 of every other file.
"""

import shutil
from pathlib import Path
from typing import Any

from syco_data import files, ownership
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.reference import recipe
from syco_data.reference.recipe import Recipe
from syco_data.settings import Settings

FOLDER = Path(__file__).parents[1] / "data" / "reference"
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
RECIPE, GATE = "recipe.json", "gate.json"
HINT = "Move it away, then: dvc repro reference"
_AGAIN = "Install the package again, or set reference.weights: train in params.yaml"
_LARGEST = 1 << 20


def provide(settings: Settings, target: Path, checkpoints: Path) -> str:
    """Puts the reference model into `target`, whole or not at all, and says in a line where it comes from.

    Nothing is put there but a note when no model of the build is the reference model. Raises `SycoError` for a shipped
    file that was changed, a target that is not ours, and a trained model that does not pass its gate.
    """
    if not is_needed(settings):
        _write_note(settings, target)
        return "reference: no model of the build is the reference model, nothing to do"
    current = recipe.of(settings)
    reason = "reference.weights is train"
    if settings.reference.weights == "shipped":
        record = read()
        if record["settings"] == current.summary() and record["recipe"] == current.digest:
            copy(record, target)
            return f"reference: the shipped weights; accuracies of their gate: {shown(record['figures'])}"
        reason = f"the shipped weights belong to another recipe ({difference(current, record)})"
    print(f"reference: {reason}, so the model is trained (minutes on two cores)", flush=True)
    from syco_data.reference import model

    return f"reference: trained: {model.build(current, target, checkpoints).line()}"


def is_needed(settings: Settings) -> bool:
    """Whether a model of `build.models` is the reference model."""
    return any(settings.models[name].source == "reference" for name in settings.build.models)


def _write_note(settings: Settings, target: Path) -> None:
    why = "no model of the build is the reference model"
    with ownership.replacing(target, HINT) as folder:
        files.write_json(folder / GATE, {"models": list(settings.build.models), "weights": "none", "why": why}, 2)


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """The record of the shipped weights. Raises `SycoError` where a file is missing or is not the one shipped."""
    try:
        record = documents.read_json(folder / RECIPE, _LARGEST)
        for name in FILES:
            if (actual := files.sha256(folder / name)) != (digest := record["files"][name]):
                raise SycoError(
                    f"{folder / name} is not the file that was shipped: SHA-256 {actual[:12]}, expected {digest[:12]}",
                    _AGAIN,
                )
    except (KeyError, TypeError) as error:
        raise SycoError(f"{folder / RECIPE} does not name {error.args[0]}", _AGAIN) from error
    except OSError as error:
        raise SycoError(f"{error.filename} cannot be read: {(error.strerror or str(error)).lower()}", _AGAIN) from error
    return record


def copy(record: dict[str, Any], target: Path, source: Path = FOLDER) -> None:
    """The shipped model as the stage's folder, with its gate's figures."""
    gate = {key: record[key] for key in ("figures", "recipe", "rounds", "seed")}
    with ownership.replacing(target, HINT) as folder:
        for name in FILES:
            shutil.copyfile(source / name, folder / name)
        files.write_json(folder / GATE, {**gate, "weights": "shipped"}, 2)


def difference(current: Recipe, record: dict[str, Any]) -> str:
    """The keys of params.yaml that differ from those of the shipped recipe; else what must be behind it."""
    shipped = record["settings"]
    keys = [key for key, value in current.summary().items() if shipped.get(key) != value]
    return f"different: {', '.join(keys) or 'templates, names or other texts of the training'}"


def shown(figures: dict[str, float]) -> str:
    """The figures of a gate in a line."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
