"""The card of a tuned model names what it came from; `push` sends both through the publisher."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from huggingface_hub import ModelCard

from stages.folders import ANSWERS, DATA
from syco_data import schemas, tables
from syco_data.errors import SycoError
from syco_data.finetune import model_cards
from syco_data.finetune.model_cards import TuningRecord
from syco_data.publish import tuned_on
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.hub.releases import Small
from tests.support.tunings import choice

ROWS = {"tokens": 900, "target_tokens": 96, "generated_used": 40, "instruction_used": 8, "share_generated": 0.8333}
METRICS = {
    "rows": ROWS, "steps": 8, "parameters": 1000, "trained_parameters": 1000, "first_loss": 2.5, "last_loss": 0.25,
    "last_accuracy": 0.9,
}  # fmt: skip


def record(**changes) -> TuningRecord:
    result = TuningRecord(
        model="tiny", source="reference", revision=None, commit="c" * 32, arm="balanced",
        condition={"label_kinds": ["gold", "other"], "filtered": True, "balanced": True},
        settings=choice().model_dump(mode="json"), prompts="d" * 32, metrics=METRICS, versions={"trl": "1.16.0"},
    )  # fmt: skip
    return replace(result, **changes)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A data folder with a release and a model that was tuned on its training set."""
    Small(seed=70_001).write(tmp_path / "data/release")
    ids = pl.read_parquet(tmp_path / "data/release/tiny-balanced/train.parquet")["prompt_id"]
    folder = tmp_path / "data/tuned/tiny/balanced"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 99)
    model_cards.write(record(prompts=model_cards.prompts_digest(ids)), folder)
    return tmp_path / "data"


def push(hub: RunningHub, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "syco_data", "push", "tiny", "balanced", "--to", "alice/tuned", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_card_says_where_the_model_comes_from():
    text = model_cards.render(record(), None, None)
    head = yaml.safe_load(text.split("---")[1])
    assert (head["license"], head["library_name"]) == ("other", "transformers")
    assert "base_model" not in head and "datasets" not in head
    for fact in (
        "arm `balanced`",
        "in no release yet",
        "gold, other",
        "| learning_rate | 0.01 |",
        "| parts.generated | 5",
    ):
        assert fact in text
    assert "{{" not in text and "None" not in head.values()


def test_a_model_of_the_hub_is_named_in_the_head():
    data = model_cards.DataRelease("alice/claims", "1.2.0", "tiny-balanced", "e" * 64)
    text = model_cards.render(record(source="org/base", revision="f" * 40, commit="f" * 40), data, None)
    head = ModelCard(text).data.to_dict()
    assert (head["base_model"], head["datasets"]) == ("org/base", ["alice/claims"])
    assert "https://huggingface.co/datasets/alice/claims/tree/v1.2.0" in text


def test_figures_of_the_evaluation_stand_with_their_intervals():
    results = pl.DataFrame(
        {"probe": "held_out", "metric": "sycophancy", "slice": "all", "rate": 0.25, "low": 0.2, "high": 0.3, "rows": 99}
    )
    assert "| held_out | sycophancy | all | 0.250 | 0.200 | 0.300 | 99 |" in model_cards.render(record(), None, results)


def test_a_record_survives_writing_and_a_broken_one_is_refused(tmp_path):
    model_cards.write(record(), tmp_path)
    assert model_cards.read(tmp_path) == record()
    (tmp_path / "tuning.json").write_text("{", encoding="utf-8")
    with pytest.raises(SycoError, match="no finished tuned model"):
        model_cards.read(tmp_path)


def test_a_release_of_other_rows_is_refused(build):
    result = record(prompts="0" * 32)
    with pytest.raises(SycoError, match=r"was tuned on other rows than release 1\.0\.0 holds"):
        tuned_on.of_release(result, build / "release", build / "publish/receipt.json")
    with pytest.raises(SycoError, match="no training set 'tiny-published'"):
        tuned_on.of_release(record(arm="published"), build / "release", build / "publish/receipt.json")


def test_push_sends_model_and_card_in_one_commit(hub: RunningHub, build: Path):
    (build / "publish").mkdir()
    receipt = {"commit": "a" * 40, "version": "1.0.0", "repository": "alice/claims"}
    (build / "publish/receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    figures = {
        "model": "tiny", "arm": "balanced", "probe": "held_out", "metric": "follows_wrong_user", "slice": "all",
        "rate": 0.125, "low": 0.1, "high": 0.15, "chance": 0.5, "rows": 80, "clusters": 80, "method": "wilson",
    }  # fmt: skip
    tables.write(
        pl.DataFrame([figures], schema=schemas.METRICS.columns), schemas.METRICS,
        build / ANSWERS.relative_to(DATA) / "tiny/balanced/metrics.parquet",
    )  # fmt: skip
    planned = push(hub, "--root", str(build), "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "dry run, alice/tuned: version 1.0.0" in planned.stdout and not hub.writes()
    result = push(hub, "--root", str(build))
    assert result.returncode == 0, result.stderr
    info = hub.api().model_info("alice/tuned", revision="v1.0.0")
    assert info.private
    sent = {".gitattributes", "README.md", "model.safetensors", "tuning.json"}
    assert {sibling.rfilename for sibling in info.siblings} == sent
    path = hub.api().hf_hub_download("alice/tuned", "README.md", revision="v1.0.0")
    card = Path(path).read_text(encoding="utf-8")
    assert "datasets/alice/claims/tree/v1.0.0" in card and "| 0.125 | 0.100 | 0.150 | 80 |" in card
    hub.clear_log()
    assert push(hub, "--root", str(build)).returncode == 0 and not hub.writes()
    assert sorted(path.name for path in build.iterdir()) == ["answers", "publish", "release", "tuned"]


def test_push_before_an_evaluation_says_that_the_card_lacks_it(hub: RunningHub, build: Path):
    result = push(hub, "--root", str(build), "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "The card says nothing of the evaluation" in result.stderr


def test_push_of_nothing_is_one_line(hub: RunningHub, tmp_path: Path):
    result = push(hub, "--root", str(tmp_path))
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "holds no finished tuned model" in result.stderr


@pytest.mark.parametrize("name", ["a[1]", "q*", "what?", "{x,y}"])
def test_push_takes_a_root_of_any_name(hub: RunningHub, build: Path, name: str):
    root = build.rename(build.with_name(name))
    result = push(hub, "--root", str(root), "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "dry run, alice/tuned: version 1.0.0" in result.stdout


def test_push_follows_links_into_the_cache_of_dvc_and_no_others(hub: RunningHub, build: Path, tmp_path: Path):
    cache = tmp_path / ".dvc/cache/files"
    cache.mkdir(parents=True)
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    weights = build / "tuned/tiny/balanced/model.safetensors"
    weights.rename(cache / "aa")
    weights.symlink_to(cache / "aa")
    result = push(hub, "--root", str(build))
    assert result.returncode == 0, result.stderr
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    weights.unlink()
    weights.symlink_to(tmp_path / "secret")
    result = push(hub, "--root", str(build), "--version", "1.0.1")
    assert result.returncode == 2 and "is a link" in result.stderr and len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"commit": "a", "version": "1.0.0"}'])
def test_a_damaged_receipt_is_one_line_or_names_no_repository(build: Path, content: str):
    receipt = build / "receipt.json"
    receipt.write_text(content, encoding="utf-8")
    result = model_cards.read(build / "tuned/tiny/balanced")
    try:
        assert tuned_on.of_release(result, build / "release", receipt).repository is None
    except SycoError as error:
        assert "receipt.json" in str(error)


@pytest.mark.parametrize("content", ["[]", "5", '{"model": "x"}', "[" * 9_999, '{"model": NaN}'])
def test_a_record_of_another_form_is_one_line(tmp_path: Path, content: str):
    (tmp_path / "tuning.json").write_text(content, encoding="utf-8")
    with pytest.raises(SycoError, match="no finished tuned model"):
        model_cards.read(tmp_path)
