"""What `pip install .` brings, without any extra, is enough for those who only use releases."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from syco_data.diff import diffing
from syco_data.release import manifest
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.tables_for_tests import Made, shared_build, shared_release, small_settings

LIGHT = """
import json, sys

absent = set(json.loads(sys.argv.pop(1)))

class Finder:
    def __init__(self, whole):
        self.whole = whole
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.whole.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.whole, name)

sys.meta_path[:] = map(Finder, sys.meta_path)
"""
COMMAND = LIGHT + "from syco_data.__main__ import main; main()"
LOAD = LIGHT + "from syco_data import load_release; print(load_release(*sys.argv[1:])['train'].num_rows)"


def plain(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def light() -> set[str]:
    """The distributions that the base dependencies bring, with what they need themselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    result, left = set(), [*project["dependencies"], "syco-data"]
    while left:
        needed = Requirement(left.pop())
        applies = needed.marker is None or any(
            needed.marker.evaluate({"extra": extra}) for extra in ("", *needed.extras)
        )
        if plain(needed.name) in result or not applies:
            continue
        result.add(plain(needed.name))
        try:
            left += [text for text in requires(needed.name) or [] if "extra ==" not in text]
        except PackageNotFoundError:
            result.discard(plain(needed.name))
    return result


def absent() -> str:
    """The modules that are installed here and would not be there, as JSON."""
    there = light()
    names = [
        name for name, owners in packages_distributions().items() if not there & {plain(owner) for owner in owners}
    ]
    assert {"torch", "transformers", "dvc", "great_expectations", "scipy", "sklearn", "vllm"} <= {*names}
    assert not {"polars", "datasets", "huggingface_hub", "pandas", "yaml", "syco_data"} & {*names}
    return json.dumps(names)


def run(code: str, *arguments: object, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, absent(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_releases_are_verified_compared_and_restored(tmp_path: Path) -> None:
    from syco_data.release import release

    free = tmp_path / "free"
    build = Made(shared_build().folder, small_settings(release={"text": "none"}))
    release.write_release(build.build, build.settings, free, diffing.bump)
    for arguments, code in (
        (["verify", free], 0),
        (["restore", free, "--to", tmp_path / "whole"], 0),
        (["diff", tmp_path / "whole", shared_release()], 1),
        (["diff", free, shared_release(), "--html", tmp_path / "page.html", "--rows", tmp_path / "rows.parquet"], 1),
        (["--help"], 0),
        (["sources", "list"], 0),
    ):
        result = run(COMMAND, *arguments, cwd=tmp_path)
        assert result.returncode == code, (arguments, result.stderr[-2000:])
        assert "Traceback" not in result.stderr


def test_releases_are_pulled_and_loaded(hub: RunningHub, tmp_path: Path) -> None:
    from syco_data.publish import publishing, uploads
    from tests.support.hub.releases import QUICK, Small

    small = Small(seed=90_000)
    rows = manifest.read(small.write(tmp_path / "1")).table("tiny-balanced", "train").table.rows
    small.later("1.1.0").write(tmp_path / "2")
    target = publishing.Target("alice/claims", "dataset", private=True)
    for name in ("1", "2"):
        publishing.publish(uploads.of_release(tmp_path / name), target, QUICK)
    hubs = {"env": hub.environment(), "cwd": tmp_path}
    pulled = run(COMMAND, "pull", "alice/claims@1.0.0", "--to", tmp_path / "pulled", **hubs)
    assert pulled.returncode == 0, pulled.stderr[-2000:]
    compared = run(COMMAND, "diff", "alice/claims@1.1.0", tmp_path / "pulled", "--json", **hubs)
    assert compared.returncode == 1 and json.loads(compared.stdout)["a"]["version"] == "1.1.0", compared.stderr[-2000:]
    loaded = run(LOAD, "alice/claims", "1.0.0", **hubs)
    assert loaded.stdout.strip() == str(rows), loaded.stderr[-2000:]


def test_what_needs_an_extra_says_so(tmp_path: Path) -> None:
    """A git revision is compared through DVC."""
    result = run(COMMAND, "diff", "HEAD", shared_release(), cwd=ROOT)
    assert result.returncode == 2 and "pip install '.[build]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
