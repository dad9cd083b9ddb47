"""A published release is read by `hf://` paths, at a version, without this project.

pandas and `datasets` go through huggingface_hub's file system by themselves; polars is handed an open file and
DuckDB a downloaded one, because their own readers of `hf://` ask huggingface.co whatever HF_ENDPOINT says. DuckDB
is not handed the file system: its threads share one Python file there, and now and then read each other's bytes.
"""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from syco_data.publish import publishing, uploads
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.hub.releases import QUICK, Small

PATH = "hf://datasets/alice/claims@v1.0.0/candidates/train.parquet"
READ = """
import json, sys
path = sys.argv[1]
"""
SHOW = "print(json.dumps(rows))"
READERS = {
    "pandas": """
import pandas
rows = pandas.read_parquet(path, columns=["prompt_id", "opinion", "prompt"]).values.tolist()
""",
    "polars": """
import polars
from huggingface_hub import HfFileSystem
with HfFileSystem().open(path) as file:
    rows = polars.read_parquet(file, columns=["prompt_id", "opinion", "prompt"]).rows()
""",
    "duckdb": """
import duckdb
from huggingface_hub import hf_hub_download
file = hf_hub_download("alice/claims", "candidates/train.parquet", repo_type="dataset", revision="v1.0.0")
rows = duckdb.execute("select prompt_id, opinion, prompt from read_parquet(?) order by prompt_id", [file]).fetchall()
""",
    "datasets": """
from datasets import load_dataset
loaded = load_dataset("parquet", data_files=path, split="train")
rows = [list(row.values()) for row in loaded.select_columns(["prompt_id", "opinion", "prompt"])]
""",
}


@pytest.mark.parametrize("transport", ["xet", "lfs"])
@pytest.mark.parametrize("reader", READERS)
def test_a_version_is_read_by_its_path(hub: RunningHub, tmp_path: Path, reader: str, transport: str) -> None:
    small = Small(seed=95_000)
    for folder, result in (("1", small), ("2", small.later("1.1.0"))):
        upload = uploads.of_release(result.write(tmp_path / folder))
        publishing.publish(upload, publishing.Target("alice/claims", "dataset", private=True), QUICK)
    environment = hub.environment(HF_HUB_DISABLE_XET="1" if transport == "lfs" else "0")
    command = [sys.executable, "-c", READ + READERS[reader] + SHOW, PATH]
    process = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    expected = pl.read_parquet(tmp_path / "1/candidates/train.parquet", columns=["prompt_id", "opinion", "prompt"])
    assert json.loads(process.stdout.splitlines()[-1]) == [list(row) for row in expected.rows()]
