"""Which files of a tuned model's folder are ours: those of its mark, and what lies among the checkpoints.

The mark stands there from a run's first moment on, and lists a model's files before the first of them is moved in.
Folders of versions without marks are known by their record and the names of their files.
"""

import re
from collections.abc import Collection
from pathlib import Path

from syco_data import files, ownership
from syco_data.engines.models import DESCRIBING
from syco_data.errors import SycoError
from syco_data.finetune import model_cards

CHECKPOINTS = "checkpoints"
WRITTEN_LATER = (model_cards.RECORD, model_cards.CARD)
_WEIGHTS = re.compile(r"(adapter_)?model(-[0-9]{5}-of-[0-9]{5})?\.safetensors(\.index\.json)?")
_UNMARKED = {*DESCRIBING, *WRITTEN_LATER, "adapter_config.json", "training.parquet"}


def require(out: Path, hint: str) -> None:
    """Raises `SycoError` that names the first file of somebody else's in a tuned model's folder."""
    if out.exists() and not out.is_dir():
        raise SycoError(f"{out} is a file, and a folder is needed there. Nothing was removed", "Move it elsewhere")
    for path in (out / CHECKPOINTS, *(out / CHECKPOINTS).glob("*")):
        if path.is_symlink():
            raise SycoError(f"{path} is a link, and checkpoints are removed from there. Nothing was removed", hint)
    foreign = ownership.first_foreign(out, listing)
    if foreign is not None:
        raise SycoError(f"{out} holds {foreign}, which this project did not put there. Nothing was removed", hint)


def listing(out: Path) -> Collection[str]:
    """The files in `out` that are ours; among the checkpoints nothing is replaced, so all of it may stay."""
    marked = ownership.marked_files(out)
    below = {path.relative_to(out).as_posix() for path in (out / CHECKPOINTS).rglob("*")}
    return below | {CHECKPOINTS} | set(_unmarked(out) if marked is None else marked)


def mark(out: Path, names: Collection[str]) -> None:
    """Declares files to be ours, before they are there."""
    files.write_json(out / ownership.MARK, {"files": sorted(names)})


def _unmarked(out: Path) -> set[str]:
    """The model's files in a folder without a mark that has the record of a run."""
    try:
        model_cards.read(out)
    except SycoError:
        return set()
    return {path.name for path in out.iterdir() if path.name in _UNMARKED or _WEIGHTS.fullmatch(path.name)}
