"""Instruction rows from files: recognised by their columns, cleaned of duplicates, freed of the 17 sources.

Facts of file families and of task names are rows of the tables below.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data import draws
from syco_data.errors import SycoError, printable
from syco_data.finetune import instruction_files
from syco_data.formats import textfiles
from syco_data.hub.client import RETRY
from syco_data.schemas import INSTRUCTIONS
from syco_data.settings import Columns, Hub, Instructions
from syco_data.sources import SOURCES
from syco_data.words import listed

_READ = {"file": pl.String, "task": pl.String, "prompt": pl.String, "completion": pl.String}
_REASONS = {
    "from_source": "made from one of the sources",
    "empty": "without a prompt or a completion",
    "duplicate": "that repeat another",
}
_AS_TEXT = (
    "Write requests and answers as text, chat messages and numbers too, or set instructions.columns to columns of text"
)
_NO_TASK = "Set instructions.columns in params.yaml, with task: null"
SUM = r"\b\d+ \+ \d+\b"


@dataclass(frozen=True)
class Family:
    """How one family of files names its columns. `nested`: a list column whose records hold some of them."""

    name: str
    columns: Columns
    nested: str | None = None

    @property
    def required(self) -> set[str]:
        """Columns by which a file of this family is known."""
        texts = {self.nested, "instruction"} if self.nested else {*self.columns.prompt, self.columns.completion}
        return texts | ({self.columns.task} if self.columns.task else set())

    @property
    def columns_read(self) -> set[str]:
        """Columns of a file that hold what is read, and the nested one."""
        return {*self.columns.prompt, self.columns.completion, *filter(None, (self.columns.task, self.nested))}


def _family(name: str, prompt: str, completion: str, task: str | None = None, nested: str | None = None) -> Family:
    return Family(name, Columns(prompt=tuple(prompt.split()), completion=completion, task=task), nested)


FAMILIES = (
    _family("self_instruct", "instruction input", "output", "name", nested="instances"),
    _family("self_instruct_user", "instruction input", "output", "motivation_app", nested="instances"),
    _family("p3", "prompt", "completion", "template"),
    _family("flan", "inputs", "targets", "task"),
    _family("flan_v2", "inputs", "targets", "task_name"),
    _family("flan_plain", "inputs", "targets"),
    _family("alpaca", "instruction input", "output"),
    _family("dolly", "instruction context", "response", "category"),
    _family("tagged", "prompt", "completion", "source"),
    _family("plain", "prompt", "completion"),
)
"""Tried from the top: the first whose columns are all there."""

TASK_NAMES = {
    "sst2": ("sst2", "sst_2", "glue_sst2", "sst"),
    "rotten_tomatoes": ("rotten_tomatoes", "movie_review", "sentiment_polarity"),
    "tweet_sentiment": ("tweet_eval_sentiment", "tweet_sentiment"),
    "tweet_offensive": ("tweet_eval_offensive", "tweet_offensive", "olid"),
    "tweet_irony": ("tweet_eval_irony", "tweet_irony", "semeval_2018_task3_irony"),
    "qqp": ("qqp", "glue_qqp", "quora"),
    "mrpc": ("mrpc", "glue_mrpc"),
    "paws": ("paws", "paws_wiki", "paws_labeled", "pawsx"),
    "rte": ("rte", "glue_rte", "super_glue_rte", "glue_entailment"),
    "wnli": ("wnli", "glue_wnli"),
    "qnli": ("qnli", "glue_qnli"),
    "mnli": ("mnli", "glue_mnli", "multi_nli", "multinli"),
    "snli": ("snli", "e_snli", "esnli", "stanford_nli"),
    "cb": ("cb", "super_glue_cb", "commitment_bank"),
    "trec": ("trec",),
    "ag_news": ("ag_news", "agnews"),
    "cola": ("cola", "glue_cola"),
}
"""What P3, FLAN, Natural Instructions and their kind call a source in the names of tasks made from it."""

AT_START = (
    *("sst", "movie_review", "sentiment_polarity", "tweet_sentiment", "tweet_offensive", "tweet_irony"),
    *("olid", "paws", "rte", "cb", "cola"),
)
"""Names that are words of other tasks too (`coca_cola_adverts`, `imdb_movie_review`): they count at the start alone."""


@dataclass(frozen=True)
class Pool:
    """Instruction rows (`schemas.INSTRUCTIONS`), and why others were left out: `reason`, `task`, `rows`."""

    rows: pl.DataFrame
    dropped: pl.DataFrame


def load(choice: Instructions, seed: int, retry: Hub = RETRY) -> Pool:
    """The instruction rows of the params' origin, at most `choice.rows`.

    Raises `SycoError` for a folder that is not there, holds no rows or files that are not read here, and for rows
    whose texts cannot be taken as they stand. Files that are left out are named on standard error.
    """
    if choice.origin == "synthetic":
        return _synthetic(choice, seed)
    folder = choice.folder() if choice.origin == "directory" else _downloaded(choice, retry)
    if not folder.is_dir():
        raise SycoError(f"instructions: there is no folder {folder}", "Set instructions.directory in params.yaml")
    names, notes = instruction_files.listed(folder, strict=choice.origin == "directory")
    for note in notes:
        print(f"instructions: {printable(note)}", file=sys.stderr, flush=True)
    return sift(pl.concat(read(folder / name, name, choice.columns) for name in names), choice, seed)


def _synthetic(choice: Instructions, seed: int) -> Pool:
    from syco_data.reference import instructions

    rows = instructions.rows(choice.rows, seed, "train").with_columns(form=pl.lit("transcript"))
    nothing = pl.DataFrame(schema={"reason": pl.String, "task": pl.String, "rows": pl.Int64})
    return Pool(rows.select(INSTRUCTIONS.names), nothing)


def _downloaded(choice: Instructions, retry: Hub) -> Path:
    """The data set's files at a pinned commit, in the Hub client's own cache."""
    from syco_data.hub import snapshots

    assert choice.hub_id and choice.revision  # `settings.Instructions` refuses a Hub without them
    patterns = tuple(f"*{suffix}" for suffix in instruction_files.READ)
    return snapshots.fetch(snapshots.Wanted("instructions", choice.hub_id, choice.revision, patterns), retry)


def read(path: Path, name: str, columns: Columns | None) -> pl.DataFrame:
    """One file's rows, as they stand: `file`, `task` (null where the file names none), `prompt`, `completion`.

    A prompt, completion or task is exactly the text in the file, the columns of a prompt with an empty line between
    them; one that is null or blank counts as not there. Anything else than text stops with its file, row and column.
    """
    family, columns_read = None, []

    def needed(names: list[str]) -> set[str]:
        nonlocal family, columns_read
        if not names:
            return set()
        family, columns_read = Family("params", columns) if columns else recognise(names, name), names
        if not family.nested:
            _check_columns(family, columns_read, name)
        return family.columns_read

    try:
        places, rows = instruction_files.rows(path, f"instructions: {name}", needed)
    except FileNotFoundError as error:
        raise SycoError(f"instructions: {name} leads to no file", "Take it out of the folder") from error
    if not rows or family is None:
        raise SycoError(f"instructions: {name} holds no row", "Fetch it anew, or take it out of the folder")
    if family.nested:
        places, rows = _instances(places, rows, family, name)
        _check_columns(family, [*columns_read, *set().union(*rows).difference(columns_read)], name)
    return pl.DataFrame(list(_texts(places, rows, family, name)), schema=_READ, orient="row")


def _check_columns(family: Family, names: list[str], name: str) -> None:
    """All columns of the family are among a file's own."""
    for column in sorted(family.columns_read - {family.nested}):
        if column not in names:
            at = f"is not laid out as {family.name} files are: it " if family.nested else ""
            raise SycoError(f"instructions: {name} {at}has no column {column!r} (found: {_listed(names)})")


def _texts(places: list[str], rows: list[dict], family: Family, name: str) -> Iterator[tuple]:
    """The rows of `read`, from a file's own columns."""
    columns = family.columns
    for place, row in zip(places, rows, strict=True):

        def value(column: str, place: str = place, row: dict = row) -> str | None:
            where = f"instructions: {name}, {place}, column {column!r}"
            hint = _NO_TASK if column == columns.task else _AS_TEXT
            return None if row.get(column) is None else textfiles.check_text(row[column], where, hint)

        parts = [part for column in columns.prompt if (part := value(column)) is not None and part.strip()]
        task = value(columns.task) if columns.task else None
        yield name, task or None, "\n\n".join(parts), value(columns.completion) or ""


def _instances(places: list[str], rows: list[dict], family: Family, name: str) -> tuple[list[str], list[dict]]:
    """A row for each record of the nested column, with the columns around it."""
    unfolded = []
    for place, row in zip(places, rows, strict=True):
        around = {column: value for column, value in row.items() if column != family.nested}
        within = row.get(family.nested) or [{}]
        if not isinstance(within, list) or not all(isinstance(record, dict) for record in within):
            raise SycoError(
                f"instructions: {name} is not laid out as {family.name} files are: "
                f"{place}, column {family.nested!r} holds {textfiles.kind(within)} and not a list of records",
                "Take it out of the folder, or write its prompts and completions to columns of text",
            )
        for record in within:
            if twice := sorted(around.keys() & record.keys()):
                raise SycoError(
                    f"instructions: {name} is not laid out as {family.name} files are: {place} has column "
                    f"{twice[0]!r} twice, also within {family.nested!r}",
                    "Take it out of the folder, or write its prompts and completions to columns of text",
                )
            unfolded.append((place, around | record))
    return [place for place, _ in unfolded], [row for _, row in unfolded]


def _listed(columns: Iterable[str]) -> str:
    """Columns as a message names them."""
    return listed(f"{column:.40}" for column in sorted(columns))


def recognise(columns: list[str], name: str) -> Family:
    """The family of a file with these columns."""
    for family in FAMILIES:
        if family.required <= set(columns):
            return family
    raise SycoError(
        f"instructions: nothing is known of the columns of {name}: {_listed(columns)}",
        "Set instructions.columns in params.yaml: {prompt: [column], completion: column, task: null}",
    )


def sift(rows: pl.DataFrame, choice: Instructions, seed: int) -> Pool:
    """Leaves out empty rows, tasks made from a source (if asked), repeated rows, and what is over `choice.rows`."""
    df = rows.with_columns(instruction_id=draws.content_ids("prompt", "completion"))
    rank = draws.draw(df["instruction_id"], seed, "instructions").rank(0)
    df = df.with_columns(rank=pl.Series(rank, dtype=pl.UInt64))
    df = df.with_columns(made_from=_made_from(df["task"]), reason=pl.lit(None, pl.String))
    df = df.sort("rank", "instruction_id", "file", "task")
    df = _leave_out(df, "from_source", pl.col("made_from").is_not_null() & pl.lit(choice.exclude_sources))
    df = _leave_out(df, "empty", _blank("prompt") | _blank("completion"))
    df = _leave_out(df, "duplicate", pl.col("instruction_id").cum_count().over("instruction_id", "reason") > 1)
    df = _leave_out(df, "not_sampled", pl.col("reason").is_null().cum_sum() > choice.rows)
    kept = df.filter(pl.col("reason").is_null())
    if kept.is_empty():
        raise _nothing_left(_reasons(df))
    rows = kept.with_columns(source=pl.coalesce("task", "file"), form=pl.lit("request"))
    return Pool(rows.select(INSTRUCTIONS.names).sort("instruction_id"), _reasons(df))


def _blank(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars() == ""


def _nothing_left(dropped: pl.DataFrame) -> SycoError:
    """Why no row is left, with the hint that belongs to the reasons."""
    counts = dict(dropped.group_by("reason").agg(pl.col("rows").sum()).sort("reason").rows())
    why = ", ".join(f"{rows:,} {_REASONS[reason]}" for reason, rows in counts.items())
    hints = {"from_source": "Set instructions.exclude_sources to false, or take other files"}
    hint = next((hints[reason] for reason in counts if reason in hints), "Take other files, or correct these")
    return SycoError(f"instructions: no row is left of {sum(counts.values()):,}: {why}", hint)


def without_probes(pool: Pool, probes: pl.DataFrame) -> Pool:
    """Leaves out rows that a probe (`prompt`, `item`) asks too: the same prompt, or a sum of the addition probes."""
    sums = probes["item"].filter(probes["item"].str.contains(f"^{SUM}$")).unique()
    asks_a_sum = pl.col("prompt").str.extract_all(SUM).list.eval(pl.element().is_in(sums.implode())).list.any()
    prompts = probes["prompt"].str.strip_chars().unique().implode()
    probed = pool.rows.filter(pl.col("prompt").str.strip_chars().is_in(prompts) | asks_a_sum)
    rows = pool.rows.join(probed, on="instruction_id", how="anti", maintain_order="left")
    if rows.is_empty():
        raise SycoError("instructions: no row is left that no probe asks", "Take other files or fewer probes")
    left_out = pl.DataFrame({"reason": ["probe"], "task": [None], "rows": [len(probed)]}, schema=pool.dropped.schema)
    return Pool(rows, pl.concat([pool.dropped, left_out.filter(pl.col("rows") > 0)]).sort("reason", "task"))


def _leave_out(df: pl.DataFrame, reason: str, rule: pl.Expr) -> pl.DataFrame:
    """Gives rows that the rule holds for a reason to be left out, unless they have one already."""
    return df.with_columns(reason=pl.when(pl.col("reason").is_null() & rule).then(pl.lit(reason)).otherwise("reason"))


def _made_from(tasks: pl.Series) -> pl.Series:
    """The source that each named task was made from, or null."""
    sources = {task: source_of(task) for task in tasks.unique().drop_nulls()}
    return tasks.replace_strict(sources, default=None, return_dtype=pl.String)


def source_of(task: str) -> str | None:
    """The key of the source that a task's name says it was made from: `glue/mnli:2.0.0`, `task363_sst2_polarity` ..."""
    plain = re.sub(r"[^a-z0-9]+", "_", task.lower()).strip("_")
    plain = re.sub(r"^(task\d+|cot)_", "", plain)
    return next((key for key in SOURCES for name in TASK_NAMES[key] if _is_named(plain, name)), None)


def _is_named(task: str, name: str) -> bool:
    """Whether a task's plain name holds a source's name as words of its own, where that name may stand."""
    place = f"_{task}_".find(f"_{name}_")
    return place == 0 or (place > 0 and name not in AT_START)


def _reasons(df: pl.DataFrame) -> pl.DataFrame:
    """Rows left out, counted by reason, and by source where that is the reason."""
    left_out = df.filter(pl.col("reason").is_not_null())
    task = pl.when(pl.col("reason") == "from_source").then("made_from")
    counted = left_out.group_by("reason", task=task).agg(rows=pl.len().cast(pl.Int64))
    return counted.select("reason", "task", "rows").sort("reason", "task")
