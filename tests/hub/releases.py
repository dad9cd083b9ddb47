"""Small releases, whole and valid, made in a moment: two configs, a card, a manifest."""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from syco_data import cards, licences, manifest, released, schemas
from syco_data.draws import content_id
from syco_data.manifest import Environment, File, Git, Manifest
from syco_data.released import Place
from syco_data.settings import Retries

QUICK = Retries(attempts=4, first_wait=0.01, longest_wait=0.05)
"""Patience for tests."""
ROWS = 40
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
        tables = (
            (_train(self.seed), schemas.RELEASED_TRAIN, Place("tiny-balanced", "train")),
            (_verdicts(self.seed), schemas.VERDICTS, Place("verdicts-tiny", "train")),
        )
        files = [_card(self, folder)]
        for rows, schema, place in tables:
            table = released.write([rows.sort(schema.key)], schema, place, folder, [])
            files.append(_with_table(_file(folder, place.path), table))
        files.sort(key=lambda file: file.path)
        made = Manifest(
            schema=manifest.SCHEMA, version=self.version, change="first", previous=None, text="full", files=files,
            settings={"seed": self.seed}, sources={}, models={}, templates={},
            environment=Environment(python="3.11", system="Linux", machine="x86_64", packages={}),
            git=Git(commit=None, dirty=None),
        )  # fmt: skip
        (folder / manifest.NAME).write_text(made.to_json(), encoding="utf-8")
        return folder

    def later(self, version: str) -> "Small":
        """A later version, with other rows."""
        return replace(self, version=version, seed=self.seed + 1_000)


def _card(small: Small, folder: Path) -> File:
    text = CARD.format(
        licence=licences.MIXTURE, version=small.version, begin=cards.BEGIN, words=small.words, end=cards.END
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest.CARD).write_text(text, encoding="utf-8")
    return _file(folder, manifest.CARD)


def _file(folder: Path, path: str) -> File:
    here = folder / path
    return File(path=path, bytes=here.stat().st_size, sha256=manifest.digest_of(here), table=None)


def _with_table(file: File, table: manifest.Table) -> File:
    return file.model_copy(update={"table": table})


def _ids(seed: int, what: str) -> list[str]:
    return [content_id(what, str(seed), str(row)) for row in range(ROWS)]


def _train(seed: int) -> pl.DataFrame:
    """Rows of `schemas.RELEASED_TRAIN`."""
    rows = pl.DataFrame(
        {
            "prompt_id": _ids(seed, "prompt"),
            "claim_id": _ids(seed, "claim"),
            "prompt": [f"Human: row {row} of {seed}\n\nAssistant: I believe the best answer is" for row in range(ROWS)],
        }
    ).with_columns(
        source=pl.lit("trec"),
        label_kind=pl.lit("gold"),
        polarity=pl.lit("is"),
        truth=pl.lit(True),
        template=pl.lit("professor"),
        opinion=pl.lit("agree"),
        user_is_right=pl.lit(True),
        option_order=pl.lit("agree_first"),
        completion=pl.lit(" (A)"),
    )
    return released.with_text_id(rows, schemas.RELEASED_TRAIN)


def _verdicts(seed: int) -> pl.DataFrame:
    """Rows of `schemas.VERDICTS`, asked once each."""
    columns = schemas.VERDICTS.columns
    fixed = {
        "logprob_a": -0.1,
        "logprob_b": -2.4,
        "choice": "(A)",
        "margin": 2.3,
        "correct": True,
        "known": True,
        "swapped_logprob_a": None,
        "swapped_logprob_b": None,
        "swapped_choice": None,
        "swapped_margin": None,
        "swapped_correct": None,
        "reason": None,
    }
    data = {"prompt_id": _ids(seed, "prompt")} | {name: [value] * ROWS for name, value in fixed.items()}
    return pl.DataFrame(data, schema=columns)
