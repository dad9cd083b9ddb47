"""What the verdicts of a model belong to, as a small file beside them: the model's commit, the engine, the device."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from syco_data import files
from syco_data.engines.store import PartitionKey
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings import Filter, Model

NAME = "model.json"


def write(model: Model, key: PartitionKey, way: Filter, folder: Path) -> None:
    """Writes `source`, `revision`, all that a score depends on, and how it was asked (`way`, without any `auto`).

    No path of this machine is in it.
    """
    record = {**asdict(key), "source": portable_source(model.source), "revision": model.revision}
    asking = {"ask": way.ask, "calibrate": way.calibrate, "rule": way.rule}
    files.write_json(folder / NAME, {"digest": record.pop("model"), **record, **asking})


def read(folder: Path) -> dict[str, Any]:
    """The record that lies beside a model's verdicts."""
    path = folder / NAME
    try:
        return documents.read_json(path, documents.LARGEST_REPORT)
    except (OSError, SycoError) as error:
        raise SycoError(f"{path} cannot be read: {error}", "Build it: dvc repro filter") from error


def portable_source(source: str) -> str:
    """A model's Hub id or `reference`; of a local folder only that it is one (its digest is recorded)."""
    return "local folder" if Path(source).is_absolute() or Path(source).expanduser().is_dir() else source
