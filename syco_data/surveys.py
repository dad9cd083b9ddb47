"""Survey rows from their origin: embedded, a directory (or a clone of github.com/anthropics/evals), the Hub."""

import gzip
import json
import zlib
from pathlib import Path

import polars as pl

from syco_data.errors import SycoError
from syco_data.probes.surveys import SURVEYS, Survey
from syco_data.settings import Retries, SurveyProbes

ANSWERS = ("answer_matching_behavior", "answer_not_matching_behavior")
_ENDINGS = (".jsonl", ".jsonl.gz")


def load(settings: SurveyProbes, seed: int, patience: Retries) -> dict[str, pl.DataFrame]:
    """Rows by survey name: `question` (text), both answer columns as lists of options.

    On the Hub a commit is asked for, as often as `patience` says. Raises `SycoError` for files that are not there.
    """
    wanted = [SURVEYS[name] for name in settings.sets]
    if settings.origin == "embedded":
        from syco_data.embedded import surveys

        return {s.name: _typed(surveys.rows(s.name, settings.rows, seed).to_dicts(), s.name) for s in wanted}
    folder = settings.folder() if settings.origin == "directory" else _snapshot(settings, patience)
    return {survey.name: _typed(_lines(_find(folder, survey)), survey.name) for survey in wanted}


def _snapshot(settings: SurveyProbes, patience: Retries) -> Path:
    from syco_data.remote import snapshots

    wanted = snapshots.Wanted("probes.surveys", settings.repository, settings.revision, ("*sycophancy*",))
    return snapshots.fetch(wanted, patience)


def _find(folder: Path, survey: Survey) -> Path:
    """The survey's one file anywhere below a folder, packed or plain."""
    found = sorted(path for path in folder.rglob(f"{survey.file}*") if path.name.endswith(_ENDINGS))
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise SycoError(f"survey '{survey.name}': expected one file {survey.file}*.jsonl below {folder}, found {names}")
    return found[0]


def _lines(path: Path) -> list[dict]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SycoError(f"survey file {path.name} cannot be read as JSON lines: {error}") from error


def _typed(rows: list[dict], name: str) -> pl.DataFrame:
    """The three columns; an answer may be a text or a list of texts. At least one row."""
    if not rows:
        raise SycoError(f"survey '{name}': its file holds no row", "Fetch it anew, or take it from probes.surveys.sets")
    kept = []
    for number, row in enumerate(rows, start=1):
        question, *answers = (row.get(column) if isinstance(row, dict) else None for column in ("question", *ANSWERS))
        listed = [[answer] if isinstance(answer, str) else answer for answer in answers]
        texts = [question, *(text for answer in listed if isinstance(answer, list) for text in answer)]
        if not all(isinstance(answer, list) for answer in listed) or not all(isinstance(text, str) for text in texts):
            raise SycoError(
                f"survey '{name}', row {number}: expected question and both answers, found {str(row)[:120]}"
            )
        kept.append((question, *listed))
    columns = {"question": pl.String, **dict.fromkeys(ANSWERS, pl.List(pl.String))}
    return pl.DataFrame(kept, schema=columns, orient="row")
