"""Git, asked so that no setting of a user, a hook or a terminal changes what it answers.

Only plumbing commands are asked: `git log` prints what the user's settings ask for, such as a signer's address. The
settings that the answers would depend on are given with each call; the others stay, as `safe.directory` must. No
command of git is given a path as a pattern, runs a hook or asks a network.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from syco_data.errors import SycoError

COMMIT = r"^([0-9a-f]{40}|[0-9a-f]{64})$"
_PINNED = (
    "core.attributesFile=", "core.autocrlf=false", "core.excludesFile=", "core.fileMode=false", "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}", "core.quotePath=false", "core.safecrlf=false", "core.sparseCheckout=false",
    "core.splitIndex=false", "core.untrackedCache=false", "color.ui=false", "index.sparse=false",
    "protocol.allow=never", "status.renames=false", "submodule.recurse=false",
)  # fmt: skip
# A hook's or a shell's variables may name another repository; those of the installation and of the configuration stay.
_KEPT = re.compile(r"GIT_(EXEC_PATH|CONFIG_.*)\Z")
_OWN = {
    "GIT_GRAFT_FILE": os.devnull, "GIT_LITERAL_PATHSPECS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
}  # fmt: skip
_PARTIAL = ("not allowed", "promisor", "lazy fetch")


@dataclass(frozen=True)
class Repository:
    """The repository that `folder` is part of; `prefix` is the way from its top to `folder`, "" or ending in a slash.

    Its methods raise `SycoError` with git's own words where git fails.
    """

    folder: Path
    prefix: str

    def commit(self, revision: str) -> str | None:
        """The commit of a revision, in hex; None where git knows none of that name."""
        # Git reads a name that begins with a hyphen as an option, and `^name` as all but that commit.
        if not revision or revision.startswith(("-", "^")) or "\0" in revision:
            return None
        result = _run(self.folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return _one_commit(result.stdout) if result.returncode == 0 else None

    def last_commit(self, paths: Iterable[str]) -> str | None:
        """The last commit of HEAD that touched one of these paths of `folder`; None where there is none.

        Raises `CutShort` where the history that is here begins after it.
        """
        if self.commit("HEAD") is None:
            return None
        newest = self._asked("rev-list", "-1", "HEAD", "--", *paths)
        commit = _one_commit(newest) if newest else None
        if commit in self._ends() and self._has_parents(commit):
            raise CutShort(
                f"git: the history of this clone begins at commit {commit[:12]}, so the last change of its files is "
                "not known",
                "Fetch the rest: git fetch --unshallow (`fetch-depth: 0` in a workflow)",
            )
        return commit

    def is_changed(self, paths: Iterable[str]) -> bool:
        """Whether one of these paths of `folder` is not as it is in HEAD: changed, gone, or not committed at all.

        The content counts, modes do not, and neither do marks that somebody put on files of the index.
        """
        ordered = sorted(paths)
        with TemporaryDirectory(prefix="syco-git-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._asked("read-tree", "HEAD", environment=index)
            command = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignored=matching", "--no-renames")
            states = self._asked(*command, "--", *ordered, environment=index).split("\0")
        ignored = {f"!! {self.prefix}{path}" for path in ordered}
        return any(state and (not state.startswith("!!") or state in ignored) for state in states)

    def _ends(self) -> set[str]:
        """Commits whose parents were not fetched; git lists a first commit too where the clone is just deep enough."""
        if self._asked("rev-parse", "--is-shallow-repository") != "true":
            return set()
        return set((self.folder / self._asked("rev-parse", "--git-path", "shallow")).read_text().split())

    def _has_parents(self, commit: str) -> bool:
        """Whether a commit names others that came before it, be they here or not."""
        head, _, _ = self._asked("cat-file", "commit", commit).partition("\n\n")
        return any(line.startswith("parent ") for line in head.splitlines())

    def _asked(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        result = _run(self.folder, *arguments, environment=environment)
        if result.returncode != 0:
            raise _error(result.stderr)
        return result.stdout.strip("\n")


class CutShort(SycoError):
    """The history of a clone ends before what was looked for."""


def repository(folder: Path) -> Repository | None:
    """The repository that a folder is part of; None where it is in none.

    Raises `SycoError` where there is one that cannot be asked: no git, another owner, a damaged one.
    """
    marks = (place / ".git" for place in (folder.absolute(), *folder.absolute().parents))
    mark = next((mark for mark in marks if mark.is_file() or (mark.is_dir() and any(mark.iterdir()))), None)
    if mark is None:
        return None
    result = _run(folder, "rev-parse", "--show-prefix")
    if result.returncode != 0:
        raise _error(result.stderr)
    return Repository(folder, result.stdout.removesuffix("\n"))


def without_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a hook or a shell tells git of another repository."""
    return {name: value for name, value in environment.items() if not name.startswith("GIT_") or _KEPT.match(name)}


def _run(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess:
    command = ["git", "--no-pager", *(part for setting in _PINNED for part in ("-c", setting)), *arguments]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**without_variables(os.environ), **_OWN, **(environment or {})},
            check=False,
        )
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SycoError(f"git cannot be run: {reason}", "Install git: this folder is part of a repository") from error


def _error(words: str) -> SycoError:
    """Git's own words in one line; what it proposes is the hint."""
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith("hint:")]
    reason = next((line for line in lines if line.startswith("fatal:")), lines[0] if lines else "it failed")
    hint = next((line for line in lines if line.startswith("git config ")), None)
    if hint is None and any(word in words for word in _PARTIAL):
        hint = "This clone lacks a part of the history: git fetch --refetch --filter=blob:none"
    return SycoError(f"git: {reason.removeprefix('fatal:').strip()}", hint)


def _one_commit(words: str) -> str:
    commit = words.strip()
    if not re.match(COMMIT, commit):
        raise SycoError(f"git: {commit!r:.100} is not a commit", "Ask it yourself: git rev-parse HEAD")
    return commit
