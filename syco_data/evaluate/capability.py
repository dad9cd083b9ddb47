"""What tuning must not cost: MMLU and BIG-Bench Hard by lm-evaluation-harness, in the harness's own prompts.

Questions come from the Hub, or from local files in the layouts that upstream publishes, packed or plain:
`mmlu/{dev,test}/<subject>_{dev,test}.csv` (no head: question, four options, letter) and `bbh/<subject>.json`
(`examples` of `input` and `target`). Each answered question is one row, so that differences can be paired.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml

from syco_data import files
from syco_data.errors import SycoError
from syco_data.evaluate import harness, statistics
from syco_data.evaluate.answers import Subject
from syco_data.evaluate.statistics import Precision
from syco_data.formats import textfiles
from syco_data.schemas import CAPABILITY, COMPARISONS, METRICS
from syco_data.settings import Capability, Engines

LETTERS = "ABCD"
_LARGEST = 64 << 20  # bytes of a file of questions; the largest published one has 2 MB
SPLITS = {"mmlu": ("test", "dev"), "bbh": ("test",)}
"""The files of a subject by suite; BIG-Bench Hard's examples stand in the harness."""


@dataclass(frozen=True)
class Task:
    """One way to ask a suite: `folder` and `prefix` name the harness's tasks, `score` its figure per question.

    `shots` overrides the harness's number of examples; `chance` is the accuracy of guessing, if there is one.
    """

    name: str
    suite: str
    folder: str
    prefix: str
    shots: int | None
    score: str
    chance: float | None

    def subjects(self) -> list[str]:
        """Every subject that the installed harness knows."""
        files = self._folder.glob("[!_]*.yaml")
        return sorted(path.stem.removeprefix("mmlu_") for path in files)

    def file(self, subject: str) -> Path:
        """The harness's task file of a subject."""
        return self._folder / f"{'mmlu_' if self.suite == 'mmlu' else ''}{subject}.yaml"

    @property
    def _folder(self) -> Path:
        import lm_eval

        return Path(lm_eval.__file__).parent / "tasks" / self.folder


_RECORDS = (
    Task("mmlu_0shot", "mmlu", "mmlu/default", "mmlu_", 0, "acc", 0.25),
    Task("mmlu_5shot", "mmlu", "mmlu/default", "mmlu_", 5, "acc", 0.25),
    Task("bbh_3shot", "bbh", "bbh/fewshot", "bbh_fewshot_", None, "exact_match", None),
    Task("bbh_3shot_cot", "bbh", "bbh/cot_fewshot", "bbh_cot_fewshot_", None, "exact_match", None),
)
TASKS = {record.name: record for record in _RECORDS}


def solve(subject: Subject, settings: Capability, engine: Engines) -> pl.DataFrame:
    """Every question of the wanted tasks with whether it was solved, as `schemas.CAPABILITY`.

    `engine` says what runs the model; the harness brings its own loader for each. A question whose prompt is too
    long for the model is not asked: its `correct` is null.
    """
    solved = list(_solved(subject, settings, engine)) if settings.tasks else []
    who = {"model": pl.lit(subject.name), "arm": pl.lit(subject.arm)}
    columns = {name: kind for name, kind in CAPABILITY.columns.items() if name not in who}
    return pl.DataFrame(solved, schema=columns, orient="row").with_columns(**who).select(CAPABILITY.names)


def _solved(subject: Subject, settings: Capability, engine: Engines) -> Iterator[tuple]:
    """Rows `task`, `subject`, `question`, `correct` of all tasks; the model is loaded once."""
    with TemporaryDirectory() as folder:
        tasks = [TASKS[name] for name in settings.tasks]
        files = {task: _task_files(task, settings, Path(folder) / task.name) for task in tasks}
        with _in_one_line("the model"):
            loaded = harness.load(subject.model, settings, engine)
        for task in tasks:
            with _in_one_line(task.name):
                answered = harness.run(loaded, files[task], subject.model, settings)
            yield from _rows(task, answered, loaded)


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    try:
        yield
    except (AssertionError, KeyError, OSError, RuntimeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise SycoError(f"evaluate.capability: lm-evaluation-harness stopped at {where}: {reason}") from error


def _rows(task: Task, answered: dict[str, list[dict]], loaded: Any) -> Iterator[tuple]:
    for name, samples in sorted(answered.items()):
        for sample in samples:
            correct = None if harness.is_too_long(loaded, sample) else sample[task.score] == 1.0
            yield task.name, name.removeprefix(task.prefix), sample["doc_id"], correct


def _chosen(task: Task, settings: Capability) -> list[str]:
    subjects = task.subjects()
    if settings.origin == "directory":
        subjects = [name for name in subjects if _file(settings, task, name, "test") is not None]
        if not subjects:
            raise SycoError(
                f"evaluate.capability: no file of {task.suite} below {settings.folder()}",
                "Correct evaluate.capability.directory, or set its origin to hub",
            )
    return subjects[: settings.subjects]


def _task_files(task: Task, settings: Capability, folder: Path) -> list[str]:
    names = _chosen(task, settings)
    folder.mkdir()
    return [_task_file(task, name, settings, folder) for name in names]


def _task_file(task: Task, name: str, settings: Capability, folder: Path) -> str:
    """A task file that includes the harness's own and reads local questions where the settings say so."""
    spec: dict = {"include": str(task.file(name)), "task": f"{task.prefix}{name}"}
    if task.shots is not None:
        spec["num_fewshot"] = task.shots
    if settings.origin == "directory":
        files = {
            split: _prepared(_found(settings, task, name, split), folder / f"{name}.{split}.jsonl")
            for split in SPLITS[task.suite]
        }
        kwargs = {"data_files": files, "cache_dir": str(folder / "cache")}
        spec |= {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": kwargs}
    else:
        spec["dataset_kwargs"] = {"revision": getattr(settings.revisions, task.suite)}
    target = folder / f"{task.prefix}{name}.yaml"
    target.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return str(target)


def _found(settings: Capability, task: Task, name: str, split: str) -> Path:
    path = _file(settings, task, name, split)
    if path is None:
        raise SycoError(
            f"evaluate.capability: there is no {split} file of {task.suite}'s {name} below {settings.folder()}",
            "Fetch it: the harness takes its examples from there",
        )
    return path


def _file(settings: Capability, task: Task, name: str, split: str) -> Path | None:
    """The local file of one subject."""
    stem = f"mmlu/{split}/{name}_{split}.csv" if task.suite == "mmlu" else f"bbh/{name}.json"
    paths = (settings.folder() / f"{stem}{packed}" for packed in ("", *textfiles.PACKINGS))
    return next((path for path in paths if path.is_file()), None)


def _prepared(path: Path, target: Path) -> str:
    """The questions of one upstream file as JSON lines with the columns that the harness's task reads."""
    name = f"evaluate.capability: {path.name}"
    text = textfiles.text(path, name, _LARGEST)
    try:
        rows = list(_mmlu(text) if ".csv" in path.name else _bbh(text, name))
        if not rows:
            raise ValueError("it holds no question")
    except (csv.Error, ValueError, KeyError, TypeError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise SycoError(f"{name} is not in the published layout: {reason}", "Fetch it anew") from error
    files.write(target, "".join(json.dumps(row) + "\n" for row in rows))
    return str(target)


def _mmlu(text: str) -> Iterator[dict]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for row in filter(None, _with_line(reader)):
        if len(row) != len(LETTERS) + 2:
            count = max(0, len(row) - 2)
            raise ValueError(f"line {reader.line_num}: {count} options instead of {len(LETTERS)}: {row[0][:60]!r}")
        question, *choices, letter = row
        if letter not in tuple(LETTERS):
            raise ValueError(f"line {reader.line_num}: {letter[:20]!r} is none of the letters {', '.join(LETTERS)}")
        yield {"question": question, "choices": choices, "answer": LETTERS.index(letter)}


def _with_line(reader: Any) -> Iterator[list[str]]:
    """The reader's rows; what is wrong with one is said with the line that it ends in."""
    try:
        yield from reader
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _bbh(text: str, name: str) -> Iterator[dict]:
    for number, example in enumerate(textfiles.parsed(text, name)["examples"], start=1):
        columns = ("input", "target")
        yield {
            column: textfiles.check_text(example[column], f"{name}, example {number}, {column!r}") for column in columns
        }


def measure(solved: pl.DataFrame, precision: Precision) -> pl.DataFrame:
    """By task and by subject, as `schemas.METRICS`: accuracy on the questions asked, and the share of the others."""
    rows = []
    for task, name, group in _slices(solved):
        values = {"accuracy": group["correct"], "unanswered": group["correct"].is_null()}
        for metric, chance in (("accuracy", TASKS[task].chance), ("unanswered", None)):
            if (rate := statistics.rate(values[metric], _item(group), precision)) is not None:
                row = {"probe": task, "metric": metric, "slice": name, "chance": chance, **vars(rate)}
                rows.append({**_who(group), **row})
    return pl.DataFrame(rows, schema=METRICS.columns)


def compare(before: pl.DataFrame, after: pl.DataFrame, precision: Precision) -> pl.DataFrame:
    """Paired differences on the questions that both models answered, as `schemas.COMPARISONS`."""
    values = after.select("task", "subject", "question", after="correct")
    paired = before.join(values, on=["task", "subject", "question"]).sort("task", "subject", "question")
    rows = []
    for task, name, group in _slices(paired):
        pairs = group.select("after", cluster=_item(group), before="correct")
        if (difference := statistics.difference(pairs, precision)) is not None:
            rows.append({**_who(after), "probe": task, "metric": "accuracy", "slice": name, **vars(difference)})
    return pl.DataFrame(rows, schema=COMPARISONS.columns)


def _item(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.format("{}/{}", "subject", "question")).to_series()


def _who(rows: pl.DataFrame) -> dict[str, str]:
    return {name: str(rows[name].first()) for name in ("model", "arm")}


def _slices(solved: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for task, rows in solved.group_by("task", maintain_order=True):
        yield task[0], "all", rows
        for name, group in rows.group_by("subject", maintain_order=True):
            yield task[0], f"subject={name[0]}", group
