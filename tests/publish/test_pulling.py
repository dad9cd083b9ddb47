"""Pulling gives exactly the version that was asked for, complete and verified, or one clear line; also offline."""

import errno
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from syco_data import files
from syco_data.errors import SycoError
from syco_data.hub.addresses import Address
from syco_data.publish import loading, publishing, pulling, uploads
from syco_data.publish.publishing import Receipt, Target
from syco_data.release import manifest
from tests.support import tables_for_tests
from tests.support.hub.fixtures import OTHER, ROOT, WRITER, RunningHub
from tests.support.hub.releases import QUICK, Small
from tests.support.hub.wire import Fault

REPO = "alice/claims"
ONE = Address(REPO, "1.0.0")
DATASET = {"repo_id": REPO, "repo_type": "dataset"}
NO_HUB = "http://127.0.0.1:9"
OTHER_TABLES = Fault("/v1/reconstructions/", skip=1, status=404, times=1_000)
"""One table comes through, the other two do not."""
SEEDS = itertools.count(50_000)
"""Rows that no other test has sent: the client remembers what it has uploaded."""


def publish(folder: Path, repository: str = REPO) -> Receipt:
    return publishing.publish(uploads.of_release(folder), Target(repository, "dataset", private=True), QUICK)


def pull(address: Address, folder: Path) -> pulling.Pulled:
    return pulling.pull(address, folder, QUICK)


def refused(call, *words: str) -> None:
    """The call raises one line that holds these words."""
    with pytest.raises(SycoError) as error:
        call()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def downloads(hub: RunningHub) -> list[str]:
    """What was fetched, by the requests that carry file contents."""
    return [entry.path for entry in hub.log() if any(part in entry.path for part in ("/resolve/", "/_cdn/", "/_xorb/"))]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Small(seed=next(SEEDS)).write(tmp_path / "release")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "pulled"


def tagged(hub: RunningHub, release: Path, changes: list) -> None:
    """Version 1.0.0 as someone else made it: the release, changed afterwards, and tagged then."""
    api = hub.api()
    api.create_repo(**DATASET, private=True)
    whole = [CommitOperationAdd(path, content) for path, content in contents(release).items()]
    api.create_commit(operations=whole, commit_message="release", **DATASET)
    commit = api.create_commit(operations=changes, commit_message="changed", **DATASET)
    api.create_tag(tag="v1.0.0", revision=commit.oid, **DATASET)


# The version asked for


def test_a_pulled_version_is_the_published_one_byte_for_byte(hub: RunningHub, release: Path, target: Path) -> None:
    receipt = publish(release)
    pulled = pull(ONE, target)
    assert contents(target) == contents(release)
    rows = sum(file.table.rows for file in manifest.read(release).tables)
    assert (pulled.commit, pulled.files, pulled.rows) == (receipt.commit, len(contents(release)), rows)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_every_version_by_number_tag_or_commit(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    first = publish(small.write(tmp_path / "1"))
    publish(small.later("1.1.0").write(tmp_path / "2"))
    for text, folder in {"1.0.0": "1", "v1.1.0": "2", first.commit: "1"}.items():
        there = tmp_path / "pulled" / text
        pull(Address.parse(f"{REPO}@{text}"), there)
        assert contents(there) == contents(tmp_path / folder)


def test_a_version_that_is_there_already_is_not_fetched_again(hub: RunningHub, release: Path, target: Path) -> None:
    publish(release)
    first = pull(ONE, target)
    hub.clear_log()
    assert pull(ONE, target) == first
    assert downloads(hub) == []


def test_only_files_of_the_release_are_fetched(hub: RunningHub, release: Path, target: Path) -> None:
    tagged(
        hub, release, [CommitOperationAdd("more/uninvited.parquet", b"x" * 999), CommitOperationAdd("setup.py", b"")]
    )
    pull(ONE, target)
    assert contents(target) == contents(release)


def test_an_interrupted_pull_is_gone_on_with(hub: RunningHub, release: Path, target: Path) -> None:
    publish(release)
    hub.fail(OTHER_TABLES)
    refused(lambda: pull(ONE, target), "download")
    hub.fail()
    assert not (target / manifest.NAME).exists(), "a folder that has a manifest is whole"
    hub.clear_log()
    pull(ONE, target)
    assert contents(target) == contents(release)
    assert len([entry for entry in hub.log() if "/v1/reconstructions/" in entry.path]) == 2, "the other two"


def test_another_version_may_follow_an_interrupted_one(hub: RunningHub, tmp_path: Path, target: Path) -> None:
    small = Small(seed=next(SEEDS))
    publish(small.write(tmp_path / "1"))
    publish(small.later("1.1.0").write(tmp_path / "2"))
    hub.fail(OTHER_TABLES)
    refused(lambda: pull(ONE, target), "download")
    hub.fail()
    pull(Address(REPO, "1.1.0"), target)
    assert contents(target) == contents(tmp_path / "2")


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_every_request_of_a_pull_may_fail_in_every_way(hub: RunningHub, tmp_path: Path, transport: str) -> None:
    """Each request, in turn: one fault of each kind is overcome; a lasting one is one clear line and leaves nothing
    that looks finished, and the next pull brings what is left."""
    publish(Small(seed=next(SEEDS)).write(tmp_path / "release"))
    environment = hub.environment(HF_HUB_DISABLE_XET="1" if transport == "lfs" else "0")
    command = [sys.executable, "-m", "tests.support.hub.pull_matrix", str(tmp_path)]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = json.loads(result.stdout)
    requests = {outcome["request"] for outcome in outcomes}
    assert any(("/_cdn/" if transport == "lfs" else "/_cas/") in request for request in requests)
    assert not any(("/_cas/" if transport == "lfs" else "/_cdn/") in request for request in requests)
    for outcome in outcomes:
        assert outcome["hit"] and outcome["whole"], outcome
        assert outcome["looked_finished"] == (outcome["error"] is None), outcome
        assert outcome["way"] == "for good" or outcome["error"] is None, outcome
        if outcome["error"]:
            assert "\n" not in outcome["error"] and REPO in outcome["error"], outcome
    assert len([outcome for outcome in outcomes if outcome["error"]]) >= 5
    assert WRITER not in result.stdout + result.stderr


# What is not there, or not what it says


def test_a_version_that_is_not_there_is_answered_with_those_that_are(
    hub: RunningHub, release: Path, target: Path
) -> None:
    publish(release)
    refused(lambda: pull(Address(REPO, "2.0.0"), target), "no version 2.0.0", "versions there: 1.0.0")
    refused(lambda: pull(Address(REPO, "f" * 40), target), REPO)
    assert not target.exists()


def test_what_is_not_a_data_set_is_told_apart(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release)
    hub.api().create_repo("alice/model", repo_type="model")
    refused(lambda: pull(Address("alice/model", "1.0.0"), target), "alice/model is a model repository")
    refused(lambda: pull(Address("alice/nothing", "1.0.0"), target), "is not there")
    monkeypatch.setenv("HF_TOKEN", OTHER)
    refused(lambda: pull(ONE, target), "is not there, or you may not see it")
    monkeypatch.delenv("HF_TOKEN")
    refused(lambda: pull(ONE, target), "private one needs", "hf auth login")
    refused(lambda: pull(Address("alice/model", "1.0.0"), target), "alice/model is a model repository")
    assert not target.exists()


ROWS_FILE = "tiny-balanced/train.parquet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (CommitOperationAdd(ROWS_FILE, b"PAR1 other rows PAR1"), (ROWS_FILE, "not the file that its manifest names")),
        (CommitOperationAdd("README.md", b"# Other words\n"), ("README.md", "not the file that its manifest names")),
        (CommitOperationDelete(ROWS_FILE), (ROWS_FILE, "is missing on the Hub")),
        (CommitOperationDelete("manifest.json"), ("is not a release", "manifest.json")),
    ],
    ids=["rows", "card", "missing", "manifest"],
)
def test_a_release_that_was_tampered_with_on_the_hub_is_named(
    hub: RunningHub, release: Path, target: Path, change, words: tuple[str, ...]
) -> None:
    tagged(hub, release, [change])
    refused(lambda: pull(ONE, target), *words)
    assert not (target / manifest.NAME).exists()


def test_a_file_that_changes_on_its_way_is_named_and_fetched_anew(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on the disk is verified, not what the Hub says of it."""
    publish(release)
    fetch = pulling._download

    def and_damage(remote, commit, wanted, work: Path) -> None:
        fetch(remote, commit, wanted, work)
        damaged = work / ROWS_FILE
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"X")

    monkeypatch.setattr(pulling, "_download", and_damage)
    refused(lambda: pull(ONE, target), ROWS_FILE, "sha256 differs")
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", hub.environment()["HF_TOKEN"])
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert not (target / manifest.NAME).exists()


def edited(release: Path, edit) -> list[CommitOperationAdd]:
    values = json.loads((release / manifest.NAME).read_text(encoding="utf-8"))
    edit(values)
    return [CommitOperationAdd(manifest.NAME, json.dumps(values).encode())]


def _path(name: str):
    def edit(values: dict) -> None:
        values["files"][0]["path"] = name

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_path("../outside.txt"), "not a plain path"),
        (_path("/tmp/outside.txt"), "not a plain path"),  # noqa: S108 (it must never be written)
        (_path("a/../../outside.txt"), "not a plain path"),
        (_path("a\\..\\outside.txt"), "not a plain path"),
        (_path(".git/hooks/post-checkout"), "not a plain path"),
        (lambda values: values.update(schema=99), "schema 99"),
        (lambda values: values.update(version="2.0.0"), "leads to version 2.0.0"),
        (lambda values: values.pop("files"), "damaged"),
    ],
)
def test_a_tricky_manifest_is_refused(hub: RunningHub, release: Path, target: Path, edit, words: str) -> None:
    tagged(hub, release, edited(release, edit))
    before = {path for path in target.parents[1].rglob("*") if target not in path.parents}
    refused(lambda: pull(ONE, target), words)
    after = {path for path in target.parents[1].rglob("*") if target not in path.parents}
    assert {path.name for path in after - before} <= {"elsewhere", "pulled"}
    assert not (target / manifest.NAME).exists()


def test_a_parquet_file_that_is_damaged_though_its_bytes_are_as_named_is_refused(
    hub: RunningHub, release: Path, target: Path
) -> None:
    (release / ROWS_FILE).write_bytes(b"PAR1 no table PAR1")

    def edit(values: dict) -> None:
        for file in values["files"]:
            if file["path"] == ROWS_FILE:
                file.update(bytes=18, sha256=manifest.digest_of(release / ROWS_FILE))

    tagged(hub, release, edited(release, edit))
    refused(lambda: pull(ONE, target), ROWS_FILE, "no readable Parquet")


# Where it is written


def test_a_folder_with_something_else_in_it_is_left_alone(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    publish(small.write(tmp_path / "1"))
    publish(small.later("1.1.0").write(tmp_path / "2"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work", encoding="utf-8")
    refused(lambda: pull(ONE, mine), "not empty", "thesis.txt")
    assert contents(mine) == {"thesis.txt": b"years of work"}
    there = tmp_path / "there"
    pull(ONE, there)
    refused(lambda: pull(Address(REPO, "1.1.0"), there), "another release")
    assert contents(there) == contents(tmp_path / "1")
    refused(lambda: pull(ONE, mine / "thesis.txt"), "is a file")
    (there / ROWS_FILE).write_bytes(b"changed by hand")
    refused(lambda: pull(ONE, there), ROWS_FILE)


@pytest.mark.parametrize("inner", ["", "{commit}", "{commit}/recipe"])
def test_a_link_among_the_remains_leads_nowhere(hub: RunningHub, release: Path, tmp_path: Path, inner: str) -> None:
    commit = publish(release).commit
    outside, mine = tmp_path / "outside", tmp_path / "mine"
    (outside / "precious").mkdir(parents=True)
    (outside / "precious/thesis.txt").write_text("years of work", encoding="utf-8")
    link = mine / pulling.WORK / inner.format(commit=commit)
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    refused(lambda: pull(ONE, mine), str(link), "is a link", "Nothing was written")
    assert contents(outside) == {"precious/thesis.txt": b"years of work"}


@pytest.mark.parametrize("name", ["README.md", "thesis.txt", "recipe", "tiny-balanced/notes.txt"])
def test_the_remains_of_a_pull_make_no_file_beside_them_ours(
    hub: RunningHub, release: Path, target: Path, name: str
) -> None:
    publish(release)
    (target / pulling.WORK).mkdir(parents=True)
    (target / name).parent.mkdir(exist_ok=True)
    (target / name).write_text("years of work", encoding="utf-8")
    refused(lambda: pull(ONE, target), "holds", name, "not of alice/claims@1.0.0")
    assert (target / name).read_text(encoding="utf-8") == "years of work"
    assert not (target / manifest.NAME).exists()


def test_a_link_to_a_folder_beside_the_remains_is_not_written_through(
    hub: RunningHub, release: Path, target: Path, tmp_path: Path
) -> None:
    publish(release)
    (target / pulling.WORK).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (target / "recipe").symlink_to(tmp_path / "outside")
    refused(lambda: pull(ONE, target), "holds recipe")
    assert contents(tmp_path / "outside") == {}


def test_a_finished_other_version_is_not_replaced_because_of_remains(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    publish(small.write(tmp_path / "1"))
    publish(small.later("1.1.0").write(tmp_path / "2"))
    there = tmp_path / "there"
    pull(ONE, there)
    (there / pulling.WORK).mkdir()
    refused(lambda: pull(Address(REPO, "1.1.0"), there), "not of alice/claims@1.1.0")
    pull(ONE, there)
    assert contents(there) == contents(tmp_path / "1")


def test_a_pull_that_was_cut_while_files_moved_is_gone_on_with(
    hub: RunningHub, release: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release)

    def cut(work: Path, folder: Path, wanted) -> None:
        moved = folder / wanted.files[0].path
        moved.parent.mkdir(parents=True, exist_ok=True)
        (work / wanted.files[0].path).rename(moved)
        raise OSError(errno.EIO, "cut")

    with monkeypatch.context() as patch:
        patch.setattr(pulling, "_settle", cut)
        refused(lambda: pull(ONE, target), "could not be written")
    pull(ONE, target)
    assert contents(target) == contents(release)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.argv[1:] = ["pull", "alice/claims@1.0.0", "--to", sys.argv[1]]
from syco_data.__main__ import main
main()
"""


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_a_full_disk_is_one_line_and_the_pull_goes_on_later(
    hub: RunningHub, release: Path, target: Path, transport: str
) -> None:
    publish(release)
    target.mkdir(parents=True)
    environment = hub.environment(HF_HUB_DISABLE_XET="1" if transport == "lfs" else "0")
    command = [sys.executable, "-c", LIMITED, str(target)]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in result.stderr
    assert files.FULL[errno.EFBIG] in errors[0] and str(target) in errors[0]
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    pull(ONE, target)
    assert contents(target) == contents(release)


# load_release


ONLINE = """
import sys
from datasets import load_dataset
from syco_data import load_release
print(load_release(sys.argv[1], "1.0.0")["train"]["prompt_id"][0])
print(load_dataset(sys.argv[1], revision="v1.0.0", split="train")["prompt_id"][0])
"""
DOWN = """
import sys
from datasets import load_dataset
from syco_data import load_release
from syco_data import files
from syco_data.errors import SycoError
from tests.support.hub.releases import QUICK
print(load_release(sys.argv[1], "v1.0.0", "verdicts-tiny")["train"]["prompt_id"][0])
try:
    print(load_release(sys.argv[1], "1.1.0", retry=QUICK))
except SycoError as error:
    print("refused:", error)
print(load_dataset(sys.argv[1], revision="v1.1.0", split="train")["prompt_id"][0])
"""


def python(hub: RunningHub, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *arguments]
    variables = hub.environment(**environment)
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)


def first_id(release: Path, config: str = "tiny-balanced") -> str:
    return pl.read_parquet(release / config / "train.parquet")["prompt_id"][0]


def test_load_release_gives_the_version_asked_for_also_offline_and_never_another(
    hub: RunningHub, tmp_path: Path
) -> None:
    """Beside it, what `load_dataset` does with the same request when the Hub is down: it gives another version
    (huggingface/datasets issue 7928). When that half fails, upstream has fixed it."""
    small = Small(seed=next(SEEDS))
    one, two = small.write(tmp_path / "1"), small.later("1.1.0").write(tmp_path / "2")
    publish(one)
    publish(two)
    online = python(hub, ONLINE, REPO)
    assert online.returncode == 0, online.stderr
    assert online.stdout.splitlines() == [first_id(one)] * 2
    down = python(hub, DOWN, REPO, HF_ENDPOINT=NO_HUB)
    assert down.returncode == 0, down.stderr
    kept, refusal, trap = down.stdout.splitlines()
    assert kept == first_id(one, "verdicts-tiny")
    assert refusal.startswith("refused:") and "connection failed" in refusal
    assert trap == first_id(one) != first_id(two)
    assert loading.load_release(REPO, "1.1.0", retry=QUICK)["train"]["prompt_id"][0] == first_id(two)


def test_a_whole_release_loads_with_the_types_of_its_card(hub: RunningHub) -> None:
    release = tables_for_tests.shared_release()
    result = manifest.read(release)
    publish(release)
    loaded = loading.load_release(REPO, result.version, "tiny-balanced", retry=QUICK)
    assert {split: rows.num_rows for split, rows in loaded.items()} == {
        file.table.split: file.table.rows for file in result.tables if file.table.config == "tiny-balanced"
    }
    assert loaded["train"].features["opinion"].names == ["agree", "disagree"]
    for config in result.configs:
        assert loading.load_release(REPO, result.version, config)


def test_load_release_asks_the_hub_once(hub: RunningHub, release: Path) -> None:
    publish(release)
    loading.load_release(REPO, "1.0.0", retry=QUICK)
    hub.clear_log()
    assert loading.load_release(REPO, "1.0.0")["train"]["prompt_id"][0] == first_id(release)
    assert hub.log() == []
    refused(lambda: loading.load_release(REPO, "1.0.0", "nothing"), "no config 'nothing'", "tiny-balanced")
    refused(lambda: loading.load_release(REPO, "main"), "'main' is not a version")


def test_two_repositories_with_one_version_are_kept_apart(hub: RunningHub, tmp_path: Path) -> None:
    """`datasets` caches a local folder under its last name, which is the version of both."""
    ones, others = (Small(seed=next(SEEDS)).write(tmp_path / name) for name in ("ones", "others"))
    for release, repository in ((ones, "alice/ones"), (others, "alice/others")):
        publish(release, repository)
        loaded = loading.load_release(repository, "1.0.0", retry=QUICK)
        assert loaded["train"]["prompt_id"][0] == first_id(release)
    assert first_id(ones) != first_id(others)


def test_load_release_names_a_file_that_was_changed_or_lost_since(hub: RunningHub, release: Path) -> None:
    publish(release)
    loading.load_release(REPO, "1.0.0", retry=QUICK)
    (kept,) = (hub.home / "syco-data").rglob(ROWS_FILE)
    kept.write_bytes(kept.read_bytes()[:-1] + b"X")
    refused(lambda: loading.load_release(REPO, "1.0.0"), ROWS_FILE, "sha256 differs")
    kept.unlink()
    refused(lambda: loading.load_release(REPO, "1.0.0"), ROWS_FILE, "missing")


def test_load_release_does_not_take_one_version_for_another(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release)
    one = loading.kept(ONE, QUICK)
    shutil.copytree(one, one.with_name("2.0.0"))
    monkeypatch.setenv("HF_ENDPOINT", NO_HUB)
    refused(lambda: loading.load_release(REPO, "2.0.0", retry=QUICK), "holds version 1.0.0", "@2.0.0", "Remove")
    assert loading.kept(ONE, QUICK) == one


def test_the_hub_being_down_is_one_line(hub: RunningHub, target: Path) -> None:
    result = python(
        hub, "from syco_data.__main__ import main; main()", "pull", f"{REPO}@1.0.0", "--to", str(target),
        HF_HUB_OFFLINE="1",
    )  # fmt: skip
    assert result.returncode == 2 and "HF_HUB_OFFLINE" in result.stderr and "Traceback" not in result.stderr
    assert not target.exists()
