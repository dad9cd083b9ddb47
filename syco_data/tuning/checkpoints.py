"""The folder in which a tuned model comes into being, and the checkpoints from which a killed run is resumed.

Checkpoints lie below `<out>/checkpoints/<key>`, where the key is a digest of every input and setting: a run never
resumes from those of other inputs. The model's own files are moved in when all of them are complete, and then the
checkpoints are removed.
"""

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from syco_data.tuning.checkpoint_marks import MARK, damage

CHECKPOINTS = "checkpoints"
_NAME = re.compile(r"checkpoint-([1-9][0-9]*)")


@dataclass(frozen=True)
class Workspace:
    """`out` is the stage's out folder; `key` identifies the run."""

    out: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.out / CHECKPOINTS / self.key

    def clear(self) -> None:
        """Removes what other runs left: models and their checkpoints."""
        for path in self.out.glob("*"):
            if path.name != CHECKPOINTS:
                remove(path)
        for path in (self.out / CHECKPOINTS).glob("*"):
            if path.name != self.key:
                remove(path)
        self.folder.mkdir(parents=True, exist_ok=True)

    def resumable(self) -> Path | None:
        """The newest checkpoint that is, byte for byte, what was written; each newer one is reported and removed.

        Reads the files of one checkpoint: to be called once per run, by one process.
        """
        checkpoints = numbered(self.folder)
        for path in checkpoints:
            reason = damage(path)
            if reason is None:
                print(f"finetune: resumes from the checkpoint of step {step_of(path)}", flush=True)
                return path
            print(f"finetune: the checkpoint of step {step_of(path)} is not used: {reason}", flush=True)
            remove(path)
        if checkpoints:
            print("finetune: there is no earlier checkpoint, training starts from the beginning", flush=True)
        return None

    def latest(self) -> Path | None:
        """The newest checkpoint with a mark, its files unread."""
        return next((path for path in numbered(self.folder) if (path / MARK).is_file()), None)

    def last_good(self) -> str:
        """What a stopped run can be resumed from, in words."""
        last = self.latest()
        return f"The last good checkpoint, of step {step_of(last)}, stays" if last else "There is no checkpoint yet"

    def finish(self, finished: Path) -> None:
        """Moves the files of a finished model into the out folder and removes all checkpoints."""
        for path in sorted(finished.iterdir()):
            os.replace(path, self.out / path.name)
        remove(self.out / CHECKPOINTS)


def numbered(folder: Path) -> list[Path]:
    """Everything that is named as a checkpoint, the newest first; other names in the folder are not ours."""
    paths = [path for path in folder.glob("*") if _NAME.fullmatch(path.name)]
    return sorted(paths, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    return int(_NAME.fullmatch(checkpoint.name)[1])


def keep_newest(folder: Path, count: int) -> None:
    for path in numbered(folder)[count:]:
        remove(path)


def remove(path: Path) -> None:
    """Removes a file, a link (never what it leads to), or a folder, whose mark goes first."""
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            (path / MARK).unlink()
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
