"""Every stage waits for the list of its own modules, and a list changes with these modules and no others."""

import shutil
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from syco_data import modules
from syco_data.settings import load

ROOT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
BODIES = {name: stage.get("do", stage) for name, stage in STAGES.items()}
WATCHING = [name for name in STAGES if name != "code"]


def imported(name: str) -> set[str]:
    return modules.imported(ROOT / "stages" / f"{name}.py", ROOT)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's code, which a test may change."""
    for name in modules.PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "templates").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lists(project: Path) -> dict[str, str]:
    """What stage `code` writes for each stage."""
    from stages import code

    code.main(load(ROOT / "params.yaml"))
    return {path.stem: path.read_text(encoding="utf-8") for path in (project / "data/code").glob("*.txt")}


@pytest.mark.parametrize("name", WATCHING)
def test_a_stage_watches_its_own_modules_by_their_list(name):
    deps = BODIES[name]["deps"]
    assert [dep for dep in deps if dep.startswith("data/code")] == [f"data/code/{name}.txt"]
    assert not [dep for dep in deps if dep.endswith(".py")]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_script_of_its_own_name(name):
    assert BODIES[name]["cmd"].startswith(f"python -m stages.{name}")


def test_there_is_a_list_for_every_stage(project):
    assert set(lists(project)) == set(STAGES)


def test_a_list_changes_with_its_modules_and_no_others(project):
    before = lists(project)
    with (project / "syco_data/select.py").open("a", encoding="utf-8") as module:
        module.write("# a word more\n")
    after = lists(project)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in STAGES if "syco_data/select.py" in imported(name)}
    assert {"select", "validate"} <= changed and not {"acquire", "claims", "prompts", "filter"} & changed


def test_a_list_names_its_script_and_what_that_imports_by_any_way(project):
    result = modules.listed(lists(project)["filter"])
    assert result == sorted(result) and "stages/filter.py" in result
    assert {"syco_data/engines/vllm.py", "syco_data/engines/ray.py", "syco_data/tables.py"} <= set(result)
    assert not [name for name in result if name.startswith(modules.WITHOUT_EFFECT)]


def test_stages_that_render_templates_watch_the_users_own_too():
    for name in WATCHING:
        rendering = bool({"syco_data/prompts/prompts.py", "syco_data/reference/model.py"} & imported(name))
        rendering |= name in ("probes", "release")
        assert ("${prompts.template_folder}" in BODIES[name]["deps"]) == rendering, name


def test_dvc_reads_yaml_by_libyaml():
    """It reads params.yaml once per stage: in Python that takes longer than all else of a repro with nothing to do."""
    assert YAML(typ="safe").Parser.__module__.startswith("ruamel.yaml.clib")


def test_the_settings_are_checked_before_any_other_stage():
    """DVC removes what a stage made before it runs the stage: a typo must end the build in the first one."""
    assert "params.yaml" in BODIES["code"]["deps"]
    assert all(f"data/code/{name}.txt" in BODIES[name]["deps"] for name in WATCHING)
