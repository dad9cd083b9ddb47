"""A tuned model's folder: a run removes what runs have put there, and nothing else."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from syco_data import __main__ as cli
from syco_data import files, ownership
from syco_data.errors import SycoError
from syco_data.finetune import checkpoints, out_folders
from syco_data.finetune.checkpoints import Workspace

KEY, OTHER = "0" * 32, "1" * 32
MODEL = ("config.json", "model.safetensors", "tokenizer.json", "training.parquet")
RECORD = {
    "model": "m", "source": "local", "revision": None, "commit": "c", "arm": "a", "condition": {}, "settings": {},
    "prompts": "p", "metrics": {}, "versions": {},
}  # fmt: skip


@pytest.fixture
def out(tmp_path):
    """The folder of a finished run."""
    workspace = Workspace(tmp_path / "data" / "tuned" / "m" / "arm", KEY)
    workspace.clear()
    finished = workspace.folder / checkpoints.FINISHED
    for name in (*MODEL, "additional_chat_templates/tool.jinja"):
        files.write(finished / name, name)
    (workspace.folder / checkpoints.LOG).touch()
    (workspace.folder / "checkpoint-4").mkdir()
    workspace.finish(finished)
    for name in out_folders.WRITTEN_LATER:
        files.write_json(workspace.out / name, RECORD)
    return workspace.out


def names(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}


def test_a_finished_model_is_ours_and_goes_when_the_next_run_begins(out):
    assert names(out) == {
        *MODEL, *out_folders.WRITTEN_LATER, "additional_chat_templates/tool.jinja", ownership.MARK}  # fmt: skip
    Workspace(out, OTHER).clear()
    assert names(out) == {ownership.MARK}
    assert [path.name for path in (out / "checkpoints").iterdir()] == [OTHER]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "mine/a/b", "additional_chat_templates/own.jinja", "empty/"])
@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_file_of_the_users_is_named_and_nothing_is_removed(out, name, key):
    if name.endswith("/"):
        (out / name).mkdir()
    else:
        files.write(out / name, "kept")
    before = names(out)
    with pytest.raises(
        SycoError, match=rf"arm holds {name.rstrip('/')}, which this project did not put there"
    ) as caught:
        Workspace(out, key).clear()
    assert "Nothing was removed. Move it elsewhere" in str(caught.value)
    assert names(out) == before


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/"), lambda path: path.symlink_to("no")])
def test_pipes_and_links_of_the_users_stay(out, make):
    make(out / "odd")
    with pytest.raises(SycoError, match="arm holds odd, which"):
        Workspace(out, KEY).clear()
    assert os.path.lexists(out / "odd") and (out / "model.safetensors").is_file()


def test_a_folder_of_models_without_a_mark_is_the_users(tmp_path):
    for name in MODEL:
        files.write(tmp_path / name, name)
    with pytest.raises(SycoError, match=r"holds config.json, which"):
        Workspace(tmp_path, KEY).clear()
    assert names(tmp_path) == set(MODEL)


def test_a_folder_of_a_version_without_marks_is_known_by_its_record(out):
    (out / ownership.MARK).unlink()
    shutil.rmtree(out / "additional_chat_templates")
    files.write(out / "model-00001-of-00002.safetensors", "")
    files.write(out / "notes.txt", "kept")
    with pytest.raises(SycoError, match=r"holds notes.txt, which"):
        Workspace(out, KEY).clear()
    (out / "notes.txt").unlink()
    Workspace(out, KEY).clear()
    assert names(out) == {ownership.MARK}


@pytest.mark.parametrize("marked", [True, False])
def test_a_kill_while_the_old_model_is_removed_leaves_a_folder_of_ours(out, monkeypatch, marked):
    shutil.rmtree(out / "additional_chat_templates")
    if not marked:
        (out / ownership.MARK).unlink()
    calls = []

    def killed(path):
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt
        path.unlink()

    monkeypatch.setattr(checkpoints, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        Workspace(out, KEY).clear()
    monkeypatch.undo()
    Workspace(out, KEY).clear()
    assert names(out) == {ownership.MARK}


def test_a_file_that_comes_while_a_run_trains_is_not_written_over(tmp_path):
    workspace = Workspace(tmp_path, KEY)
    workspace.clear()
    files.write(workspace.folder / checkpoints.FINISHED / "config.json", "ours")
    (workspace.folder / "checkpoint-4").mkdir()
    files.write(tmp_path / "config.json", "kept")
    with pytest.raises(SycoError, match=r"holds config.json, which .* the last checkpoint stays"):
        workspace.finish(workspace.folder / checkpoints.FINISHED)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "kept"
    assert (workspace.folder / "checkpoint-4").is_dir()


def test_what_no_run_writes_among_the_checkpoints_stays_and_is_reported(tmp_path, capsys):
    first, second = Workspace(tmp_path, KEY), Workspace(tmp_path, OTHER)
    first.clear()
    for name in ("checkpoint-2", "checkpoint-4", "checkpoint-x", "finished"):
        (first.folder / name).mkdir()
    files.write(tmp_path / "checkpoints/mine/notes.txt", "kept")
    second.clear()
    assert {path.name for path in first.folder.iterdir()} == {"checkpoint-x"}
    assert names(tmp_path) == {ownership.MARK, "checkpoints/mine/notes.txt"}
    stay = (first.folder / "checkpoint-x", tmp_path / "checkpoints/mine/notes.txt")
    words = capsys.readouterr().out.splitlines()
    assert sorted(words) == sorted(f"finetune: {path} was not written by a run, and stays" for path in stay)


@pytest.mark.parametrize("name", ["checkpoints", f"checkpoints/{KEY}", f"checkpoints/{OTHER}"])
def test_checkpoints_are_never_removed_through_a_link(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / KEY / "checkpoint-4").mkdir(parents=True)
    (elsewhere / "checkpoint-4").mkdir()
    link = tmp_path / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(SycoError, match=rf"{name} is a link, and checkpoints are removed from there"):
        Workspace(tmp_path / "out", KEY).clear()
    assert (elsewhere / KEY / "checkpoint-4").is_dir() and (elsewhere / "checkpoint-4").is_dir()


def test_links_into_dvcs_cache_are_removed_and_what_they_lead_to_stays(out, tmp_path):
    """As DVC leaves an out with `cache.type` symlink or hardlink."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for number, path in enumerate(sorted(path for path in out.rglob("*") if path.is_file())):
        path.rename(cache / path.name)
        path.symlink_to(cache / path.name) if number % 2 else os.link(cache / path.name, path)
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    Workspace(out, OTHER).clear()
    assert names(out) == {ownership.MARK} and not (out / ownership.MARK).is_symlink()
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before


@pytest.mark.parametrize("mark", ['{"files": ["../../keep"]}', '{"files": 7}', "[]", "no", '{"files": ["notes.txt"]}'])
def test_a_mark_of_a_strangers_removes_nothing_elsewhere(out, mark):
    files.write(out.parent.parent / "keep", "kept")
    (out / ownership.MARK).write_text(mark, encoding="utf-8")
    with pytest.raises(SycoError, match="which this project did not put there"):
        Workspace(out, KEY).clear()
    assert (out.parent.parent / "keep").is_file() and set(MODEL) < names(out)


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "arm").touch()
    with pytest.raises(SycoError, match=r"arm is a file, and a folder is needed there"):
        Workspace(tmp_path / "arm", KEY).clear()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/checkpoints").touch()
    with pytest.raises(SycoError, match=r"could not be written|holds checkpoints"):
        Workspace(tmp_path / "other", KEY).clear()


def test_push_publishes_the_models_files_and_no_note_of_the_users(out, tmp_path, monkeypatch):
    from syco_data.finetune import model_cards
    from syco_data.publish import publishing, tuned_on

    published = []
    monkeypatch.setattr(
        publishing, "dry_run", lambda parcel, *_: published.append(parcel) or SimpleNamespace(lines=list)
    )
    release = SimpleNamespace(version="1.0.0")
    monkeypatch.setattr(tuned_on, "of_release", lambda *_: release)
    monkeypatch.setattr(model_cards, "render", lambda *_: "card")
    files.write(out / "checkpoints/mine/notes.txt", "kept")
    command = ["push", "m", "arm", "--to", "alice/m", "--dry-run", "--root", str(tmp_path / "data")]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    assert {item.path for item in published[0].items} == {
        *MODEL, *out_folders.WRITTEN_LATER, "additional_chat_templates/tool.jinja"}  # fmt: skip
    files.write(out / "notes.txt", "kept")
    assert "arm holds notes.txt, which" in str(CliRunner().invoke(cli.app, command).exception)
