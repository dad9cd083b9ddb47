"""The score store: found again, safe with several writers, and honest about damage."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields, replace
from io import BytesIO
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest

from syco_data import schemas
from syco_data.engines import store
from syco_data.engines.planning import OptionScores, Request
from syco_data.errors import SycoError

PARTITION = store.PartitionKey("m" * 40, "t", "fake", "1", "cpu", "float32", "plain", "auto", 1)
OPTIONS = (" (A)", " (B)")


def made(numbers) -> pl.DataFrame:
    """Scores whose figures say which number they belong to."""
    requests = [Request(f"text {number}", OPTIONS) for number in numbers]
    scores = [OptionScores((-number / 7, -number / 3), 10 + number, "letter") for number in numbers]
    return store.frame([store.key(request) for request in requests], scores)


def keys(numbers) -> pl.Series:
    return made(numbers)["key"]


def test_what_was_added_is_found_and_nothing_else(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(100)))
    partition.add(made(range(100, 150)))
    result = partition.find(keys([3, 120, 999, 3]))
    assert result.sort("key").equals(made([3, 120]).sort("key"))
    assert partition.find(keys([])).is_empty()


def test_a_text_that_is_too_long_is_remembered_as_such(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(store.frame(keys([1]), [OptionScores(None, 5000, "letter")]))
    assert partition.find(keys([1])).row(0)[1:] == (None, 5000, "letter")


@pytest.mark.parametrize("field", [field.name for field in fields(store.PartitionKey)])
def test_everything_a_score_depends_on_parts_the_partitions(tmp_path, field):
    store.Partition(tmp_path, PARTITION).add(made([1]))
    other = replace(PARTITION, **{field: 2 if field == "scoring" else "other"})
    assert store.Partition(tmp_path, other).find(keys([1])).is_empty()


def test_text_and_options_are_both_in_the_key():
    one = Request("text", OPTIONS)
    assert len({store.key(r) for r in (one, Request("text ", OPTIONS), Request("text", OPTIONS[::-1]))}) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_file_is_set_aside_and_only_its_scores_are_missing(tmp_path, damage, caplog):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(50)))
    partition.add(made(range(50, 80)))
    hurt = next(score_file for score_file in partition.score_files() if score_file.rows == 30)
    content = bytearray(hurt.path.read_bytes())
    content[len(content) // 2] ^= 1
    hurt.path.write_bytes({"cut": content[:-9], "flipped": content, "emptied": b""}[damage])
    assert store.state(partition.folder, check=True).damaged == (hurt.path.name,)
    assert set(partition.find(keys(range(80)))["key"]) == set(keys(range(50)))
    assert "is damaged; its 30 scores are made again" in caplog.text
    partition.add(made(range(50, 80)))
    assert len(partition.find(keys(range(80)))) == 80
    assert store.rubbish(tmp_path, {PARTITION.id}) == [hurt.path.with_suffix(".damaged")]


def under_its_digest(folder: Path, rows: int, content: bytes) -> None:
    """A file whose name is right for its bytes, whatever they are."""
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    (folder / f"{rows}-{digest}.parquet").write_bytes(content)


def parquet(df: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    df.write_parquet(buffer)
    return buffer.getvalue()


FOREIGN = f"30-{'0' * 32}.parquet"
ODD = {
    "a folder": lambda folder: (folder / FOREIGN).mkdir(),
    "a folder with files": lambda folder: (folder / FOREIGN / "deep").mkdir(parents=True),
    "a pipe": lambda folder: os.mkfifo(folder / FOREIGN),
    "a dangling link": lambda folder: (folder / FOREIGN).symlink_to(folder / "nowhere"),
    "a link to a folder": lambda folder: (folder / FOREIGN).symlink_to(folder),
    "a device": lambda folder: (folder / FOREIGN).symlink_to("/dev/zero"),
    "no table": lambda folder: under_its_digest(folder, 30, b"PAR1 is how a table begins, and this is none PAR1"),
    "nothing": lambda folder: under_its_digest(folder, 0, b""),
    "another table": lambda folder: under_its_digest(folder, 1, parquet(pl.DataFrame({"key": ["a"]}))),
    "another type": lambda folder: under_its_digest(folder, 5, parquet(made(range(5)).cast({"tokens": pl.String}))),
    "more rows": lambda folder: under_its_digest(folder, 3, parquet(made(range(5)))),
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_a_file_under_the_name_of_one_is_set_aside(tmp_path, kind, caplog):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(50)))
    ODD[kind](partition.folder)
    assert len(store.state(partition.folder, check=True).damaged) == 1
    assert len(partition.find(keys(range(50)))) == 50
    assert "is damaged; its" in caplog.text
    assert len(partition.score_files()) == 1
    ODD[kind](partition.folder)
    partition.add(made(range(50, 60)))
    store.compact(partition.folder)
    assert len(partition.find(keys(range(60)))) == 60


def test_a_damaged_file_of_a_store_that_may_not_be_written_counts_as_missing(tmp_path, monkeypatch, caplog):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(50)))
    partition.score_files()[0].path.write_bytes(b"x")

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    assert partition.find(keys(range(50))).is_empty()
    assert "cannot be set aside: Permission denied" in caplog.text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["index.json", "space.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "deep", "a dangling link"])
def test_odd_files_beside_the_files_change_nothing(tmp_path, name, kind):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(50)))
    path = partition.folder / name
    path.unlink(missing_ok=True)
    {
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "deep": lambda: path.write_text('{"a":' * 50_000),
        "a dangling link": lambda: path.symlink_to(partition.folder / "nowhere"),
    }[kind]()
    assert len(partition.find(keys(range(50)))) == 50
    assert store.state(partition.folder, check=True).scores == 50


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"50-0.parquet": ["z", "z"]}'])
def test_an_index_that_lies_or_is_torn_changes_nothing(tmp_path, content):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(50)))
    (partition.folder / "index.json").write_text(content, encoding="utf-8")
    assert len(partition.find(keys(range(50)))) == 50


def test_the_index_keeps_compacted_files_shut_that_hold_none_of_the_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS_PER_FILE", 10)
    partition = store.Partition(tmp_path, PARTITION)
    for start in range(0, 100, 20):
        partition.add(made(range(start, start + 20)))
    store.compact(partition.folder)
    assert len(partition.score_files()) == 10
    partition.find(keys(range(100)))
    opened, read = [], store.ScoreFile.read
    monkeypatch.setattr(store.ScoreFile, "read", lambda score_file: opened.append(score_file) or read(score_file))
    assert len(partition.find(keys([42]))) == 1
    assert len(opened) == 1


def test_a_space_larger_than_memory_is_compacted_range_by_range(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 30)
    partition = store.Partition(tmp_path, PARTITION)
    for start in range(0, 100, 20):
        partition.add(made(range(start, start + 25)))
    before, held, merged = partition.find(keys(range(200))).sort("key"), [], pl.DataFrame.unique
    monkeypatch.setattr(pl.DataFrame, "unique", lambda df, *a, **k: held.append(len(df)) or merged(df, *a, **k))
    store.compact(partition.folder)
    monkeypatch.undo()
    assert len(held) > 4 and max(held) < 60
    assert partition.find(keys(range(200))).sort("key").equals(before)
    ranges = sorted(
        (score_file.read()["key"].min(), score_file.read()["key"].max()) for score_file in partition.score_files()
    )
    assert all(one[1] < other[0] for one, other in pairwise(ranges))


def test_compaction_loses_nothing_and_keeps_the_score_that_counted(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    for start in range(0, 60, 10):
        partition.add(made(range(start, start + 20)))  # every score but a few twice
    doubled = made(range(5)).with_columns(tokens=pl.lit(77, pl.Int64))
    partition.add(doubled)
    before = partition.find(keys(range(100))).sort("key")
    store.compact(partition.folder)
    assert len(partition.score_files()) == 1 and partition.score_files()[0].rows == 70
    assert partition.find(keys(range(100))).sort("key").equals(before)
    store.compact(partition.folder)
    assert len(partition.score_files()) == 1


def _add_many(folder: str, writer: int) -> int:
    partition = store.Partition(Path(folder), PARTITION)
    for round_ in range(5):
        partition.add(made(range(round_ * 40 + writer * 10, round_ * 40 + writer * 10 + 30)))
        partition.find(keys(range(0, 200, 7)))
        if writer < 2:
            store.compact(partition.folder)
    return writer


def test_several_writers_readers_and_a_compaction_at_once(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert sorted(pool.map(_add_many, [str(tmp_path)] * 4, range(4))) == [0, 1, 2, 3]
    partition = store.Partition(tmp_path, PARTITION)
    expected = made(range(220)).sort("key")
    assert partition.find(keys(range(220))).sort("key").equals(expected)
    assert not store.state(partition.folder, check=True).damaged
    assert [path.name for path in partition.folder.iterdir() if path.name.startswith(".")] == []


def test_gc_keeps_living_writers_files_and_drops_dead_ones(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made([1]))
    old, new = partition.folder / f".{'0' * 32}.part", partition.folder / f".{'1' * 32}.part"
    old.touch(), new.touch()
    os.utime(old, (0, 0))
    assert store.rubbish(tmp_path, {PARTITION.id}) == [old]
    assert store.rubbish(tmp_path, set()) == [partition.folder]


@pytest.mark.parametrize("name", ["thesis", "0" * 32, ".git", "data"])
def test_a_folder_that_is_not_a_part_of_the_store_is_never_named_for_removal(tmp_path, name):
    store.Partition(tmp_path, PARTITION).add(made([1]))
    stranger = tmp_path / name
    stranger.mkdir()
    (stranger / "space.json").write_text(json.dumps(asdict(PARTITION)))
    (stranger / f".{'0' * 32}.part").touch()
    os.utime(stranger / f".{'0' * 32}.part", (0, 0))
    (tmp_path / "linked").symlink_to(tmp_path / PARTITION.id)
    assert store.rubbish(tmp_path, {PARTITION.id}) == []
    assert store.rubbish(tmp_path, set()) == [tmp_path / PARTITION.id]


def test_removing_a_space_leaves_a_file_that_somebody_put_there(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made([1]))
    (partition.folder / "notes.txt").write_text("mine")
    assert store.remove(partition.folder) == "notes.txt"
    assert [path.name for path in partition.folder.iterdir()] == ["notes.txt"]
    partition.add(made([1]))
    (partition.folder / "notes.txt").unlink()
    assert store.remove(partition.folder) is None
    assert not partition.folder.exists()


def test_a_removal_that_is_killed_can_be_finished(tmp_path, monkeypatch):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made([1]))
    partition.find(keys([1]))
    unlink = Path.unlink
    for _ in range(2):

        def killed(path: Path, **options: bool) -> None:
            unlink(path, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            store.remove(partition.folder)
        assert store.rubbish(tmp_path, set()) == [partition.folder]
    monkeypatch.setattr(Path, "unlink", unlink)
    assert store.remove(partition.folder) is None
    assert not partition.folder.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", None])
def test_a_space_whose_description_is_damaged_gets_it_again_with_the_next_scores(tmp_path, content):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made([1]))
    about = partition.folder / "space.json"
    about.unlink() if content is None else about.write_text(content)
    assert store.partitions(tmp_path) == []
    partition.add(made([2]))
    assert store.partitions(tmp_path) == [partition.folder]
    assert len(partition.find(keys([1, 2]))) == 2


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.engines.test_store import *
partition = store.Partition(Path(sys.argv[1]), PARTITION)
partition.add(made(range(40)))
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    partition.add(made(range(40, 9000)))
except SycoError as error:
    print(error)
"""


def test_a_full_disk_costs_the_batch_and_is_one_line(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert result.returncode == 0, result.stderr
    assert "cannot be written: File too large. Every batch saved before is kept" in result.stdout
    partition = store.Partition(tmp_path, PARTITION)
    assert len(partition.find(keys(range(9000)))) == 40
    assert [path.name for path in partition.folder.glob(".*")] == []


def test_about_a_partition(tmp_path):
    partition = store.Partition(tmp_path, PARTITION)
    partition.add(made(range(3)))
    state = store.state(partition.folder, check=True)
    assert (state.score_files, state.scores, state.damaged) == (1, 3, ())
    assert state.about == json.loads(json.dumps(PARTITION.__dict__))


assert resource.RLIM_INFINITY and schemas.SCORES and SycoError  # names that FULL_DISK imports from here
