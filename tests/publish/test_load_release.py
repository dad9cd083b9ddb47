"""`load_release` gives the rows that were published or one line, and writes nothing where a version is there."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.utils import WeakFileLock

from syco_data.hub import limits
from syco_data.hub.addresses import Address
from syco_data.hub.client import Remote
from syco_data.publish import loading, pulling
from syco_data.release import manifest
from tests.publish.test_pulling import NO_HUB, ONE, REPO, ROWS_FILE, first_id, publish, refused
from tests.support import tables_for_tests
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.hub.releases import QUICK, Small

SEEDS = itertools.count(170_000)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Small(seed=next(SEEDS)).write(tmp_path / "release")


@pytest.fixture
def kept(hub: RunningHub, release: Path) -> Path:
    """The folder of a version that is there."""
    publish(release)
    return loading.kept(ONE, QUICK)


def load(config: str | None = None):
    return loading.load_release(REPO, "1.0.0", config, retry=QUICK)


# The same as `datasets` gives


def test_features_splits_and_rows_are_those_of_load_dataset(hub: RunningHub, tmp_path: Path) -> None:
    from datasets import load_dataset

    release = tables_for_tests.shared_release()
    result = manifest.read(release)
    publish(release)
    for config in (None, *result.configs):
        ours = loading.load_release(REPO, result.version, config, retry=QUICK)
        theirs = load_dataset(str(release), config, cache_dir=str(tmp_path / "arrow"))
        assert list(ours) == list(theirs)
        for split, rows in theirs.items():
            assert list(ours[split].features.items()) == list(rows.features.items())
            assert ours[split].data.schema == rows.data.schema and ours[split].split == rows.split
            assert ours[split].info.config_name == rows.info.config_name
            assert ours[split].to_dict() == rows.to_dict()


def test_rows_of_other_releases_have_other_fingerprints(hub: RunningHub, tmp_path: Path) -> None:
    """`datasets` names the cached results of `map` and `filter` by them."""
    names = []
    for folder, repository in (("1", "alice/ones"), ("2", "alice/others")):
        publish(Small(seed=next(SEEDS)).write(tmp_path / folder), repository)
        rows = loading.load_release(repository, "1.0.0", retry=QUICK)["train"]
        assert loading.load_release(repository, "1.0.0")["train"]._fingerprint == rows._fingerprint
        names.append(rows._fingerprint)
    assert len(set(names)) == 2


# Damage


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


def test_one_bit_of_any_file_of_the_store_is_noticed(kept: Path) -> None:
    """The Arrow copies that `datasets` made of the Parquet files were verified by nobody: there are none."""
    load()
    everything = [path for path in loading.store().rglob("*") if path.is_file()]
    assert not [path for path in everything if path.suffix == ".arrow"]
    for path in sorted(kept.rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            flip(path, 0.5)
            refused(load, str(kept), "sha256 differs", f"Remove {kept}")
            path.write_bytes(whole)
    assert load()["train"].num_rows > 0


def test_a_manifest_that_still_is_one_is_compared_with_the_one_that_was_pulled(kept: Path) -> None:
    """Nothing in a release names the manifest's own digest."""
    path = kept / manifest.NAME
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | {"settings": {"seed": 1}}), encoding="utf-8")
    refused(load, "manifest.json is not the one that was pulled", f"Remove {kept}")
    shutil.rmtree(kept)
    assert load()["train"].num_rows > 0


def test_rows_that_change_between_the_check_and_the_reading_are_not_given(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = loading.verification.verify

    def and_change(folder: Path):
        result = verify(folder)
        flip(folder / ROWS_FILE, 0.5)
        return result

    monkeypatch.setattr(loading.verification, "verify", and_change)
    refused(load, ROWS_FILE, "sha256 differs")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"manifest": 5}'])
def test_a_version_without_its_note_is_compared_with_the_hub(
    hub: RunningHub, kept: Path, release: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """Kept by an earlier program, or the note is damaged."""
    note = loading._record(kept)
    whole = note.read_text(encoding="utf-8")
    note.unlink() if content is None else note.write_text(content, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        refused(load, note.name, "the Hub has to be asked", "HF_HUB_OFFLINE")
    assert load()["train"]["prompt_id"][0] == first_id(release)
    assert note.read_text(encoding="utf-8") == whole
    note.unlink()
    values = json.loads((kept / manifest.NAME).read_text(encoding="utf-8"))
    (kept / manifest.NAME).write_text(json.dumps(values), encoding="utf-8")  # laid out in another way
    refused(load, "another release than alice/claims@1.0.0")


# Stores that cannot be written


READ_ONLY = """
import os, sys
store, forbidden = sys.argv[1], {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.utime"}
def refuse(event, arguments):
    flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
    writes = event in forbidden or (event == "open" and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if writes and any(str(part).startswith(store) for part in arguments if isinstance(part, (str, os.PathLike))):
        raise OSError(30, "Read-only file system")
from syco_data.errors import SycoError
from syco_data import load_release
sys.addaudithook(refuse)
for version in sys.argv[2:]:
    try:
        print(load_release("alice/claims", version)["train"]["prompt_id"][0])
    except SycoError as error:
        print(error)
"""
"""Every write below HF_HOME fails as on a read-only disk; the tests may run as root, whom no permission stops."""


def read_only(hub: RunningHub, *versions: str, **more: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(hub.home), *versions], cwd=ROOT, env=hub.environment(**more),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_version_that_is_there_is_read_where_nothing_can_be_written(
    hub: RunningHub, kept: Path, release: Path
) -> None:
    before = state(hub.home)
    there, missing = read_only(hub, "1.0.0", "2.0.0", HF_HUB_OFFLINE="1", HF_ENDPOINT=NO_HUB)
    assert there == first_id(release)
    assert "HF_HOME" in missing and "Read-only file system" in missing and "Set HF_HOME" in missing
    (kept / ROWS_FILE).write_bytes(b"other rows")
    (damaged,) = read_only(hub, "1.0.0", HF_HUB_OFFLINE="1")
    assert ROWS_FILE in damaged and str(kept) in damaged
    assert set(hub.home.rglob("*")) == set(before)


def test_reading_a_version_that_is_there_writes_nothing(hub: RunningHub, kept: Path) -> None:
    load()
    before = state(hub.home)
    load("verdicts-tiny")
    assert state(hub.home) == before


def test_a_damaged_version_in_a_store_of_somebody_elses_is_not_to_be_removed(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept / ROWS_FILE).write_bytes(b"other rows")
    monkeypatch.setattr(loading.os, "access", lambda path, mode: mode != os.W_OK)
    refused(load, ROWS_FILE, "cannot be written", "Set HF_HOME")


@pytest.mark.parametrize("home", ["file/hf", "file"])
def test_a_store_that_cannot_be_made_is_one_line_that_names_hf_home(
    hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / home))
    refused(load, "HF_HOME", str(tmp_path / home), "Set HF_HOME to a folder that can be written")


def test_a_version_that_another_process_fetches_is_waited_for_within_the_limit_of_time(
    hub: RunningHub, release: Path
) -> None:
    publish(release)
    lock = loading.store() / "alice--claims/1.0.0.lock"
    lock.parent.mkdir(parents=True)
    with WeakFileLock(lock):
        hurry = QUICK.model_copy(update={"total": 0.2})
        refused(lambda: loading.load_release(REPO, "1.0.0", retry=hurry), "another process", str(lock))
    assert load()["train"].num_rows > 0


def test_waiting_and_fetching_have_one_limit_of_time_together(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release)
    limit = []
    monkeypatch.setattr(pulling, "Remote", lambda *given: limit.append(limits.deadline(0)) or Remote(*given))
    load()
    shutil.rmtree(loading.store())
    with limits.within(77):
        load()
        pulling.manifest_of(ONE, release.parent / "manifest", QUICK)
    assert {one.total for one in limit} == {QUICK.total, 77}
    limit.clear()
    refused(lambda: pulling.pull(Address("alice/nobody", "1.0.0"), release.parent / "to", QUICK))
    assert len(limit) == 2 and limit[0] is limit[1] and limit[0].total == QUICK.total


@pytest.mark.parametrize("name", ["a[1]b", "q*?", "[!x]", "{a,b}", "umlaut ü and blank"])
def test_hf_home_may_have_any_name(
    hub: RunningHub, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    publish(release)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / name))
    for _ in range(2):
        assert load()["train"]["prompt_id"][0] == first_id(release)


def test_a_card_with_types_that_its_tables_do_not_have_is_one_line(
    hub: RunningHub, release: Path, tmp_path: Path
) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    info = "dataset_info:\n- config_name: tiny-balanced\n  features:\n  - name: prompt_id\n    dtype: int64\n---\n# V"
    (release / "README.md").write_text(card.replace("---\n# V", info), encoding="utf-8")
    content = (release / "README.md").read_bytes()

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == "README.md")
        entry.update(bytes=len(content), sha256=manifest.digest_of(release / "README.md"))

    path = release / manifest.NAME
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    publish(release)
    refused(load, "README.md", "types that its tables do not have")
    assert Address(REPO, "1.0.0") == ONE
