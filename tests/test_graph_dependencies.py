"""Every stage of dvc.yaml names the modules that it imports, no more and no fewer."""

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from tests.dependencies import imported

ROOT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def declared(stage: dict) -> set[str]:
    body = stage.get("do", stage)
    return {dep for dep in body["deps"] if dep.endswith(".py")}


@pytest.mark.parametrize("name", STAGES)
def test_declared_modules_are_the_imported_ones(name):
    script = ROOT / "stages" / f"{name}.py"
    assert declared(STAGES[name]) == imported(script, ROOT) | {f"stages/{name}.py"}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_script_of_its_own_name(name):
    body = STAGES[name].get("do", STAGES[name])
    assert body["cmd"].startswith(f"python -m stages.{name}")


def test_stages_that_render_templates_watch_the_users_own_too():
    for name, stage in STAGES.items():
        body = stage.get("do", stage)
        rendering = any(f"syco_data/{module}.py" in body["deps"] for module in ("prompts", "embedded/reference"))
        rendering |= name in ("probes", "release")
        assert ("${prompts.template_folder}" in body["deps"]) == rendering, name


def test_dvc_reads_yaml_by_libyaml():
    """It reads params.yaml once per stage: in Python that takes longer than all else of a repro with nothing to do."""
    assert YAML(typ="safe").Parser.__module__.startswith("ruamel.yaml.clib")
