"""Small releases, whole and valid, made in a moment: some rows of a real build, a card, a manifest."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from syco_data import schemas
from syco_data.release import cards, configs, licences, manifest, tables
from syco_data.release.manifest import File, Manifest
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_TRAIN
from syco_data.release.tables import Place
from syco_data.settings import Hub
from tests.support import tables_for_tests

QUICK = Hub(attempts=4, first_wait=0.01, longest_wait=0.05)
"""A retry policy for tests."""
CANDIDATES = 60
STRIDE = 61
"""Prime to every number of starts, so that neighbouring seeds take other rows."""
TRAIN, VERDICTS = Place("tiny-balanced", "train"), Place("verdicts-tiny", "train")
CARD = """---
license: {licence}
configs:
- config_name: tiny-balanced
  data_files:
  - split: train
    path: tiny-balanced/train.parquet
  default: true
- config_name: verdicts-tiny
  data_files:
  - split: train
    path: verdicts-tiny/train.parquet
---
# Version {version}

{begin}
{words}
{end}
"""


@dataclass(frozen=True)
class Small:
    """What a small release is made of: the same values give the same bytes, another `seed` other rows."""

    version: str = "1.0.0"
    seed: int = 0
    words: str = "Notes by hand."

    def write(self, folder: Path) -> Path:
        """Writes the release and returns its folder."""
        whole = tables_for_tests.shared_release()
        record = manifest.read(whole)
        shutil.copytree(whole / "recipe", folder / "recipe")
        kept = [file for file in record.files if file.path.startswith("recipe/")]
        files = [*kept, _card(self, folder), *_tables(whole, self.seed, folder)]
        result = record.model_copy(
            update={
                "version": self.version,
                "files": sorted(files, key=lambda file: file.path),
                "settings": _settings(record, files),
            }
        )
        (folder / manifest.NAME).write_text(Manifest.to_json(result), encoding="utf-8")
        return folder

    def later(self, version: str) -> "Small":
        """A later version, with other rows."""
        return replace(self, version=version, seed=self.seed + 1_000)


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    """Changes the values of a release's manifest."""
    path = folder / manifest.NAME
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def replace_file(folder: Path, path: str, content: bytes) -> None:
    """Another file in its place, with a manifest that vouches for its bytes."""
    (folder / path).write_bytes(content)

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == path)
        entry.update(bytes=len(content), sha256=manifest.digest_of(folder / path))

    edit(folder, change)


def _tables(whole: Path, seed: int, folder: Path) -> list[File]:
    """Neighbouring candidates and what belongs to them."""
    candidates = pl.read_parquet(whole / configs.CANDIDATES.path)
    start = seed * STRIDE % (len(candidates) - CANDIDATES)
    prompts = candidates.slice(start, CANDIDATES)
    parts = {
        configs.CANDIDATES: RELEASED_CANDIDATES,
        TRAIN: RELEASED_TRAIN,
        VERDICTS: schemas.VERDICTS,
    }
    files = []
    for place, schema in parts.items():
        rows = pl.read_parquet(whole / place.path).filter(pl.col("prompt_id").is_in(prompts["prompt_id"].implode()))
        table = tables.write_table([rows], schema, place, folder, [])
        files.append(_file(folder, place.path).model_copy(update={"table": table}))
    return files


def _settings(record: Manifest, files: list[File]) -> dict:
    """The groups that say how many rows there are."""
    rows = next(file.table.rows for file in files if file.path == TRAIN.path)
    build = {"models": ["tiny"], "arms": ["balanced"]}
    arms = {"balanced": record.settings["arms"]["balanced"]}
    return {"prompts": {"rows": CANDIDATES}, "select": {"rows": rows}, "build": build, "arms": arms}


def _card(small: Small, folder: Path) -> File:
    text = CARD.format(
        licence=licences.MIXTURE, version=small.version, begin=cards.BEGIN, words=small.words, end=cards.END
    )
    (folder / manifest.CARD).write_text(text, encoding="utf-8")
    return _file(folder, manifest.CARD)


def _file(folder: Path, path: str) -> File:
    here = folder / path
    return File(path=path, bytes=here.stat().st_size, sha256=manifest.digest_of(here), table=None)
