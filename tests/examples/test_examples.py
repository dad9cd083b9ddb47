"""The programs of examples/ run as their first lines say, on a small release."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from syco_data.diff import diffing
from syco_data.release import release
from syco_data.schemas import TRAIN
from tests.support import tiny_models
from tests.support.tables_for_tests import ROOT, Made, shared_build, shared_release, small_settings


def run(name: str, *arguments: object, home: Path) -> str:
    command = [sys.executable, ROOT / "examples" / f"{name}.py", *map(str, arguments)]
    environment = {"PATH": "", "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_load_release_shows_rows(tmp_path):
    printed = run("load_release", shared_release(), home=tmp_path)
    assert printed.count("Assistant: I believe the best answer is (") == 2
    assert printed.count("the user is ") == 2


def test_compare_releases_names_causes(tmp_path):
    build = Made(shared_build().folder, small_settings(release={"text": "none"}))
    release.write_release(build.build, build.settings, tmp_path / "other", diffing.bump)
    printed = run("compare_releases", shared_release(), tmp_path / "other", home=tmp_path)
    assert "candidates/train: +0 -0, 2000 changed" in printed
    assert "2000 changed: settings only" in printed
    assert "the same" in run("compare_releases", shared_release(), shared_release(), home=tmp_path)


@pytest.mark.slow
def test_training_set_keeps_what_a_model_knows(tmp_path):
    model = tiny_models.make(tmp_path / "my-model")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("engine: vllm #", "engine: transformers #", 1)
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    printed = run("training_set", shared_release(), model, "train.parquet", home=tmp_path)
    rows = pl.read_parquet(tmp_path / "train.parquet")
    assert printed.startswith(f"train.parquet: {len(rows):,} rows; of 2,000 candidates the model knows ")
    assert rows.columns == TRAIN.names and len(rows) > 0
    assert set(rows["completion"]) == {" (A)", " (B)"}
