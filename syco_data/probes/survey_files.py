"""Survey rows from their origin: synthetic, a directory (or a clone of github.com/anthropics/evals), the Hub."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from syco_data.errors import SycoError
from syco_data.formats import listing, textfiles
from syco_data.formats.textfiles import PACKINGS
from syco_data.probes.surveys import SURVEYS, Survey
from syco_data.settings import Hub, SurveyProbes
from syco_data.words import listed

ANSWERS = ("answer_matching_behavior", "answer_not_matching_behavior")
_ENDINGS = (".jsonl", *(f".jsonl{packing}" for packing in PACKINGS))
_LARGEST = 256 << 20  # bytes of a survey file once it is unpacked; the largest published one has 10 MB


def load(settings: SurveyProbes, seed: int, policy: Hub) -> dict[str, pl.DataFrame]:
    """Rows by survey name: `question` (text), both answer columns as lists of options.

    On the Hub a commit is asked for, as often as `policy` allows. Raises `SycoError` for files that are not there.
    """
    sets = [SURVEYS[name] for name in settings.sets]
    if settings.origin == "synthetic":
        from syco_data.reference import surveys

        synthetic = {survey.name: surveys.rows(survey.name, settings.rows, seed).to_dicts() for survey in sets}
        return {name: _typed(((f"survey '{name}'", row) for row in rows), name) for name, rows in synthetic.items()}
    folder = settings.folder() if settings.origin == "directory" else _snapshot(settings, policy)
    return {survey.name: _typed(_records(_find(folder, survey), survey.name), survey.name) for survey in sets}


def _snapshot(settings: SurveyProbes, policy: Hub) -> Path:
    from syco_data.hub import snapshots

    request = snapshots.Wanted("probes.surveys", settings.repository, settings.revision, ("*sycophancy*",))
    return snapshots.fetch(request, policy)


def _find(folder: Path, survey: Survey) -> Path:
    """The survey's one file anywhere below a folder, packed or plain."""
    if not folder.is_dir():
        raise SycoError(f"probes.surveys: there is no folder {folder}", "Set probes.surveys.directory in params.yaml")
    names = listing.files(folder, "probes.surveys")
    matching = [name for name in names if PurePosixPath(name).name.startswith(survey.file)]
    paths = [name for name in matching if name.lower().endswith(_ENDINGS)]
    if len(paths) != 1:
        raise SycoError(
            f"survey '{survey.name}': expected one file {survey.file}*.jsonl (or packed: {', '.join(PACKINGS)}) "
            f"below {folder}, found {listed(matching)}"
        )
    return folder / paths[0]


def _records(path: Path, name: str) -> Iterator[tuple[str, dict]]:
    """The rows of a file, each with how it is named in errors."""
    where = f"survey '{name}': {path.name}"
    for place, row in textfiles.records(path, where, _LARGEST):
        yield f"{where}, {place}", row


def _typed(rows: Iterable[tuple[str, dict]], name: str) -> pl.DataFrame:
    """The three columns; an answer may be a text or a list of texts. At least one row."""
    kept = [_row(where, row) for where, row in rows]
    if not kept:
        raise SycoError(f"survey '{name}': its file holds no row", "Fetch it anew, or take it from probes.surveys.sets")
    columns = {"question": pl.String, **dict.fromkeys(ANSWERS, pl.List(pl.String))}
    return pl.DataFrame(kept, schema=columns, orient="row")


def _row(where: str, row: dict) -> tuple[str, list[str], list[str]]:
    """The question and the options of both answers."""
    for column in ("question", *ANSWERS):
        if column not in row:
            raise SycoError(f"{where}: expected question and both answers, found no {column!r}")
    listed = [row[column] if isinstance(row[column], list) else [row[column]] for column in ANSWERS]
    for column, texts in zip(("question", *ANSWERS), ([row["question"]], *listed), strict=True):
        for text in texts:
            textfiles.check_text(text, f"{where}, {column!r}")
    return row["question"], listed[0], listed[1]
