"""The command line as a whole: version, help, completion, Ctrl-C."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import syco_data
from syco_data.__main__ import NAME, ORDER, TOPICS, app
from syco_data.commands import completion, interrupts, preview
from tests.commands.test_filter import run

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "syco_data", *words],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


def test_the_version_is_that_of_the_package():
    assert syco_data.__version__ == version("syco-data")
    assert run("--version") == f"syco-data {syco_data.__version__}\n"


def test_the_version_is_defined_once():
    stated = f'"{re.search(r"^version = .(.+).$", (ROOT / "pyproject.toml").read_text(), re.M)[1]}"'
    assert not [path for path in (ROOT / "syco_data").rglob("*.py") if f"__version__ = {stated}" in path.read_text()]


def test_help_names_every_command_once_in_the_order_of_use():
    text = run("--help")
    places = [re.search(rf"│ {name} ", text).start() for name in ORDER]
    assert places == sorted(places)
    assert [topic for topic in re.findall(r"─ (\w[\w ]+) ─", text) if topic != "Options"] == list(TOPICS)
    assert len(ORDER) == len(set(ORDER)) == len(app.registered_commands) + len(app.registered_groups)


def test_names_are_completed(monkeypatch):
    monkeypatch.chdir(ROOT / "docs")
    assert completion.sources("mn") == ["mnli"]
    assert completion.profiles("lora-") == ["lora-1b", "lora-3b", "lora-8b"]
    assert completion.models("ref") == ["reference"]
    assert completion.arms("") == ["balanced", "published", "unfiltered"]


def test_a_shell_completes_an_option_of_a_command():
    words = "syco-data results reference --arm bal"
    result = command(_SYCO_DATA_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="4")
    assert result.stdout.split() == ["balanced"], result.stderr


def test_completion_is_silent_where_there_are_no_params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completion.models("") == completion.profiles("") == []
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("a: [", encoding="utf-8")
    assert completion.arms("") == []


def test_the_completion_script_is_for_the_installed_command(monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    shown = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name=NAME).output
    assert "_SYCO_DATA_COMPLETE=complete_bash" in shown and "syco-data\n" in shown


def test_ctrl_c_is_one_line_that_says_what_is_kept(monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(preview, "_rows", stopped)
    monkeypatch.chdir(ROOT)
    with pytest.raises(interrupts.Interrupted, match=r"stopped: nothing was written\. Run the same command again"):
        run("preview")


@pytest.mark.parametrize("name", ORDER)
def test_every_command_has_a_line_for_ctrl_c(name):
    line = str(interrupts.of(name))
    assert line.startswith("stopped: ") and "\n" not in line


def test_ctrl_c_of_a_running_command_ends_with_130(tmp_path):
    """The program waits in the middle of `counts` until it is stopped."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    code = "import sys, time; from syco_data import __main__; from syco_data.commands import counting\n"
    code += "counting.count = lambda settings: (print('here', flush=True), time.sleep(60))\n"
    code += "sys.argv[1:] = ['counts']; __main__.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "here\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "stopped: nothing was written. Run the same command again\n")
