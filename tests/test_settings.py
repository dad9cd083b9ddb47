import copy
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.errors import SycoError

ROOT = Path(__file__).resolve().parents[1]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def changed(path, value):
    """A copy of params.yaml with one key set, or taken out where the value is KeyError."""
    values = copy.deepcopy(PARAMS)
    *parents, last = path.split(".")
    place = values
    for part in parents:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return values


def test_the_projects_own_params_are_valid():
    assert settings.parse(PARAMS).seed == PARAMS["seed"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prompts.sise", 3, "unknown key 'prompts.sise'.*did you mean 'size'"),
        ("claim", {}, "unknown key 'claim'.*did you mean 'claims'"),
        ("sources.sst2.licnce", "allow", "unknown key 'sources.sst2.licnce'.*did you mean 'licence'"),
        ("release.version", "01.0.0", "'release.version': String should match pattern"),
        ("release.version", "١.٠.٠", "'release.version': String should match pattern"),
        ("prompts.size", KeyError, "key 'prompts.size' is missing"),
        ("prompts.size", "4000", "'prompts.size': Input should be a valid integer"),
        ("prompts.size", 0, "'prompts.size': Input should be greater than 0"),
        ("prompts.size", True, "'prompts.size': Input should be a valid integer"),
        ("claims.other_share", "1e-5", "'claims.other_share': Input should be a valid number"),
        ("claims.other_share", 1.5, "'claims.other_share': Input should be less than or equal to 1"),
        ("claims.conflicts", "keep", "'claims.conflicts': Input should be 'drop' or 'first'"),
        ("build.models", ["refrence"], "build.models: there is no 'refrence'; did you mean 'reference'"),
        ("build.arms", ["balance"], "build.arms: there is no 'balance'; did you mean 'balanced'"),
        (
            "sources.sst3",
            {"revision": "main", "licence": "allow"},
            "sources: there is no 'sst3'.*'sst2'.*Valid: sst2, ",
        ),
        ("prompts.sampling", {"sst": 1.0}, "prompts.sampling: there is no 'sst'; did you mean 'sst2'"),
        (
            "prompts.sampling",
            {"sst2": 2},
            r"'prompts.sampling.sst2': Input should be less than or equal to 1 \(found: 2",
        ),
        ("prompts.sampling", {"sst2": 0.0}, "prompts.sampling: the shares sum to nothing"),
        ("prompts.sampling", "even", "'prompts.sampling': Input should be 'proportional' or 'balanced'"),
        ("sources", {}, "'sources': Dictionary should have at least 1 item"),
        ("probes.held_out.templates", [], "'probes.held_out.templates': Tuple should have at least 1 item"),
        ("select.size", "match", "'select.size': Input should be a valid integer, or: Input should be 'matched'"),
        ("select.size", 0, r"'select.size': Input should be greater than 0, or: Input should be 'matched' \(found: 0"),
        ("arms.balanced.filterd", True, "unknown key 'arms.balanced.filterd'.*did you mean 'filtered'"),
        ("models.reference.revison", None, "unknown key 'models.reference.revison'.*did you mean 'revision'"),
        ("filter.vllm.gpu_memry", 1, "unknown key 'filter.vllm.gpu_memry'.*did you mean 'gpu_memory'"),
        ("filter.engine", "vlm", "'filter.engine': Value error, there is no 'vlm'; did you mean 'vllm'"),
        ("filter.ray.engine", "ray", "'filter.ray.engine': Value error, an actor of Ray cannot hold Ray"),
        ("reference.stages", [{"steps": 3}], "'reference.stages.0.* is missing"),
        ("arms.balanced.finetune", {"steps": 0}, "arms.balanced.finetune: 'steps': Input should be greater than 0"),
        ("arms.balanced.finetune", {"step": 5}, "arms.balanced.finetune: there is no 'step'; did you mean 'steps'"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_its_full_name(path, value, message):
    with pytest.raises(SycoError, match=message) as refused:
        settings.parse(changed(path, value))
    assert "\n" not in str(refused.value)


def test_a_development_split_without_a_share_is_refused():
    values = changed("evaluate.split", "development")
    assert settings.parse(values).evaluate.split == "development"
    values["probes"]["development_share"] = 0.0
    with pytest.raises(SycoError, match=r"development_share is 0\.0: no probe would be left\. Give") as refused:
        settings.parse(values)
    assert "\n" not in str(refused.value)


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(SycoError, match="Run from the root of the project"):
        settings.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(SycoError, match="not valid YAML"):
        settings.load(tmp_path / "params.yaml")
    with pytest.raises(SycoError, match="expected a mapping, found list"):
        settings.parse([])


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        settings.parse(PARAMS).prompts.size = 3
