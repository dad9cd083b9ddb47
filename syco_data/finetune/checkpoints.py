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

from syco_data import files, ownership
from syco_data.errors import printable
from syco_data.finetune import out_folders
from syco_data.finetune.checkpoint_marks import MARK, damage
from syco_data.finetune.out_folders import CHECKPOINTS

LOG, FINISHED, MERGED = "launch.log", "finished", "merged"
"""What lies beside the checkpoints of a run: its processes' words, and the model that is about to be moved."""
_NAME = re.compile(r"checkpoint-([1-9][0-9]*)")
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Workspace:
    """`out` is the stage's out folder; `key` identifies the run."""

    out: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.out / CHECKPOINTS / self.key

    def clear(self) -> None:
        """Removes what other runs left: models and their checkpoints.

        Raises `SycoError` where the out folder holds a file that no run has put there, and for what the system refuses.
        """
        out_folders.require(self.out, "Move it elsewhere, then run again")
        try:
            # The mark goes last: a run that is killed in between leaves a folder that is known to be ours.
            out_folders.mark(self.out, out_folders.listing(self.out))
            for path in self.out.glob("*"):
                if path.name not in (CHECKPOINTS, ownership.MARK):
                    remove(path)
            out_folders.mark(self.out, ())
            for path in (self.out / CHECKPOINTS).glob("*"):
                if path.name != self.key:
                    _remove_run(path)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.unwritable(Path(error.filename or self.out), error) from error

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
        names = [path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()]
        out_folders.require(self.out, "Move it elsewhere, then run again: the last checkpoint stays")
        out_folders.mark(self.out, {*names, *out_folders.WRITTEN_LATER})
        for path in sorted(finished.iterdir()):
            os.replace(path, self.out / path.name)
        for path in (self.out / CHECKPOINTS).glob("*"):
            _remove_run(path)
        with suppress(OSError):
            (self.out / CHECKPOINTS).rmdir()


def _remove_run(folder: Path) -> None:
    """Removes the checkpoints of one run; what no run writes there stays and is reported."""
    if _KEY.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            if path.name in (LOG, FINISHED, MERGED) or _NAME.fullmatch(path.name):
                remove(path)
        with suppress(OSError):
            folder.rmdir()
    if os.path.lexists(folder):
        rest = next(folder.iterdir(), folder) if folder.is_dir() else folder
        print(f"finetune: {printable(str(rest))} was not written by a run, and stays", flush=True)


def numbered(folder: Path) -> list[Path]:
    """Everything that is named as a checkpoint, the newest first; other names in the folder are not ours."""
    paths = [path for path in folder.glob("*") if _NAME.fullmatch(path.name)]
    return sorted(paths, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    name = _NAME.fullmatch(checkpoint.name)
    assert name, checkpoint
    return int(name[1])


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
