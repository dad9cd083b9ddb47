"""How long a model takes here: the seconds of 1,000 texts, as stage filter or `models assess` measured them last.

By texts and not by tokens: what a text costs depends on the way of asking, and on what the prefix cache holds.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from syco_data import files
from syco_data.formats import documents

_LARGEST = 1 << 16  # bytes of a record


def write(data: Path, model: str, seconds: Sequence[float]) -> None:
    """Records the slowest way of asking; where nothing was measured, what was measured before stays."""
    if seconds:
        files.write_json(_assessed(data, model), {"seconds": max(seconds), "fresh": 1000}, indent=2)


def read(data: Path, model: str) -> float | None:
    """None where nothing was measured. Raises `SycoError` for a record that is damaged."""
    for path in (data / "reports/filter" / model / "speed.json", _assessed(data, model)):
        try:
            record: Any = documents.read_json(path, _LARGEST)
        except FileNotFoundError:
            continue
        if record["fresh"]:  # a run that took all scores from the store says nothing
            return 1000 * record["seconds"] / record["fresh"]
    return None


def time(texts: int, seconds: float | None) -> str:
    """For people: `about 1:23:00`; or what would measure it."""
    if not texts:
        return "none"
    if seconds is None:
        return "unknown before `models assess`"
    return f"about {timedelta(seconds=max(1, round(texts * seconds / 1000)))}"


def _assessed(data: Path, model: str) -> Path:
    return data / "reports/assess" / model / "speed.json"
