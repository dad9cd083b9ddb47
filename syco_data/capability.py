"""What tuning must not cost: MMLU and BIG-Bench Hard by lm-evaluation-harness, in the harness's own prompts.

Questions come from the Hub, or from local files in the layouts that upstream publishes, packed or plain:
`mmlu/{dev,test}/<subject>_{dev,test}.csv` (no head: question, four options, letter) and `bbh/<subject>.json`
(`examples` of `input` and `target`). Each answered question is one row, so that differences can be paired.
"""

import csv
import gzip
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import yaml

from syco_data import statistics
from syco_data.engines import accelerator
from syco_data.errors import SycoError
from syco_data.evaluation import Subject
from syco_data.models import ResolvedModel
from syco_data.schemas import CAPABILITY, COMPARISONS, METRICS
from syco_data.settings import Capability, Filter, unknown
from syco_data.statistics import Precision

LETTERS = "ABCD"
BACKENDS = {"transformers": "hf", "vllm": "vllm"}


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


def solve(subject: Subject, settings: Capability, engine: Filter) -> pl.DataFrame:
    """Every question of the wanted tasks with whether it was solved, as `schemas.CAPABILITY`.

    `engine` says what runs the model; the harness brings its own loader for each.
    """
    found = []
    for name in settings.tasks:
        if name not in TASKS:
            raise SycoError(f"evaluate.capability.tasks: {unknown(name, TASKS)}")
        found += _run(TASKS[name], subject, settings, engine)
    who = {"model": pl.lit(subject.name), "arm": pl.lit(subject.arm)}
    columns = {name: kind for name, kind in CAPABILITY.columns.items() if name not in who}
    return pl.DataFrame(found, schema=columns, orient="row").with_columns(**who).select(CAPABILITY.names)


def _run(task: Task, subject: Subject, settings: Capability, engine: Filter) -> Iterator[tuple]:
    """Rows `task`, `subject`, `question`, `correct`."""
    with TemporaryDirectory() as folder:
        files = [_task_file(task, name, settings, Path(folder)) for name in _chosen(task, settings)]
        try:
            answered = _harness(files, subject.model, settings, engine)
        except (AssertionError, KeyError, OSError, RuntimeError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise SycoError(f"evaluate.capability: lm-evaluation-harness stopped at {task.name}: {reason}") from error
    for name, samples in sorted(answered.items()):
        for sample in samples:
            yield task.name, name.removeprefix(task.prefix), sample["doc_id"], sample[task.score] == 1.0


def _harness(files: list[str], model: ResolvedModel, settings: Capability, engine: Filter) -> dict[str, list[dict]]:
    """The harness's record of every question, by its name of the task."""
    from lm_eval import simple_evaluate

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    if model.positions is not None and settings.max_tokens >= model.positions:
        raise ValueError(f"max_tokens is {settings.max_tokens}, the model takes texts of {model.positions} tokens")
    answered = simple_evaluate(
        model=BACKENDS[engine.engine],
        model_args={"pretrained": str(model.folder), "dtype": model.dtype, "trust_remote_code": False},
        tasks=files,
        batch_size=settings.batch,
        device=accelerator(engine.transformers.device).split()[0],
        limit=settings.limit,
        bootstrap_iters=0,
        apply_chat_template=model.style == "chat",
        gen_kwargs={"max_gen_toks": settings.max_tokens},
    )
    return answered["samples"]


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


def _task_file(task: Task, name: str, settings: Capability, folder: Path) -> str:
    """A task file that includes the harness's own and reads local questions where the settings say so."""
    spec: dict = {"include": str(task.file(name)), "task": f"{task.prefix}{name}"}
    if task.shots is not None:
        spec["num_fewshot"] = task.shots
    if settings.origin == "directory":
        splits = {split: _file(settings, task, name, split) for split in ("test", "dev")}
        files = {split: _prepared(path, folder / f"{name}.{split}.jsonl") for split, path in splits.items() if path}
        kwargs = {"data_files": files, "cache_dir": str(folder / "cache")}
        spec |= {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": kwargs}
    target = folder / f"{task.prefix}{name}.yaml"
    target.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return str(target)


def _file(settings: Capability, task: Task, name: str, split: str) -> Path | None:
    """The local file of one subject; BIG-Bench Hard has a test split alone."""
    if task.suite == "bbh" and split != "test":
        return None
    stem = f"mmlu/{split}/{name}_{split}.csv" if task.suite == "mmlu" else f"bbh/{name}.json"
    paths = (settings.folder() / f"{stem}{packed}" for packed in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _prepared(path: Path, target: Path) -> str:
    """The questions of one upstream file as JSON lines with the columns that the harness's task reads."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        rows = list(_mmlu(text) if ".csv" in path.name else _bbh(text))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SycoError(f"evaluate.capability: {path.name} is not in the published layout: {error}") from error
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(target)


def _mmlu(text: str) -> Iterator[dict]:
    for question, *choices, letter in csv.reader(io.StringIO(text)):
        if len(choices) != len(LETTERS):
            raise ValueError(f"{len(choices)} options instead of {len(LETTERS)}: {question[:60]!r}")
        yield {"question": question, "choices": choices, "answer": LETTERS.index(letter)}


def _bbh(text: str) -> Iterator[dict]:
    for example in json.loads(text)["examples"]:
        yield {"input": example["input"], "target": example["target"]}


def measure(solved: pl.DataFrame, precision: Precision) -> pl.DataFrame:
    """Accuracy by task and by subject, as `schemas.METRICS`."""
    rows = []
    for task, name, group in _slices(solved):
        rate = statistics.rate(group["correct"], _item(group), precision)
        found = {"probe": task, "metric": "accuracy", "slice": name, "chance": TASKS[task].chance, **vars(rate)}
        rows.append({**_who(group), **found})
    return pl.DataFrame(rows, schema=METRICS.columns)


def compare(before: pl.DataFrame, after: pl.DataFrame, precision: Precision) -> pl.DataFrame:
    """Paired differences on the questions that both models were asked, as `schemas.COMPARISONS`."""
    values = after.select("task", "subject", "question", after="correct")
    paired = before.join(values, on=["task", "subject", "question"]).sort("task", "subject", "question")
    rows = []
    for task, name, group in _slices(paired):
        found = statistics.difference(group.select("after", cluster=_item(group), before="correct"), precision)
        who = _who(after)
        rows.append({**who, "probe": task, "metric": "accuracy", "slice": name, **vars(found)})
    return pl.DataFrame(rows, schema=COMPARISONS.columns)


def _item(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.format("{}/{}", "subject", "question")).to_series()


def _who(rows: pl.DataFrame) -> dict[str, str]:
    return {name: rows[name].first() for name in ("model", "arm")}


def _slices(solved: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for task, rows in solved.group_by("task", maintain_order=True):
        yield task[0], "all", rows
        for name, group in rows.group_by("subject", maintain_order=True):
            yield task[0], f"subject={name[0]}", group
