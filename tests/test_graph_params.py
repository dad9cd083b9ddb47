"""dvc.yaml lists the params that a stage reads: where one is left out, it changes and the old output stays."""

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
import yaml

from stages.folders import DATA
from syco_data import engines, schemas, settings, tables
from syco_data.build import Tables
from syco_data.release.release import GROUPS
from tests.support import answered, fake_engine, tiny_models, tunings
from tests.support.recording import recording
from tests.support.tables_for_tests import MODEL, shared_build, small_settings

ROOT = Path(__file__).resolve().parents[1]
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
ARM = "balanced"
ANYWHERE = {
    "hub": "how often the Hub is asked changes no answer of it",
    "engines.store": "where scores lie changes none of them",
}
"""Keys that cannot change an output, with the reason. Besides, stage filter looks at the arms: whether one of them
filters decides whether verdicts that keep nothing are refused."""
WORDS = {
    "acquire": ("sst2",), "filter": (MODEL,), "select": (MODEL, ARM), "finetune": (MODEL, ARM), "baseline": (MODEL,),
    "evaluate": (MODEL, ARM),
}  # fmt: skip


def listed(stage: str) -> set[str]:
    """The params of a stage in dvc.yaml."""
    body = GRAPH[stage].get("do", GRAPH[stage])
    names = {"${key}": "sst2", "${item.model}": MODEL, "${item.arm}": ARM}
    params = set(body.get("params", ()))
    for variable, name in names.items():
        params = {param.replace(variable, name) for param in params}
    return params


def unlisted(stage: str, keys: set[str]) -> set[str]:
    """The keys that a stage reads and dvc.yaml does not list for it."""
    allowed = listed(stage) | set(ANYWHERE) | ({"arms", "build.arms"} if stage == "filter" else set())
    return {key for key in keys if not any(key == one or key.startswith(f"{one}.") for one in allowed)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the small build, in the folder that stages run in."""
    shutil.copytree(shared_build().folder, tmp_path / "data")
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    record = {"source": "reference", "revision": None, "digest": "0" * 32}
    (tmp_path / f"data/verdicts/{MODEL}/model.json").write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Watched(Tables):
    """The tables of a build; to go through the sources is to read which take part."""

    keys: ClassVar[set[str]] = set()

    def __getattribute__(self, name):
        if name == "raw":
            Watched.keys.update(f"sources.{key}.licence" for key in super().__getattribute__("raw"))
        return super().__getattribute__(name)


def reads(stage: str, params: settings.Settings) -> set[str]:
    """The keys that a stage reads. Where all tables of a build lie follows from the settings too: of that, the list of
    the sources counts, where a stage goes through it."""
    script = import_module(f"stages.{stage}")
    plain = Tables.below(DATA, params.participating(), [MODEL], params.build.arms)
    with recording(params, GROUPS) as noted, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watched, "keys", noted.keys)
        patch.setattr(script, "build_tables", lambda _: Watched(**vars(plain)), raising=False)
        script.main(params, *WORDS.get(stage, ()))
    return noted.keys


@pytest.mark.parametrize("stage", ["acquire", "claims", "prompts", "probes", "reference", "select"])
def test_a_stage_reads_no_param_that_dvc_does_not_know_of(project, stage):
    # The shipped weights are those of the project's own templates; for others a model would be trained.
    params = settings.load(ROOT / "params.yaml") if stage == "reference" else small_settings()
    keys = reads(stage, params)
    assert keys and unlisted(stage, keys) == set()


def test_validate_release_and_publish_read_no_param_that_dvc_does_not_know_of(project, monkeypatch):
    settings = small_settings()
    monkeypatch.setattr("stages.release.code", lambda: {"params.yaml"})
    for stage in ("validate", "release", "publish"):
        assert unlisted(stage, reads(stage, settings)) == set(), stage


def test_filter_reads_no_param_that_dvc_does_not_know_of(project, monkeypatch):
    folder = tiny_models.make(project / "model", "merged_all")
    modules = {**engines.modules(), "fake": fake_engine}
    monkeypatch.setattr(engines, "modules", lambda: modules)
    settings = _with_model(folder, engine="fake", store=str(project / "scores"))
    assert unlisted("filter", reads("filter", settings)) == set()


@pytest.mark.slow
def test_finetune_baseline_and_evaluate_read_no_param_that_dvc_does_not_know_of(project):
    folder = tiny_models.make(project / "model", scale=0.05)
    _few_probes(project / "data/probes/probes.parquet")
    settings = _with_model(folder, store=str(project / "scores"))
    generation = settings.evaluate.generation.model_copy(update={"rows": 2, "max_tokens": 2})
    evaluate = settings.evaluate.model_copy(update={"resamples": 20, "generation": generation})
    settings = settings.model_copy(update={"finetune": tunings.choice(steps=2, max_length=1024), "evaluate": evaluate})
    for stage in ("finetune", "baseline", "evaluate"):
        keys = reads(stage, settings)
        assert keys and unlisted(stage, keys) == set(), stage


def _few_probes(path: Path) -> None:
    """Leaves the first probes of each set."""
    probes = tables.read(path, schemas.PROBES)
    tables.write(probes.filter(pl.int_range(pl.len()).over("probe") < 6), schemas.PROBES, path)


def test_report_reads_no_param_that_dvc_does_not_know_of(tmp_path, monkeypatch):
    settings = answered.wanted()
    answered.make(tmp_path / "data", settings)
    monkeypatch.chdir(tmp_path)
    by_margin = settings.model_copy(update={"filter": settings.filter.model_copy(update={"rule": "margin"})})
    for one in (settings, by_margin):
        assert unlisted("report", reads("report", one)) == set()


def _with_model(folder: Path, **changes) -> settings.Settings:
    settings = small_settings()
    model = settings.models[MODEL].model_copy(update={"source": str(folder)})
    return settings.model_copy(
        update={"models": {MODEL: model}, "engines": settings.engines.model_copy(update=changes)}
    )


def test_a_line_taken_out_of_the_graph_is_missed(project, monkeypatch):
    keys = reads("claims", small_settings())
    for param in GRAPH["claims"]["params"]:
        rest = [one for one in GRAPH["claims"]["params"] if one != param]
        with monkeypatch.context() as patch:
            patch.setitem(GRAPH, "claims", {**GRAPH["claims"], "params": rest})
            assert unlisted("claims", keys), param
