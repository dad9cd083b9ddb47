"""`lock`: one command for every revision of params.yaml."""

from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.hub import lock
from tests.commands.test_filter import run

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "ab" * 20


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of which sources, instructions and surveys come from the Hub, where every name is one commit."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["acquire"]["origin"] = values["instructions"]["origin"] = values["probes"]["surveys"]["origin"] = "hub"
    values["instructions"] |= {"hub_id": "alice/tasks", "revision": "main"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "commit_of", lambda named, revision, retry: COMMIT)
    return tmp_path


def test_everything_that_has_a_revision_is_locked_at_once(project):
    text = run("lock")
    assert "19 of 19 revisions changed in params.yaml" in text
    assert all(key in text for key in ("sources.sst2", "instructions ", "probes.surveys"))
    params = settings.load()
    assert {choice.revision for choice in params.sources.values()} == {COMMIT}
    assert params.instructions.revision == params.probes.surveys.revision == COMMIT
    assert "(the same)" in run("lock") and "0 of 19 revisions changed" in run("lock")


@pytest.mark.parametrize("words", [("lock",), ("sources", "lock", "sst2"), ("models", "lock")])
def test_a_dry_run_writes_nothing(project, words):
    before = Path("params.yaml").read_bytes()
    text = run(*words, "--dry-run")
    assert "would change in params.yaml" in text or "nothing to lock" in text
    assert Path("params.yaml").read_bytes() == before


def test_a_build_that_asks_the_hub_for_nothing_has_nothing_to_lock(project):
    (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    assert "nothing to lock" in run("lock") and "nothing to lock" in run("models", "lock", "reference")
