"""Whatever a stage reads of params.yaml changes the key under which DVC keeps its run: old rows never come back.

DVC leaves some names out of that key (github.com/treeverse/dvc/issues/10296), at any depth.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.annotations import ANNOTATION_FIELDS
from dvc.dependency.param import ParamsDependency
from dvc.output import Output
from dvc.repo import Repo
from dvc.schema import LOCK_FILE_STAGE_SCHEMA
from dvc.stage import Stage
from dvc.stage.cache import _get_cache_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from syco_data import settings
from syco_data.settings.names import IGNORED

ROOT = Path(__file__).resolve().parents[1]
# Values that a user may give and that the file does not show, so that their leaves are tried too.
GIVEN = {
    "prompts": {"sampling": {"sst2": 0.5, "trec": 0.5}},
    "instructions": {"columns": {"prompt": ["question"], "completion": "answer", "task": None}},
    "arms": {"longer": {"label_kinds": ["gold"], "filtered": True, "balanced": False,
                        "finetune": {"steps": 500, "lora": {"rank": 8}}}},
}  # fmt: skip


def params() -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for group, more in GIVEN.items():
        values[group] |= more
    values["build"]["arms"].append("longer")
    settings.parse(values)
    return values


@pytest.fixture(scope="module")
def stages(tmp_path_factory) -> dict[str, Stage]:
    """The stages of the project's own graph as DVC reads them, none of which is run."""
    folder = tmp_path_factory.mktemp("graph")
    (folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    (folder / "params.yaml").write_text(yaml.safe_dump(params()), encoding="utf-8")
    return {stage.name: stage for stage in Repo.init(folder, no_scm=True).index.stages}


def key(stage: Stage, values: dict[str, Any]) -> str:
    """The run-cache key of a stage under these params; what else it depends on stays the same."""
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            dep.fill_values({name: at(values, name) for name in dep.params})
        else:
            dep.hash_info, dep.meta = HashInfo("md5", "0" * 32), Meta()
    for out in stage.outs:
        out.meta = Meta()
    return _get_cache_hash(to_single_stage_lockfile(stage), key=True)


def at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def listed(stage: Stage) -> list[str]:
    return [name for dep in stage.deps if isinstance(dep, ParamsDependency) for name in dep.params]


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """A value with one of its leaves changed, once for each leaf, and the place of that leaf."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from ((f".{name}{where}", {**value, name: other}) for where, other in changed(inner))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            for where, other in changed(inner):
                yield f"[{index}]{where}", [*value[:index], other, *value[index + 1 :]]
        yield "[+]", [*value, value[-1]]
    else:
        yield "", not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else [value]


def with_leaf(values: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The params with another value under one full name."""
    first, *rest = name.split(".")
    return {**values, first: with_leaf(values[first], ".".join(rest), value) if rest else value}


def test_every_stage_of_the_graph_lists_params(stages):
    named = {name.partition("@")[0] for name in stages}
    assert named == set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert [name for name, stage in stages.items() if not listed(stage)] == ["code"]


def test_any_leaf_that_a_stage_lists_changes_its_key(stages):
    values, unseen, tried = params(), [], 0
    for title, stage in stages.items():
        before = key(stage, values)
        for name in listed(stage):
            for where, other in changed(at(values, name)):
                tried += 1
                if key(stage, with_leaf(values, name, other)) == before:
                    unseen.append(f"{title}: {name}{where}")
    assert unseen == [] and tried > 1_000


def names_of_dvc() -> set[str]:
    """Every name that DVC itself gives a meaning in what it writes of a stage."""
    constants = [
        value
        for kind in (Meta, Output, Stage, ParamsDependency, HashInfo)
        for name, value in vars(kind).items()
        if name.startswith("PARAM_") and isinstance(value, str)
    ]
    return {*constants, *map(str, LOCK_FILE_STAGE_SCHEMA), *ANNOTATION_FIELDS}


def test_the_names_that_dvc_leaves_out_are_those_that_settings_refuse(stages):
    """Asked of DVC itself, so that a release of it that leaves out another name is noticed."""
    stage, values = stages["prompts"], params()
    assert {"size", "nfiles", "md5", "isexec", "hash", "cache", "persist"} <= names_of_dvc()

    def with_name(name: str, value: int) -> str:
        return key(stage, {**values, "prompts": {**values["prompts"], "some": [{name: value}], name: value}})

    assert {name for name in names_of_dvc() if with_name(name, 1) == with_name(name, 2)} == set(IGNORED)
