"""The folder in which a tuned model comes into being, and the checkpoints a killed run goes on from.

Checkpoints lie below `<out>/checkpoints/<key>`, where the key is a digest of every input and setting: other
inputs never go on from them. A checkpoint counts once its mark is written, which is the last thing that happens
to it. The model's own files are moved in when all of them are whole, and then the checkpoints go.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

CHECKPOINTS = "checkpoints"
_MARK = "complete"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Workspace:
    """`out` is the stage's out folder; `key` identifies the run."""

    out: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.out / CHECKPOINTS / self.key

    def clear(self) -> None:
        """Removes what other runs left: models, their checkpoints, and checkpoints of this run that are not whole."""
        for path in self.out.glob("*"):
            if path.name != CHECKPOINTS:
                remove(path)
        for path in (self.out / CHECKPOINTS).glob("*"):
            if path.name != self.key:
                remove(path)
        for path in self.folder.glob("*"):
            if path.is_dir() and not (path / _MARK).is_file():
                remove(path)
        self.folder.mkdir(parents=True, exist_ok=True)

    def latest(self) -> Path | None:
        """The newest whole checkpoint."""
        found = [path for path in self.folder.glob("checkpoint-*") if (path / _MARK).is_file()]
        return max(found, key=step_of, default=None)

    def last_good(self) -> str:
        """What a stopped run can go on from, in words."""
        last = self.latest()
        return f"The last good checkpoint, of step {step_of(last)}, stays" if last else "There is no checkpoint yet"

    def finish(self, finished: Path) -> None:
        """Moves the files of a finished model into the out folder and removes all checkpoints."""
        for path in sorted(finished.iterdir()):
            os.replace(path, self.out / path.name)
        remove(self.out / CHECKPOINTS)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    return int(_NAME.fullmatch(checkpoint.name)[1])


def mark(checkpoint: Path) -> None:
    """Says that a checkpoint is whole; the bytes before it are on disk first."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            _sync(path)
    with (checkpoint / _MARK).open("w", encoding="utf-8") as file:
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
