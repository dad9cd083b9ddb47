"""The release of the data that a model was tuned on, for the card that it is published with."""

from pathlib import Path

import polars as pl

from syco_data.errors import SycoError
from syco_data.finetune.model_cards import DataRelease, TuningRecord, prompts_digest
from syco_data.formats import documents
from syco_data.release import manifest

_LARGEST = 1 << 20  # bytes of a receipt


def of_release(record: TuningRecord, folder: Path, receipt: Path) -> DataRelease:
    """The release in `folder`, if it holds the very training set of this model.

    Raises `SycoError` where the release has no such training set, or one of other rows.
    """
    release, config = manifest.read(folder), f"{record.model}-{record.arm}"
    tables = [
        file for file in release.files if file.table and (file.table.config, file.table.split) == (config, "train")
    ]
    if not tables:
        raise SycoError(f"release {release.version} in {folder} has no training set '{config}'", "dvc repro release")
    ids = pl.concat([_prompt_ids(folder / file.path) for file in tables])
    if prompts_digest(ids) != record.prompts:
        raise SycoError(
            f"model '{record.model}', arm '{record.arm}' was tuned on other rows than release {release.version} holds",
            "Build both from one state: dvc repro",
        )
    identity = manifest.identity(folder)
    return DataRelease(_published(receipt, release.version), release.version, config, identity)


def _prompt_ids(path: Path) -> pl.Series:
    try:
        return pl.read_parquet(path.absolute(), columns=["prompt_id"], glob=False)["prompt_id"]
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())
        raise SycoError(f"{path} cannot be read: {reason:.200}", "dvc repro release") from error


def _published(receipt: Path, version: str) -> str | None:
    """The repository that holds this version of the data, by the receipt of stage publish."""
    try:
        value = documents.read_json(receipt, _LARGEST)
    except FileNotFoundError:
        return None
    published = value if isinstance(value, dict) else {}
    same = published.get("commit") and published.get("version") == version
    return published.get("repository") if same else None
