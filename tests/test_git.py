"""What git answers does not depend on the settings of whoever asks, and its errors are not thrown away."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from syco_data import git
from syco_data.errors import SycoError
from syco_data.release import environment
from syco_data.release.manifest import Git

CODE = ("code.py", "params.yaml", "words")
NAMES = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}


def run(folder: Path, *arguments: str, **environment: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **NAMES, **environment}, check=True, capture_output=True
    )
    return result.stdout.decode().strip()


def commit(folder: Path, words: str, *options: str) -> str:
    run(folder, "add", "-A")
    run(folder, "commit", "-q", "-m", words, *options)
    return run(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three commits: code, more code (`code`), and a note beside it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    folder = tmp_path / "project"
    (folder / "words").mkdir(parents=True)
    run(folder, "init", "-q")
    for name in CODE[:2]:
        (folder / name).write_text("one\n")
    (folder / "words" / "a.txt").write_text("one\n")
    commit(folder, "one")
    (folder / "code.py").write_text("two\n")
    commit(folder, "two")
    (folder / "note.txt").write_text("nothing of the release\n")
    commit(folder, "three")
    return folder


def last(folder: Path) -> Git:
    return environment.commit_of(folder, CODE)


def test_the_last_commit_of_the_files_and_not_of_others(repository: Path) -> None:
    assert last(repository) == Git(commit=run(repository, "rev-parse", "HEAD~1"), dirty=False)


SETTINGS = {
    "signatures": ("log.showSignature", "true"),
    "a date before the hash": ("format.pretty", "fuller"),
    "colours": ("color.ui", "always"),
    "untracked files unseen": ("status.showUntrackedFiles", "no"),
    "a program that watches files": ("core.fsmonitor", "touch watched; false"),
    "hooks": ("core.hooksPath", "hooks"),
    "line ends": ("core.autocrlf", "true"),
    "a pager": ("core.pager", "touch paged"),
    "short hashes": ("core.abbrev", "7"),
    "a split index": ("core.splitIndex", "true"),
    "files ignored everywhere": ("core.excludesFile", "ignored"),
    "a sparse checkout": ("core.sparseCheckout", "true"),
    "a branch to be followed": ("log.follow", "true"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_no_setting_changes_the_answer(repository: Path, case: str) -> None:
    (repository / "hooks").mkdir()
    hook = repository / "hooks" / "post-index-change"
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    (repository / "ignored").write_text("*\n")
    there = sorted(path.name for path in repository.iterdir())
    before = last(repository)
    run(repository, "config", "--global", *SETTINGS[case])
    run(repository, "config", *SETTINGS[case])
    assert last(repository) == before
    assert sorted(path.name for path in repository.iterdir()) == there
    (repository / "words" / "new.txt").write_text("not committed\n")
    assert last(repository) == Git(commit=before.commit, dirty=True)


def test_a_signed_commit_is_still_forty_digits(repository: Path, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: no commit can be signed")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "allowed").write_text(f"a@b.c {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingkey": str(key.with_suffix(".pub")),
        "gpg.ssh.allowedSignersFile": str(tmp_path / "allowed"),
        "log.showSignature": "true",
    }.items():
        run(repository, "config", "--global", name, value)
    (repository / "code.py").write_text("signed\n")
    result = commit(repository, "signed", "-S")
    assert "Good" in run(repository, "log", "-1", "--format=%H")
    assert last(repository) == Git(commit=result, dirty=False)


def test_variables_of_a_hook_lead_to_no_other_repository(repository: Path, tmp_path: Path, monkeypatch) -> None:
    before, other = last(repository), tmp_path / "other"
    other.mkdir()
    run(other, "init", "-q")
    for name, value in {
        "GIT_DIR": other / ".git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / "index", "GIT_PREFIX": "x/",
        "GIT_OBJECT_DIRECTORY": other / ".git/objects", "GIT_CEILING_DIRECTORIES": repository, "GIT_TRACE": "1",
        "GIT_EXTERNAL_DIFF": "false", "GIT_NAMESPACE": "x", "GIT_GLOB_PATHSPECS": "1", "LANG": "de_DE.UTF-8",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    assert last(repository) == before
    assert git.repository(repository / "words").prefix == "words/"


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_marks_of_the_index_hide_no_change(repository: Path, mark: str) -> None:
    run(repository, "update-index", mark, "params.yaml")
    (repository / "params.yaml").write_text("other\n")
    assert last(repository).dirty


def test_what_counts_as_changed(repository: Path) -> None:
    (repository / "code.py").chmod(0o755)
    (repository / "note.txt").write_text("other\n")
    assert not last(repository).dirty
    (repository / ".git/info/exclude").write_text("more.py\n")
    (repository / "more.py").write_text("code that git is told not to see\n")
    assert environment.commit_of(repository, (*CODE, "more.py")).dirty
    (repository / "words/a.txt").unlink()
    assert last(repository).dirty


def test_a_replaced_commit_is_not_read(repository: Path) -> None:
    before = last(repository)
    run(repository, "replace", before.commit, run(repository, "rev-parse", "HEAD~2"))
    assert last(repository) == before


def test_a_shallow_clone_names_no_commit_and_says_so(repository: Path, tmp_path: Path, caplog) -> None:
    full = last(repository)
    run(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    assert last(tmp_path / "shallow") == Git(commit=None, dirty=None)
    assert "git fetch --unshallow" in caplog.text
    run(tmp_path, "clone", "-q", "--depth", "2", f"file://{repository}", "deeper")
    # The commit itself is where this history begins: whether it touched the files cannot be told.
    assert last(tmp_path / "deeper").commit is None
    run(tmp_path / "shallow", "fetch", "-q", "--unshallow")
    assert last(tmp_path / "shallow") == full


def test_a_shallow_clone_that_holds_the_commit_names_it(repository: Path, tmp_path: Path) -> None:
    (repository / "code.py").write_text("four\n")
    commit(repository, "four")
    run(tmp_path, "clone", "-q", "--depth", "2", f"file://{repository}", "shallow")
    assert last(tmp_path / "shallow") == last(repository)


def test_a_shallow_clone_that_begins_at_the_first_commit_is_whole(repository: Path, tmp_path: Path) -> None:
    run(repository, "checkout", "-q", "HEAD~2")
    for depth in ("1", "2"):
        run(tmp_path, "clone", "-q", "--depth", depth, f"file://{repository}", depth)
        assert last(tmp_path / depth) == last(repository)


@pytest.mark.parametrize("part", ["blob:none", "tree:0"])
def test_a_partial_clone_names_the_same_commit_or_what_it_lacks(repository: Path, tmp_path: Path, part: str) -> None:
    run(repository, "config", "uploadpack.allowFilter", "true")
    run(tmp_path, "clone", "-q", f"--filter={part}", f"file://{repository}", "partial")
    if part == "blob:none":
        assert last(tmp_path / "partial") == last(repository)
    else:
        with pytest.raises(SycoError, match="git fetch --refetch") as caught:
            last(tmp_path / "partial")
        assert "\n" not in str(caught.value)
        run(tmp_path / "partial", "fetch", "-q", "--refetch", "--filter=blob:none")
        assert last(tmp_path / "partial") == last(repository)


def test_outside_a_repository_and_before_its_first_commit_there_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert last(tmp_path / "bare") == Git(commit=None, dirty=None)
    run(tmp_path / "bare", "init", "-q")
    assert last(tmp_path / "bare") == Git(commit=None, dirty=None)


def test_a_subfolder_and_a_second_worktree(repository: Path, tmp_path: Path) -> None:
    inner = repository / "words"
    assert environment.commit_of(inner, ["a.txt"]).commit == run(repository, "rev-parse", "HEAD~2")
    run(repository, "worktree", "add", "-q", str(tmp_path / "second"), "HEAD")
    assert last(tmp_path / "second") == last(repository)


def test_paths_are_not_patterns(repository: Path) -> None:
    (repository / "[n]ote.txt").write_text("x\n")
    (repository / "*").write_text("x\n")
    result = commit(repository, "odd names")
    (repository / "note.txt").write_text("other\n")
    assert environment.commit_of(repository, ["[n]ote.txt", "*"]) == Git(commit=result, dirty=False)


def test_another_owner_is_one_line_with_the_command_that_git_names(repository: Path, monkeypatch) -> None:
    kept = git.without_variables
    ask = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    monkeypatch.setattr(git, "without_variables", lambda environment: {**kept(environment), **ask})
    for question in (lambda: last(repository), lambda: git.repository(repository)):
        with pytest.raises(SycoError, match="dubious ownership.*git config --global --add safe.directory") as caught:
            question()
        assert "\n" not in str(caught.value)
    run(repository, "config", "--global", "safe.directory", "*")
    assert last(repository).commit is not None


def test_a_damaged_repository_and_no_git_are_not_a_missing_repository(repository: Path, monkeypatch) -> None:
    (repository / ".git/HEAD").rename(repository / ".git/HEAD.old")
    with pytest.raises(SycoError, match="git: "):
        last(repository)
    (repository / ".git/HEAD.old").rename(repository / ".git/HEAD")
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(SycoError, match="git cannot be run.*Install git"):
        last(repository)


NAMES_OF_NOTHING = (
    "", "nope", "a..b", "^HEAD", "--all", "-x", ":/zzz", "HEAD@{100}", "@{u}", "HEAD:code.py", "HEAD^{tree}", "x y",
    "a\nb", "a\0b", "0" * 40, "[x]", "*",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_NOTHING)
def test_names_that_are_not_a_commit(repository: Path, name: str) -> None:
    assert git.repository(repository).commit(name) is None


def test_words_that_are_not_a_commit_are_refused() -> None:
    with pytest.raises(SycoError, match="is not a commit"):
        git._one_commit("Good signature for a@b.c\n" + "a" * 40)
