"""A typo in params.yaml stops `dvc repro` in the first stage, before DVC removes the output of any other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.tables_for_tests import ROOT, shared_build, small_settings

STAGES = ("code", "claims")
pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with two stages of the real graph and, for the second one, the rows of a small build."""
    without = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for name in ("stages", "syco_data"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=without)
    (tmp_path / "templates").mkdir()
    shutil.copytree(shared_build().folder / "raw", tmp_path / "data/raw")
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    _write(tmp_path / "dvc.yaml", {"stages": {name: graph[name] for name in STAGES}})
    _write(tmp_path / "params.yaml", small_settings().model_dump(mode="json", by_alias=True))
    assert dvc(tmp_path, "init", "--quiet", "--no-scm").returncode == 0
    return tmp_path


def _write(path: Path, values: dict) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs DVC with this environment's python first on the path."""
    here = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run([here / "dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def claims(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data/claims").iterdir()}


def test_a_typo_stops_in_stage_code_with_one_line_and_later_outputs_stay(project):
    result = dvc(project, "repro", "claims")
    assert result.returncode == 0, result.stdout + result.stderr
    before = claims(project)
    assert "claims.parquet" in before
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("other_share:", "other_shre:"), encoding="utf-8")
    stopped = dvc(project, "repro", "claims")
    printed = (stopped.stdout + stopped.stderr).splitlines()
    assert stopped.returncode != 0
    ours = [line for line in printed if line.startswith("error: ")]
    assert len(ours) == 1
    assert "unknown key 'claims.other_shre': did you mean 'other_share'?" in ours[0]
    assert [line for line in printed if "Running stage" in line] == ["Running stage 'code':"]
    assert not any("Traceback" in line for line in printed)
    assert claims(project) == before
