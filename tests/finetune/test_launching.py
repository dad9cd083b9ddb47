"""Configurations of accelerate are read as what they say, and the params decide who starts whom."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syco_data.errors import SycoError
from syco_data.finetune import launching
from tests.support.tunings import ROOT, choice

FILES = sorted((ROOT / "profiles/accelerate").glob("*.yaml"))
KINDS = {"ddp": "multi_gpu", "fsdp": "use_fsdp", "fsdp_two_machines": "use_fsdp", "deepspeed_zero3": "use_deepspeed"}


def launch_arguments(path: Path):
    """What `accelerate launch --config_file` makes of a file, up to the start of processes."""
    from accelerate.commands import launch

    parser = launch.launch_command_parser()
    arguments = parser.parse_args(["--config_file", str(path), "-m", "stages.finetune", "reference", "balanced"])
    return launch._validate_launch_command(arguments)[0]


def test_every_file_has_a_kind():
    assert {path.stem for path in FILES} == KINDS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_accelerate_reads_each_file_as_meant(path, monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file

    monkeypatch.setattr("accelerate.commands.launch.is_deepspeed_available", lambda: True, raising=False)
    config = load_config_from_file(str(path))
    assert config.num_processes == 8 * config.num_machines
    arguments = launch_arguments(path)
    kinds = {kind for kind in set(KINDS.values()) if getattr(arguments, kind)}
    assert kinds == {KINDS[path.stem]}
    assert arguments.module and arguments.training_script == "stages.finetune"
    if "fsdp" in path.stem:
        assert str(arguments.fsdp_version) == "2"
        assert arguments.fsdp_state_dict_type == "FULL_STATE_DICT"


def test_every_file_says_how_to_start_it():
    for path in FILES:
        head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        assert any(f"--config_file profiles/accelerate/{path.name}" in line for line in head), path.name


def test_the_params_decide_who_starts_whom(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    several = choice(launcher={"processes": 2, "config": None})
    configured = choice(launcher={"processes": 1, "config": "profiles/accelerate/fsdp.yaml"})
    assert [launching.is_wanted(one) for one in (choice(), several, configured)] == [False, True, True]
    assert launching.command(several)[3:6] == ["--multi_gpu", "--num_processes", "2"]
    assert launching.command(configured)[-2:] == ["--config_file", "profiles/accelerate/fsdp.yaml"]
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not launching.is_wanted(several)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("num_processes: 7", "batch is 48, which 7 processes with 1 passes each cannot share evenly"),
        ("num_processes: 96", "batch is 48, which 96 processes"),
        ("num_processes: 0", "num_processes in .* is 0. Give it a number of 1 to"),
        ("num_processes: 1000000", "num_processes in .* is 1000000"),
        ("num_processes: many", "num_processes in .* is 'many'"),
        ("num_processes: true", "num_processes in .* is True"),
        ("num_processes: 8\nnum_machines: null", "num_machines in .* is None"),
        ("num_processes: 8\nnum_processes: 8", "key 'num_processes' is given twice"),
        ("[8]", "is not a configuration of accelerate"),
        ("", "is not a configuration of accelerate"),
        ("a: [", "is not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []", "is not"),
    ],
)
def test_a_configuration_that_cannot_work_is_one_line_before_a_process_starts(tmp_path, text, reason):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SycoError, match=reason) as caught:
        launching._check_processes(choice(batch=48, launcher={"processes": 1, "config": str(path)}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("make", "reason"), [
    (None, "there is no file .*own.yaml. Name one, such as"), (Path.mkdir, "own.yaml"),
    (os.mkfifo, "own.yaml is not a regular file"), (lambda path: path.write_bytes(b"\xff\xfe"), "UTF-16")])  # fmt: skip
def test_a_configuration_that_is_not_a_file_is_one_line(tmp_path, make, reason):
    if make:
        make(tmp_path / "own.yaml")
    with pytest.raises(SycoError, match=reason):
        launching._check_processes(choice(launcher={"processes": 1, "config": str(tmp_path / "own.yaml")}))


def test_each_process_has_a_gpu_where_there_are_any(monkeypatch, tmp_path):
    monkeypatch.setattr(launching, "_gpus", lambda: 2)
    four = choice(batch=48, device="auto", launcher={"processes": 4, "config": None})
    with pytest.raises(SycoError, match=r"finetune.launcher.processes is 4, and 1 machine.* 2 GPU.* Set it to 2"):
        launching._check_processes(four)
    launching._check_processes(choice(batch=48, device="cpu", launcher={"processes": 4, "config": None}))
    path = tmp_path / "own.yaml"
    for text, fits in (("num_processes: 4\nnum_machines: 2", True), ("num_processes: 8\nnum_machines: 2", False),
                       ("num_processes: 8\nuse_cpu: true", True)):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        settings = choice(batch=48, device="auto", launcher={"processes": 1, "config": str(path)})
        if fits:
            launching._check_processes(settings)
        else:
            with pytest.raises(SycoError, match=r"num_processes in .*own.yaml is 8, and 2 machine.* for 4"):
                launching._check_processes(settings)


def test_the_projects_own_configurations_can_work(monkeypatch):
    monkeypatch.setattr(launching, "_gpus", lambda: 8)
    for path in FILES:
        assert launching.configured(path)[0] in (8, 16)
        launching._check_processes(choice(batch=48, launcher={"processes": 1, "config": str(path)}))


@pytest.mark.parametrize("ends", [True, False])
def test_ctrl_c_waits_for_a_launcher_that_cleans_up_and_ends_one_that_does_not(monkeypatch, ends):
    monkeypatch.setattr(launching, "_CLEANING", 5.0 if ends else 0.1)
    pause = 0.2 if ends else 60
    launcher = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({pause})"])
    wait = launcher.wait

    def interrupted(timeout=None):
        monkeypatch.setattr(launcher, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launching._run(launcher)
    assert launcher.returncode == (0 if ends else -signal.SIGTERM)
