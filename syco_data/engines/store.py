"""The score store: every score that was ever made, found again by what it depends on.

    <root>/<partition>/space.json                model, tokenizer, engine, version, device, dtype, style, path
    <root>/<partition>/<rows>-<digest>.parquet   scores, never changed: columns of `schemas.SCORES`, sorted by key
    <root>/<partition>/index.json                rows and key range of each file; can be made again at any time

A score's key is the digest of its exact text and options; the rest of what it depends on names the partition. A
file's name holds the digest of its bytes, so a torn or changed file is noticed, set aside and only its scores
are missing. Files of scores appear by renaming and are never written to again: any number of writers on one shared
folder are safe, and at worst score a text twice (the file first in name order counts).
"""

import hashlib
import json
import logging
import os
import re
import stat
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import polars as pl
from pyarrow import ArrowException, parquet

from syco_data import files, schemas, tables
from syco_data.draws import content_id
from syco_data.engines.planning import OptionScores, Request
from syco_data.errors import SycoError
from syco_data.formats import documents

SCORE_FILE = re.compile(r"(\d+)-([0-9a-f]{32})\.parquet")
PARTITION = re.compile(r"[0-9a-f]{32}")
_OURS = re.compile(
    r"space\.json|index\.json|\d+-[0-9a-f]{32}\.(parquet|damaged)|\.[0-9a-f]{32}\.part|\..*\.part.*\.tmp"
)
_LARGEST_ABOUT = 64 * 1024
_LARGEST_INDEX = 256 << 20  # bytes
_LARGEST_FILE = 1 << 30  # bytes
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ArrowException, OSError, ValueError)
ROWS_PER_FILE = 1_000_000  # of a compacted partition
ROWS_AT_ONCE = 8_000_000  # that a compaction holds in memory
READINGS = 20  # of a partition that other processes compact meanwhile
LEFTOVER_AGE = 3600.0  # seconds after which an unfinished file belongs to no living writer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartitionKey:
    """What a score depends on besides its text: scores of different partitions never mix."""

    model: str  # commit, or digest of weights and configuration
    tokenizer: str
    engine: str
    version: str
    device: str
    dtype: str
    style: str
    path: str  # the policy; with the tokenizer and the text it decides the path that is taken
    scoring: int  # scoring.VERSION

    @property
    def id(self) -> str:
        return content_id(json.dumps(asdict(self), sort_keys=True))


@dataclass(frozen=True)
class ScoreFile:
    """One file of a partition."""

    path: Path
    rows: int
    digest: str

    def read(self) -> pl.DataFrame:
        """The file's scores.

        Raises `Damaged` when its bytes are not those that were written or are not scores, `FileNotFoundError` when it
        is not there any more, and `SycoError` when the system refuses to read it.
        """
        self._check_regular()
        content = files.read(self.path, _LARGEST_FILE)
        if hashlib.blake2b(content, digest_size=16).hexdigest() != self.digest:
            raise Damaged(self.path.name)
        try:
            # The number of rows stands in the footer: a file that unfolds to more is not unfolded.
            if parquet.read_metadata(BytesIO(content)).num_rows != self.rows:
                raise Damaged(self.path.name)
            scores = pl.read_parquet(BytesIO(content))
        except _UNREADABLE as error:
            raise Damaged(self.path.name) from error
        if dict(scores.schema) != schemas.SCORES.columns:
            raise Damaged(self.path.name)
        return scores

    def _check_regular(self) -> None:
        try:
            if stat.S_ISREG(self.path.stat().st_mode):
                return
        except FileNotFoundError:
            if not self.path.is_symlink():
                raise
        raise Damaged(self.path.name)


class Damaged(Exception):
    """A file that is torn or was changed."""


def key(request: Request) -> str:
    """128 bits in hex of a request's text and options."""
    return content_id(request.text, *request.options)


def frame(keys: Iterable[str], scored: Collection[OptionScores]) -> pl.DataFrame:
    """Scores as rows of `schemas.SCORES`; a text that is too long has no log-probabilities."""
    # Column by column: a list for each row would cost ten times as much.
    each = {
        "row": [row for row, score in enumerate(scored) for _ in score.logprobs or ()],
        "logprobs": [value for score in scored for value in score.logprobs or ()],
    }
    lists = pl.DataFrame(each, schema={"row": pl.UInt32, "logprobs": pl.Float64}).group_by("row").agg("logprobs")
    rows = {
        "key": list(keys),
        "tokens": [score.tokens for score in scored],
        "path": [score.mode for score in scored],
    }
    kinds = {name: schemas.SCORES.columns[name] for name in rows}
    whole = pl.DataFrame(rows, schema=kinds).with_row_index("row")
    return whole.join(lists, on="row", how="left", maintain_order="left").select(schemas.SCORES.names)


class Partition:
    """One partition of a store: all scores that depend on the same model, engine and device."""

    def __init__(self, root: Path, key: PartitionKey) -> None:
        self.key, self.folder = key, root / key.id

    def score_files(self) -> list[ScoreFile]:
        """In name order."""
        return list(_score_files(self.folder))

    def find(self, keys: pl.Series) -> pl.DataFrame:
        """The stored scores of these keys, each once; damaged files are set aside and count as missing."""
        for _ in range(READINGS):
            try:
                return self._find(pl.DataFrame({"key": keys.unique()}, schema={"key": pl.String}))
            except FileNotFoundError:  # compacted by another process meanwhile
                continue
        raise SycoError(f"score store: {self.folder} keeps changing while it is read", "Run again")

    def _find(self, keys: pl.DataFrame) -> pl.DataFrame:
        index, seen = self._index(), {}
        frames = [pl.DataFrame(schema=schemas.SCORES.columns)]
        for score_file in self.score_files():
            entry = index.get(score_file.path.name)
            if entry is None or keys.select(pl.col("key").is_between(pl.lit(entry[0]), pl.lit(entry[1])).any()).item():
                try:
                    scores = score_file.read()
                except Damaged:
                    _set_aside(score_file)
                    continue
                entry = [scores["key"].min(), scores["key"].max()]
                frames.append(scores.join(keys, on="key", how="semi"))
            seen[score_file.path.name] = entry
        if seen != index:
            with suppress(SycoError):  # reading goes on without it, on a full disk too
                _write_whole(self.folder / "index.json", json.dumps(seen, sort_keys=True).encode())
        return pl.concat(frames).unique("key", keep="first", maintain_order=True)

    def _index(self) -> dict[str, list[str]]:
        """Key ranges by file name; whatever is wrong with the file, it is made again."""
        try:
            entries = documents.read_json(self.folder / "index.json", _LARGEST_INDEX)
            return {name: [str(first), str(last)] for name, (first, last) in entries.items()}
        except (OSError, SycoError, ValueError, AttributeError, TypeError):
            return {}

    def add(self, scores: pl.DataFrame) -> None:
        """Saves scores (`schemas.SCORES`) as one file, whole or not at all."""
        if scores.is_empty():
            return
        _make(self.folder)
        if not is_partition(self.folder):  # without it, or with a damaged one, no command knows the partition
            _write_whole(
                self.folder / "space.json", json.dumps(asdict(self.key), indent=2, sort_keys=True).encode() + b"\n"
            )
        _write_file(self.folder, scores.unique("key", keep="first"))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _write_file(folder: Path, scores: pl.DataFrame) -> Path:
    # A name of its own per writer: process numbers of two machines may be equal.
    unfinished = folder / f".{uuid.uuid4().hex}.part"
    try:
        tables.write(scores, schemas.SCORES, unfinished)
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        target = folder / f"{len(scores)}-{digest}.parquet"
        unfinished.rename(target)
    except (OSError, SycoError) as error:
        unfinished.unlink(missing_ok=True)
        raise _unwritable(folder, error) from error
    return target


def _write_whole(path: Path, content: bytes) -> None:
    """By renaming; readers see the old file or the new one."""
    unfinished = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> SycoError:
    cause = error.__cause__ if isinstance(error, SycoError) else error
    number = getattr(cause, "errno", None)
    reason = os.strerror(number) if number else str(error)
    return SycoError(
        f"score store: {path} cannot be written: {reason}. Every batch saved before is kept",
        "Make room or rights, then run the same command again: it goes on from there",
    )


def _score_files(folder: Path) -> Iterator[ScoreFile]:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if match := SCORE_FILE.fullmatch(name):
            yield ScoreFile(folder / name, int(match[1]), match[2])


def _set_aside(score_file: ScoreFile) -> None:
    try:
        score_file.path.rename(score_file.path.with_suffix(".damaged"))
    except FileNotFoundError:
        return
    except OSError as error:  # a store that is only read here: its scores count as missing all the same
        _log.warning("score store: damaged file %s cannot be set aside: %s", score_file.path.name, error.strerror)
        return
    _log.warning("score store: file %s is damaged; its %d scores are made again", score_file.path.name, score_file.rows)


@dataclass(frozen=True)
class PartitionState:
    """What lies in one partition: `damaged` names files that do not hold what was written."""

    folder: Path
    about: dict[str, object]
    score_files: int
    scores: int
    size: int  # bytes
    damaged: tuple[str, ...]


def partitions(root: Path) -> list[Path]:
    """The folders of a store's partitions: no other folder of `root`, which may be shared with anything."""
    return sorted(path for path in root.iterdir() if is_partition(path)) if root.is_dir() else []


def is_partition(folder: Path) -> bool:
    """Whether a folder is a partition: its name is the id of what its `space.json` describes."""
    if not PARTITION.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return False
    about = _about(folder)
    return bool(about) and content_id(json.dumps(about, sort_keys=True)) == folder.name


def _about(folder: Path) -> dict[str, object]:
    """What a `space.json` describes; nothing where it is missing or damaged."""
    try:
        value = documents.read_json(folder / "space.json", _LARGEST_ABOUT)
    except (OSError, SycoError):
        return {}
    return value if isinstance(value, dict) else {}


def state(folder: Path, check: bool) -> PartitionState:
    """Counts of a partition; with `check` every file is read and compared with its digest."""
    score_files = list(_score_files(folder))
    return PartitionState(
        folder, _about(folder), len(score_files), sum(score_file.rows for score_file in score_files),
        sum(map(_size, score_files)),
        tuple(score_file.path.name for score_file in score_files if check and _is_damaged(score_file)),
    )  # fmt: skip


def _size(score_file: ScoreFile) -> int:
    try:
        return score_file.path.stat().st_size
    except FileNotFoundError:  # compacted by another process meanwhile
        return 0


def _is_damaged(score_file: ScoreFile) -> bool:
    try:
        score_file.read()
    except FileNotFoundError:
        return False
    except Damaged:
        return True
    return False


def compact(folder: Path) -> None:
    """Merges a partition's files into few, sorted by key; what other processes add meanwhile stays as it is.

    The keys are gone through range by range, so that memory holds some million scores however many there are.
    Where another process takes a file away meanwhile, this one stops: both have written the same scores.
    """
    with suppress(FileNotFoundError):
        old = list(_sound(folder))
        if len(old) < 2:
            return
        new = {path for part in _ranges(old) for path in _merged(folder, old, part)}
        for score_file in old:
            if score_file.path not in new:
                score_file.path.unlink(missing_ok=True)


def _sound(folder: Path) -> Iterator[ScoreFile]:
    """Files that hold what was written; damaged ones are set aside."""
    for score_file in _score_files(folder):
        try:
            score_file.read()
        except Damaged:
            _set_aside(score_file)
        else:
            yield score_file


def _ranges(score_files: list[ScoreFile]) -> list[tuple[str, str]]:
    """Borders of key ranges that hold so many scores each; keys are digests, and so spread evenly."""
    count = -(-sum(score_file.rows for score_file in score_files) // ROWS_AT_ONCE)
    borders = [f"{16**4 * number // count:04x}" for number in range(count)] + ["g"]
    return list(pairwise(borders))


def _merged(folder: Path, score_files: list[ScoreFile], keys: tuple[str, str]) -> Iterator[Path]:
    """Writes the scores of one range of keys, each once, and yields the new files."""
    within = (pl.col("key") >= keys[0]) & (pl.col("key") < keys[1])
    paths = [score_file.path for score_file in score_files]
    scores = pl.concat([pl.scan_parquet(path.absolute(), glob=False).select(schemas.SCORES.names) for path in paths])
    # In the order of the files: where a key has two scores, the one that readers take stays.
    rows = scores.filter(within).collect(engine="in-memory").unique("key", keep="first", maintain_order=True)
    for part in rows.sort("key").iter_slices(ROWS_PER_FILE):
        yield _write_file(folder, part)


def rubbish(root: Path, keep: set[str]) -> list[Path]:
    """What `gc` removes: partitions whose id is not in `keep`, damaged files, files no writer will finish."""
    dropped = [folder for folder in partitions(root) if folder.name not in keep]
    for folder in set(partitions(root)) - set(dropped):
        dropped += [path for path in folder.iterdir() if _is_ours(path) and _is_left(path)]
    return sorted(dropped)


def _is_ours(path: Path) -> bool:
    return _OURS.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()


def _is_left(path: Path) -> bool:
    if path.suffix == ".damaged":
        return True
    with suppress(FileNotFoundError):  # its writer finished it meanwhile
        return path.name.startswith(".") and time.time() - path.stat().st_mtime > LEFTOVER_AGE
    return False


def remove(path: Path) -> str | None:
    """Removes a file or a partition that `rubbish` named; returns the first name in its folder that is not ours."""
    if path.is_dir():
        # What says that it is a partition goes last: the next call goes on where this one is killed.
        for own in sorted(filter(_is_ours, list(path.iterdir())), key=lambda own: own.name == "space.json"):
            own.unlink(missing_ok=True)
        if foreign := next(path.iterdir(), None):
            return foreign.name
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    return None
