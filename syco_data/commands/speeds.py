"""How fast a model reads here, in tokens a second, as `models assess` or stage filter measured it last."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents

KEY = "tokens_per_second"
_LARGEST = 1 << 16  # bytes of a record


def write(data: Path, model: str, measured: Sequence[float]) -> None:
    """Records the slowest of the speeds; without one, what was measured before stays."""
    if measured:
        files.write_json(_assessed(data, model), {KEY: round(min(measured), 1)}, indent=2)


def read(data: Path, model: str) -> float | None:
    """None where nothing was measured."""
    for path in (data / "reports/filter" / model / "speed.json", _assessed(data, model)):
        try:
            record = documents.read_json(path, _LARGEST)
        except (FileNotFoundError, SycoError):
            continue
        speed = record.get(KEY) if isinstance(record, dict) else None
        if isinstance(speed, int | float) and speed > 0:
            return float(speed)
    return None


def time(tokens: int, speed: float | None) -> str:
    """For people: `about 1:23:00`; or what would measure it."""
    if not tokens:
        return "none"
    if speed is None:
        return "unknown before `models assess`"
    return f"about {timedelta(seconds=max(1, round(tokens / speed)))}"


def _assessed(data: Path, model: str) -> Path:
    return data / "reports/assess" / model / "speed.json"
