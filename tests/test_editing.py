"""Commands edit params.yaml in place: what they do not name stays to the byte."""

import difflib
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.commands import profiles
from syco_data.editing import editing
from syco_data.errors import SycoError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def changed(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def test_one_value_is_one_line(params):
    before = params.read_text(encoding="utf-8")
    with editing(params) as values:
        values["probes"]["surveys"]["rows"] = 151
    assert changed(before, params.read_text(encoding="utf-8")) == [
        "-     rows: 150 # of each survey", "+     rows: 151 # of each survey",
    ]  # fmt: skip


def test_a_new_model_adds_its_lines_and_its_name(params):
    before = params.read_text(encoding="utf-8")
    record = {"source": "./here", "revision": None, "prompt_style": "auto", "dtype": "float32"}
    with editing(params) as values:
        values["models"].insert(0, "mine", record)
        values["build"]["models"].append("mine")
    after = params.read_text(encoding="utf-8")
    assert after.count("\n\narms:") == 1
    assert changed(before, after) == [
        "-   models: [reference]", "+   models: [reference, mine]",
        "+   mine:", "+     source: ./here", "+     revision: null", "+     prompt_style: auto", "+     dtype: float32",
    ]  # fmt: skip


def test_an_edit_that_would_be_refused_is_not_written(params):
    before = params.read_text(encoding="utf-8")
    with pytest.raises(SycoError, match="probes.surveys.rows"), editing(params) as values:
        values["probes"]["surveys"]["rows"] = "many"
    assert params.read_text(encoding="utf-8") == before
    assert [path.name for path in params.parent.iterdir()] == ["params.yaml"]


def test_a_profile_changes_the_lines_that_it_names():
    default = (ROOT / "profiles/default.yaml").read_text(encoding="utf-8")
    merged = profiles._merged(default, (ROOT / "profiles/real.yaml").read_text(encoding="utf-8"))
    assert len(changed(default, merged)) <= 2 * 3 + 2
    assert settings.parse(yaml.safe_load(merged)).prompts.size == 20000
