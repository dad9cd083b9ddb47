"""The state of a training, from which a killed one resumes to the same bytes.

It stays when the training is finished: one that is asked for again has nothing to do. The folder lies outside of the
stage's outs, which DVC removes before a stage runs, and is replaced as a whole. Tensors are in safetensors and all
else in JSON; a state of another recipe, other code or another torch is never used.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from syco_data import files, ownership
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.reference.recipe import Recipe
from syco_data.reference.training import Trainer

STEPS = 100
"""Steps between two checkpoints: some fifteen seconds."""
STATE, RECORD = "state.safetensors", "state.json"
HINT = "Move it away, then: dvc repro reference"
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Checkpoints:
    """`folder` holds the newest state; `key` names the training that it belongs to."""

    folder: Path
    key: str

    def require(self) -> None:
        """Refuses a folder that holds files of somebody else."""
        ownership.require(self.folder, HINT)

    def save(self, trainer: Trainer, phase: int, step: int) -> None:
        """Saves the state after `step` steps of a phase (0: the planned stages, then the rounds)."""
        with ownership.replacing(self.folder, HINT) as folder:
            save_file(trainer.state(), folder / STATE)
            digest = files.sha256(folder / STATE)
            files.write_json(folder / RECORD, {"key": self.key, "phase": phase, "sha256": digest, "step": step})

    def restore(self, trainer: Trainer) -> tuple[int, int]:
        """Puts a saved state into the trainer: its phase and steps; (0, 0) where there is none of this training."""
        if not (self.folder / RECORD).exists():
            return 0, 0
        try:
            record = documents.read_json(self.folder / RECORD, _LARGEST)
            if record["key"] != self.key:
                return 0, 0
            if files.sha256(self.folder / STATE) != record["sha256"]:
                raise SycoError(f"{STATE} is not the file that was saved")
            trainer.restore(load_file(self.folder / STATE))
            phase, step = record["phase"], record["step"]
        except (OSError, SycoError, KeyError, TypeError) as error:
            print(f"reference: the checkpoint in {self.folder} is not used: {error}", flush=True)
            return 0, 0
        print(f"reference: resumes after step {step}{f' of round {phase}' if phase else ''}", flush=True)
        return phase, step


def of(recipe: Recipe, folder: Path) -> Checkpoints:
    """The checkpoints of one recipe, by the code and the torch of now."""
    total = hashlib.sha256(f"{recipe.digest} {torch.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.read_bytes())
    return Checkpoints(folder, total.hexdigest())
