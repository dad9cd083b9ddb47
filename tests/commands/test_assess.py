"""`models assess` as a user meets it: the table, what to set, and what is missing."""

import re
import shutil
from pathlib import Path

import pytest

from syco_data import engines, files
from syco_data.commands import speeds
from syco_data.errors import SycoError
from tests.commands.test_filter import run
from tests.support import fake_engine, tiny_models
from tests.support.tables_for_tests import KEYS, ROOT, shared_build


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the tables that the command needs, and a tiny model that a fake engine stands in for."""
    monkeypatch.chdir(tmp_path)
    build = shared_build()
    for name in ("raw", "claims", "probes"):
        shutil.copytree(build.folder / name, tmp_path / "data" / name)
    folder = tiny_models.make(tmp_path / "tiny", "byte_bpe")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("assess_rows: 400", "assess_rows: 30").replace("source: reference", f"source: {folder}")
    kept = "\n".join(f"  {key}: {{revision: main, licence: allow}}" for key in build.settings.sources)
    head, rest = text.split("\nsources:\n")
    tail = rest.split("claims:", 1)[1]
    files.write(tmp_path / "params.yaml", f"{head}\nsources:\n{kept}\n\nclaims:{tail}")
    real = engines.module("vllm")
    monkeypatch.setattr(engines, "modules", lambda: {"vllm": Stand(real), "transformers": Stand(real)})


class Stand:
    """The name of a real engine and the answers of the fake one."""

    loads = 0

    def __init__(self, real):
        self.identity, self.sorts_by_prefix = real.identity, real.sorts_by_prefix

    def load(self, *words):
        Stand.loads += 1
        return fake_engine.load(*words)


def test_every_way_stands_beside_the_others_and_one_is_named(project):
    before = Stand.loads
    shown = run("models", "assess", "reference")
    assert Stand.loads == before + 1, "one load for all ways of asking"
    for words in ("letters", "words", "labels", "batch", "30 held-out claims", "purity", "first option"):
        assert words in shown
    assert "To set in params.yaml: filter.ask: " in shown
    details = shown.split("By source, asked for ")[1]
    assert all(re.search(rf"^ ?{key} +\d+ +\d+\.\d% ", details, re.MULTILINE) for key in KEYS), details
    measured = speeds.read(Path("data"), "reference")
    assert measured is not None and measured > 0
    assert "stored" in run("models", "assess", "reference"), "scores are kept"
    assert speeds.read(Path("data"), "reference") == measured, "the speed that was measured is kept, too"


def test_tables_that_are_missing_are_named_with_what_builds_them(project):
    shutil.rmtree("data/probes")
    with pytest.raises(SycoError, match="dvc repro prompts probes"):
        run("models", "assess", "reference")
