"""The default graph, built twice in two folders: the same bytes, down to model weights and verdicts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UP_TO = "select"
COMPARED = ("raw", "claims", "prompts", "probes", "reference", "verdicts", "train")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def clean_copy(folder: Path) -> Path:
    """The project as a fresh clone would have it: what git tracks or would track, and nothing that was built."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    (folder / "dvc.lock").unlink(missing_ok=True)
    shutil.copy2(ROOT / "profiles" / "default.yaml", folder / "params.yaml")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t", "commit", "-qm", "t"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def dvc(folder: Path, *arguments: str) -> str:
    """Runs DVC with this environment's python first on the path; a failure shows what it printed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    command = [str(Path(sys.executable).parent / "dvc"), *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


def files(folder: Path) -> dict[str, bytes]:
    data = folder / "data"
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for part in COMPARED
        for path in sorted((data / part).rglob("*"))
        if path.is_file() and path.name != ".gitignore"
    }


def first_build(folder: Path) -> Path:
    """A finished build to compare with: the one that SYCO_BUILT names (as CI does), else one made here."""
    if named := os.environ.get("SYCO_BUILT"):
        return Path(named)
    dvc(clean_copy(folder), "repro", UP_TO, "probes")
    return folder


def test_twice_the_same_bytes(tmp_path):
    first = first_build(tmp_path / "first")
    once = files(first)
    assert {name.split("/")[0] for name in once} == set(COMPARED)
    second = clean_copy(tmp_path / "second")
    dvc(second, "repro", UP_TO, "probes")
    again = files(second)
    assert sorted(again) == sorted(once)
    assert [name for name in once if once[name] != again[name]] == []
    # A second run in the same folder has nothing to do.
    printed = dvc(second, "repro", UP_TO, "probes")
    assert "didn't change, skipping" in printed and "Running stage" not in printed
