"""Profiles: every one gives valid settings, and using one keeps what it does not name."""

import shutil
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.commands import profiles
from syco_data.errors import SycoError

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles" / "default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_gives_valid_settings(project, name):
    profiles.use(name)
    used = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    settings.parse(used)
    for key, value in _leaves(yaml.safe_load((project / "profiles" / f"{name}.yaml").read_text(encoding="utf-8"))):
        place = used
        for part in key:
            place = place[part]
        assert place == value


def test_the_default_profile_comes_back_to_the_byte(project):
    before = (project / "params.yaml").read_text(encoding="utf-8")
    profiles.use("paper")
    assert (project / "params.yaml").read_text(encoding="utf-8") != before
    profiles.use("default")
    assert (project / "params.yaml").read_text(encoding="utf-8") == before


def test_an_unknown_profile_lists_the_valid_ones(project):
    with pytest.raises(SycoError, match="did you mean 'paper'.*Valid: ablations, default, "):
        profiles.use("papper")


def test_the_default_profile_has_the_keys_of_params():
    def keys(path):
        return {key for key, _ in _leaves(yaml.safe_load(path.read_text(encoding="utf-8")))}

    assert keys(ROOT / "profiles" / "default.yaml") == keys(ROOT / "params.yaml")


def _leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
