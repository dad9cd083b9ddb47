"""Commands find their project from a subfolder, keep what the user means by a path, and are clear outside of one."""

import os
import shutil
from pathlib import Path

import pytest

from syco_data.commands import project
from syco_data.errors import SycoError
from tests.commands.test_filter import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A project with a folder below it, which is the current one."""
    top = tmp_path / "clone"
    below = top / "data" / "release"
    below.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, top)
    monkeypatch.chdir(below)
    return top


def test_a_command_works_from_a_subfolder(clone):
    assert "reference" in run("models", "list")
    assert Path.cwd() == clone


def test_paths_stay_relative_to_where_the_user_is(clone):
    project.enter()
    assert [project.path(text) for text in ("x", "../y", "/z")] == [
        Path("data/release/x"), Path("data/release/../y"), Path("/z")
    ]  # fmt: skip
    assert project.path("~") == Path.home()
    (clone / "data/release/model").mkdir()
    assert project.path_or_name("model") == "data/release/model"
    assert project.path_or_name("alice/model") == "alice/model"
    with pytest.raises(SycoError, match="data/release/nothing"):
        os.chdir(clone / "data/release")
        run("verify", "nothing")


def test_at_the_root_a_path_is_what_was_typed(clone, monkeypatch):
    monkeypatch.chdir(clone)
    project.enter()
    assert project.path("x") == Path("x")
    assert Path.cwd() == clone


@pytest.mark.parametrize(
    "words",
    [("models", "list"), ("summary",), ("show", "abcdef"), ("results", "x"), ("profile", "list"),
     ("profile", "use", "x"), ("filter", "--dry-run"), ("counts",), ("preview",),
     ("sources", "check"), ("scores", "list")],
)  # fmt: skip
def test_outside_of_a_project_a_command_says_so(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SycoError, match=r"no project here: .* params\.yaml and dvc\.yaml\. Change to your clone"):
        run(*words)
    assert not list(tmp_path.iterdir())


def test_what_needs_no_project_works_outside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "sst2" in run("sources", "list")
    with pytest.raises(SycoError, match="there is no"):
        run("verify", "nothing")


def test_a_folder_that_was_removed_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SycoError, match=r"the current folder was removed\. Change to another one"):
        run("models", "list")
