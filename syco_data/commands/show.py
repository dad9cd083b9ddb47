"""`show ID`: everything the build knows of one claim, prompt, probe or source row."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from syco_data import schemas, tables
from syco_data.commands import output, project
from syco_data.errors import SycoError
from syco_data.settings import unknown
from syco_data.sources import SOURCES

DATA = Path("data")
BASE = "base"
_REMARKS = {
    "correct": {True: "right", False: "wrong"},
    "matches_user": {True: "as the user", False: "not as the user"},
}
SHORTEST_PREFIX = 6
PLACE = re.compile(r"([a-z0-9_]+)/(\d{1,9})")


def show(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The id of a claim, prompt or probe, or its first characters; or SOURCE/ROW."
        ),
    ],
    data: Annotated[Path | None, typer.Option(**project.FOLDER, help="Another folder of a build than data/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Shows one claim or prompt with its source row, persona, verdicts and arms; or a probe with every arm's answer."""
    if data is None:
        project.require()
    parts = _gather(identity, data or DATA)
    if as_json:
        typer.echo(json.dumps(parts, indent=2, ensure_ascii=False))
        return
    for part, values in parts.items():
        table = output.table("", "", title=part)
        table.show_header = False
        for name, value in values.items():
            table.add_row(name, "-" if value is None else output.safe(str(value)))
        output.show(table, "")


def _gather(identity: str, data: Path) -> dict[str, dict[str, Any]]:
    """Parts of the record by name, in the order in which the build made them."""
    if place := PLACE.fullmatch(identity):
        return _of_row(place[1], int(place[2]), data)
    prompt = _find(data / "prompts" / "prompts.parquet", "prompt_id", identity)
    claim_id = prompt["claim_id"] if prompt else identity
    claim = _find(data / "claims" / "claims.parquet", "claim_id", claim_id)
    if claim is None:
        probe = _probe(identity, data)
        if probe is None:
            raise SycoError(
                f"show: no claim, prompt or probe of {data} has the id {identity!r}",
                "Ids stand in data/claims/claims.parquet, data/prompts/prompts.parquet and data/probes/probes.parquet",
            )
        return {"probe": probe} | _answers(probe["probe_id"], data)
    return _of_claim(claim, prompt, data)


def _probe(identity: str, data: Path) -> dict[str, Any] | None:
    path = data / "probes" / "probes.parquet"
    return _find(path, "probe_id", identity) if path.is_file() else None


def _answers(probe_id: str, data: Path) -> dict[str, dict[str, Any]]:
    """For each model: what every arm answers that was asked, the untuned model (`base`) first."""
    paths = sorted((data / "answers").glob("*/*/answers.parquet"), key=lambda path: (path.parts[-2] != BASE, path))
    if not paths:
        return {"answers": {"none": "no arm is evaluated yet: dvc repro evaluate"}}
    answers: dict[str, dict[str, Any]] = {}
    for path in paths:
        if row := _find(path, "probe_id", probe_id):
            answers.setdefault(f"answers of {path.parts[-3]}", {})[path.parts[-2]] = _answer(row)
    return answers or {"answers": {"none": "no arm was asked this probe: it is of the other split (evaluate.split)"}}


def _answer(row: dict[str, Any]) -> str:
    """`(B), wrong, as the user; log-probabilities -1.20, -0.36; generated: (B)`."""
    if row["choice"] is None:
        return "none: the text is too long for the model"
    remarks = [words[row[column]] for column, words in _REMARKS.items() if row[column] is not None]
    parts = [
        ", ".join([row["choice"].strip(), *remarks]),
        f"log-probabilities {', '.join(f'{value:.2f}' for value in row['logprobs'])}",
        *([f"generated: {row['generated'].strip()}"] if row["generated"] is not None else []),
    ]
    return "; ".join(parts)


def _of_row(key: str, row: int, data: Path) -> dict[str, dict[str, Any]]:
    """A row of a source's training split, and what became of it."""
    if key not in SOURCES:
        raise SycoError(f"show: {unknown(key, SOURCES)}")
    is_row = (pl.col("source") == key) & (pl.col("row") == row)
    claims, dropped = (
        tables.scan(data / "claims" / name, schema).filter(is_row).collect()
        for name, schema in (("claims.parquet", schemas.CLAIMS), ("dropped.parquet", schemas.DROPPED_ROWS))
    )
    if len(claims):
        return _of_claim(claims.row(0, named=True), None, data)
    if not len(dropped):
        raise SycoError(f"show: source '{key}' has no row {row:,} in its training split")
    place = {"source": key, "row": row, "gold_label": None}
    return {"source row": _source_row(place, data), "dropped": dropped.row(0, named=True)}


def _of_claim(claim: dict[str, Any], prompt: dict[str, Any] | None, data: Path) -> dict[str, dict[str, Any]]:
    parts = {"source row": _source_row(claim, data), "claim": claim}
    prompt = prompt or _find(data / "prompts" / "prompts.parquet", "claim_id", claim["claim_id"])
    if prompt is None:
        return parts | {"prompt": {"reason": "not_sampled"}}
    parts["prompt"] = prompt
    return parts | _verdicts(prompt["prompt_id"], data) | _arms(prompt["prompt_id"], data)


def _find(path: Path, column: str, identity: str) -> dict[str, Any] | None:
    """The one row whose id begins with `identity`; more than one is an error."""
    if not path.is_file():
        raise SycoError(f"show: there is no {path}", "Build it: dvc repro")
    if len(identity) < SHORTEST_PREFIX:
        raise SycoError(f"show: {identity!r} is too short", f"Give at least {SHORTEST_PREFIX} characters of an id")
    rows = (
        pl.scan_parquet(path.absolute(), glob=False).filter(pl.col(column).str.starts_with(identity)).head(3).collect()
    )
    if len(rows) > 1:
        raise SycoError(f"show: {identity!r} begins more than one id ({', '.join(rows[column])})", "Give more of it")
    return rows.row(0, named=True) if len(rows) else None


def _source_row(claim: dict[str, Any], data: Path) -> dict[str, Any]:
    source = SOURCES[claim["source"]]
    rows = tables.scan(data / "raw" / source.key / "rows.parquet", schemas.raw(source))
    is_row = (pl.col("split") == source.train) & (pl.col("row") == claim["row"])
    row = rows.filter(is_row).collect().row(0, named=True)
    label = {} if claim["gold_label"] is None else {"label says": source.wording_of(claim["gold_label"])}
    return {"Hub id": f"{source.hub_id} ({source.config})", **row, **label}


def _verdicts(prompt_id: str, data: Path) -> dict[str, dict[str, Any]]:
    verdicts = {}
    for path in sorted((data / "verdicts").glob("*/verdicts.parquet")):
        row = _find(path, "prompt_id", prompt_id)
        if row:
            verdicts[f"verdict of {path.parent.name}"] = row
    return verdicts


def _arms(prompt_id: str, data: Path) -> dict[str, dict[str, Any]]:
    """For each model and arm: in the training set, or the reason why not."""
    arms: dict[str, dict[str, Any]] = {}
    for path in sorted((data / "train").glob("*/*/train.parquet")):
        dropped = _find(path.with_name("dropped.parquet"), "prompt_id", prompt_id)
        kept = _find(path, "prompt_id", prompt_id)
        place = "in the training set" if kept else f"dropped: {dropped['reason']}" if dropped else "unknown to this arm"
        arms.setdefault(f"arms of {path.parent.parent.name}", {})[path.parent.name] = place
    return arms
