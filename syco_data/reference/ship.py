"""Trains the reference model of params.yaml and writes it into the package: `python -m syco_data.reference.ship`.

For those who change the recipe: its weights, tokenizer and configuration in `syco_data/data/reference`, with
`recipe.json` (digest of the recipe, its settings, figures of the gate, SHA-256 of every file).
"""

import shutil
import sys
import tempfile
from pathlib import Path

from syco_data import files, settings
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.reference import model, recipe, shipped


def main(checkpoints: Path = Path(".checkpoints/reference"), target: Path = shipped.FOLDER) -> None:
    """Trains (or resumes) and writes the files, the record last."""
    current = recipe.of(settings.load())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "reference"
        figures = model.build(current, folder, checkpoints)
        gate = documents.read_json(folder / shipped.GATE, 1 << 20)
        target.mkdir(parents=True, exist_ok=True)
        for name in shipped.FILES:
            shutil.copyfile(folder / name, target / name)
    digests = {name: files.sha256(target / name) for name in shipped.FILES}
    summary = {key: gate[key] for key in ("figures", "recipe", "rounds", "seed")}
    files.write_json(target / shipped.RECIPE, {**summary, "files": digests, "settings": current.summary()}, 2)
    print(f"reference: shipped: {figures.line()}")


if __name__ == "__main__":
    try:
        main()
    except SycoError as error:
        sys.exit(f"error: {error}")
