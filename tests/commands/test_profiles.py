"""Profiles: every one gives valid settings, and using one keeps what it does not name."""

import errno
import os
import shutil
from pathlib import Path

import pytest
import yaml
from dvc_data.hashfile.meta import Meta

from syco_data import settings
from syco_data.commands import profiles
from syco_data.errors import SycoError
from syco_data.settings.names import IGNORED

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize("file", ["params.yaml", *(f"profiles/{name}.yaml" for name in NAMES)])
def test_no_key_is_one_that_dvc_leaves_out(file):
    """DVC's run cache takes no notice of what stands below such a key: old rows would come back for a new value."""
    keys = set(_keys(yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))))
    assert keys and not keys & {Meta.PARAM_SIZE, Meta.PARAM_NFILES, *IGNORED}


def test_the_default_profile_comes_back_to_the_byte(project):
    before = (project / "params.yaml").read_text(encoding="utf-8")
    profiles.use("paper")
    assert (project / "params.yaml").read_text(encoding="utf-8") != before
    profiles.use("default")
    assert (project / "params.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_mark_of_params_stay(project, mark):
    params = project / "params.yaml"
    before = mark + params.read_bytes().replace(b"\n", b"\r\n")
    params.write_bytes(before)
    params.chmod(0o640)
    profiles.use("ablations")
    changed = params.read_bytes()
    assert changed.startswith(mark) and changed.count(b"\n") == changed.count(b"\r\n") > before.count(b"\n")
    profiles.use("default")
    assert params.read_bytes() == before and params.stat().st_mode & 0o777 == 0o640


def test_lines_that_a_profile_leaves_keep_their_ends_in_a_mixed_file(project):
    params = project / "params.yaml"
    before = params.read_bytes().replace(b"\n", b"\r\n", 100).rstrip(b"\n")
    params.write_bytes(before)
    profiles.use("real")
    assert params.read_bytes() == before.replace(b"origin: synthetic #", b"origin: directory #", 1).replace(
        b": 4000\r\n", b": 20000\r\n"
    ).replace(b"in use: default", b"in use: real")


def test_params_that_are_not_there_or_broken_are_written_anew(project):
    default = (project / "profiles/default.yaml").read_bytes()
    (project / "params.yaml").unlink()
    profiles.use("default")
    assert (project / "params.yaml").read_bytes() == default
    (project / "params.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(SycoError, match=r"params\.yaml.*Correct it, or drop what is yours in it: .* --discard"):
        profiles.use("default")
    profiles.use("default", discard=True)
    assert (project / "params.yaml").read_text(encoding="utf-8").rstrip() == default.decode().rstrip()


def test_a_full_disk_leaves_the_old_params(project, monkeypatch):
    (project / "params.yaml").write_text("seed: 1\n", encoding="utf-8")

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:4096])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SycoError, match="could not be written: the disk is full"):
        profiles.use("paper")
    assert (project / "params.yaml").read_text(encoding="utf-8") == "seed: 1\n"
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml", "profiles"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop"])
def test_params_that_are_not_a_file_are_left_alone(project, kind):
    params = project / "params.yaml"
    params.unlink()
    make = {"folder": params.mkdir, "pipe": lambda: os.mkfifo(params), "loop": lambda: params.symlink_to(params)}
    make.get(kind, lambda: params.symlink_to("/dev/zero"))()
    with pytest.raises(SycoError, match=r"params\.yaml (is not a regular file|cannot be read)") as refused:
        profiles.use("paper")
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml", "profiles"]


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


def _keys(values):
    """Every key at every depth, in mappings of lists too."""
    for value in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _keys(value)
    yield from values if isinstance(values, dict) else ()
