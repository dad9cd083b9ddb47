"""What an interrupted pull leaves never keeps the next one from finishing, and nobody else's files are touched."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syco_data.errors import SycoError
from syco_data.publish import pulling, unfinished
from syco_data.release import manifest, verification
from tests.publish.test_pulling import ONE, OTHER_TABLES, REPO, contents, downloads, publish, pull, refused
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.hub.releases import QUICK, Small
from tests.support.hub.wire import Fault

SEEDS = itertools.count(150_000)
FEW = QUICK.model_copy(update={"attempts": 1})
"""For what fails for good."""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Small(seed=next(SEEDS)).write(tmp_path / "release")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "pulled"


@pytest.fixture
def interrupted(hub: RunningHub, release: Path, target: Path) -> Path:
    """A folder that one table has arrived in, with all that the client wrote meanwhile, as after a kill."""
    publish(release)
    hub.fail(OTHER_TABLES)
    with pytest.raises(SycoError):
        pulling.pull(ONE, target, FEW)
    hub.fail()
    return target


def below(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / unfinished.WORK).rglob("*") if path.is_file())


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(70_000))


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 3 + b"more")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inner").write_bytes(b"x")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [emptied, cut, rubbish, lengthened, a_folder, a_pipe])
def test_whatever_happens_to_the_files_of_an_interrupted_pull_the_next_one_finishes(
    hub: RunningHub, release: Path, interrupted: Path, damage
) -> None:
    """The client's notes and locks, the manifest and what has arrived, all at once."""
    paths = [path for path in below(interrupted) if path.name != unfinished.MARK]
    assert len(paths) > 8
    for path in paths:
        damage(path)
    pull(ONE, interrupted)
    assert contents(interrupted) == contents(release)


@pytest.mark.parametrize("damage", [emptied, rubbish])
def test_the_mark_has_no_content_that_could_be_damaged(
    hub: RunningHub, release: Path, interrupted: Path, damage
) -> None:
    damage(interrupted / unfinished.WORK / unfinished.MARK)
    pull(ONE, interrupted)
    assert contents(interrupted) == contents(release)


@pytest.mark.parametrize("damage", [a_folder, a_pipe])
def test_a_mark_that_is_not_a_file_is_one_line(hub: RunningHub, interrupted: Path, damage) -> None:
    damage(interrupted / unfinished.WORK / unfinished.MARK)
    refused(lambda: pull(ONE, interrupted), str(interrupted / unfinished.WORK), "Move", "away")


def test_one_empty_listing_is_not_believed_for_ever(hub: RunningHub, release: Path, target: Path) -> None:
    """The client keeps a commit's listing in the folder that it downloads into and does not ask again."""
    commit = publish(release).commit
    notes = target / unfinished.WORK / commit / ".cache/huggingface/trees"
    notes.mkdir(parents=True)
    (target / unfinished.WORK / unfinished.MARK).touch()
    (notes / f"{commit}.json").write_text("{}", encoding="utf-8")
    pull(ONE, target)
    assert contents(target) == contents(release)


@pytest.mark.parametrize("times", [1, 1_000])
def test_an_empty_listing_is_asked_for_again_and_never_kept(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    publish(release)
    listing, empty = pulling.Remote.tree, itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(pulling.Remote, "tree", lambda *given: {} if next(empty) < times else listing(*given))
        if times > 1:
            refused(lambda: pull(ONE, target), "lists no file of commit", "Run the same command later")
        else:
            pull(ONE, target)
    pull(ONE, target)
    assert contents(target) == contents(release)


def test_what_has_arrived_is_not_fetched_again_though_the_notes_on_it_are_gone(
    hub: RunningHub, release: Path, interrupted: Path
) -> None:
    (here,) = (interrupted / unfinished.WORK).glob("*/")
    shutil.rmtree(here / ".cache")
    arrived = list(here.rglob("*.parquet"))
    assert len(arrived) == 1
    hub.clear_log()
    pull(ONE, interrupted)
    assert contents(interrupted) == contents(release)
    assert len([entry for entry in hub.log() if "/v1/reconstructions/" in entry.path]) == 2, "the other two"


def test_files_that_had_moved_to_their_places_are_not_fetched_again(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release)
    replace, moved = os.replace, []

    def kill_at_the_third(source: Path, destination: Path) -> None:
        moved.append(destination)
        if len(moved) == 3:
            raise KeyboardInterrupt
        replace(source, destination)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pulling.os, "replace", kill_at_the_third)
        pull(ONE, target)
    assert not (target / manifest.NAME).exists()
    hub.clear_log()
    pull(ONE, target)
    assert contents(target) == contents(release)
    assert len(downloads(hub)) <= 2, "the manifest alone"


def test_a_failed_pull_says_how_many_files_it_keeps_and_nothing_where_there_are_none(
    hub: RunningHub, release: Path, target: Path, tmp_path: Path
) -> None:
    publish(release)
    total = len(manifest.read(release).files)
    hub.fail(OTHER_TABLES)
    refused(lambda: pulling.pull(ONE, target, FEW), f"{total - 2} of {total} files are kept")
    hub.fail(Fault("/resolve/.*(?<!manifest.json)$", status=403, times=1_000))
    with pytest.raises(SycoError) as error:
        pulling.pull(ONE, tmp_path / "other", FEW)
    assert "kept" not in str(error.value)


# Nobody else's files


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (".pulling/thesis.txt", "was not made by `pull`"),
        (".pulling/deep/er/thesis.txt", "was not made by `pull`"),
        (".pulling/" + "a" * 40 + "/thesis.txt", "was not made by `pull`"),
        (".pulling", "is not a folder"),
    ],
)
def test_a_folder_of_that_name_without_our_mark_is_left_alone(
    hub: RunningHub, release: Path, target: Path, path: str, words: str
) -> None:
    publish(release)
    (target / path).parent.mkdir(parents=True)
    (target / path).write_text("years of work", encoding="utf-8")
    refused(lambda: pull(ONE, target), words, "Nothing was removed", "Move")
    assert contents(target) == {path: b"years of work"}


@pytest.mark.parametrize("path", ["thesis.txt", "more/thesis.txt", "{commit}/thesis.txt", "{commit}/recipe/mine/a.txt"])
def test_what_stands_among_the_remains_and_is_not_of_the_pull_is_left_alone(
    hub: RunningHub, release: Path, interrupted: Path, path: str
) -> None:
    (here,) = (interrupted / unfinished.WORK).glob("*/")
    note = interrupted / unfinished.WORK / path.format(commit=here.name)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("years of work", encoding="utf-8")
    refused(lambda: pull(ONE, interrupted), "Nothing was removed", "Move")
    assert note.read_text(encoding="utf-8") == "years of work"
    note.unlink()
    if note.parent.name in ("more", "mine"):
        note.parent.rmdir()
    pull(ONE, interrupted)
    assert contents(interrupted) == contents(release)


# Two at once


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another pull's lock."""
    with unfinished.alone(folder):
        yield


def test_the_second_of_two_pulls_is_told_of_the_first(hub: RunningHub, release: Path, target: Path) -> None:
    publish(release)
    with held(target):
        refused(lambda: pull(ONE, target), "another pull is writing to", str(target), "Nothing was changed")
    pull(ONE, target)
    assert contents(target) == contents(release)


HOLD = """
import sys, time
from pathlib import Path
from syco_data.publish import unfinished
with unfinished.alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_pull_holds_nothing(hub: RunningHub, release: Path, target: Path) -> None:
    publish(release)
    command = [sys.executable, "-c", HOLD, str(target)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        refused(lambda: pull(ONE, target), "another pull")
        other.kill()
    pull(ONE, target)
    assert contents(target) == contents(release)


def test_of_many_pulls_at_once_one_brings_the_release_and_no_lock_stays(
    hub: RunningHub, release: Path, target: Path
) -> None:
    publish(release)
    outcomes: list[SycoError | None] = []
    start = threading.Barrier(6)

    def one() -> None:
        start.wait()
        try:
            pull(ONE, target)
            outcomes.append(None)
        except SycoError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(None) >= 1
    assert all("another pull is writing" in str(error) for error in outcomes if error is not None)
    assert contents(target) == contents(release)
    assert verification.verify(target).problems == ()


def test_a_finished_release_beside_the_remains_of_a_lock_is_taken_as_it_is(
    hub: RunningHub, release: Path, target: Path
) -> None:
    """Killed between the last file's move and the removal of the working folder."""
    publish(release)
    pull(ONE, target)
    (target / unfinished.WORK).mkdir()
    (target / unfinished.WORK / unfinished.MARK).touch()
    hub.clear_log()
    pull(ONE, target)
    assert downloads(hub) == [] and contents(target) == contents(release)


def test_a_file_system_without_locks_is_said_and_no_obstacle(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(release)

    def none(descriptor: int, kind: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(unfinished.fcntl, "flock", none)
    pull(ONE, target)
    assert "has no locks" in caplog.text and contents(target) == contents(release)


# The client's own folders


@pytest.mark.parametrize("command", ["pull", "publish"])
def test_an_hf_home_that_cannot_be_written_is_named(
    hub: RunningHub, release: Path, tmp_path: Path, command: str
) -> None:
    publish(release)
    (tmp_path / "file").touch()
    arguments = {
        "pull": ["pull", f"{REPO}@1.0.0", "--to", str(tmp_path / "there")],
        "publish": ["publish", str(Small(seed=next(SEEDS)).write(tmp_path / "new")), "--to", "alice/new"],
    }[command]
    result = subprocess.run(
        [sys.executable, "-m", "syco_data", *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env=hub.environment(HF_HOME=str(tmp_path / "file/hf")),
    )  # fmt: skip
    assert result.returncode == 2 and "Traceback" not in result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert "HF_HOME" in line and str(tmp_path / "file/hf") in line and "Not a directory" in line
