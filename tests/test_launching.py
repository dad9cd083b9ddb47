"""Configurations of accelerate are read as what they say, and the params decide who starts whom."""

from pathlib import Path

import pytest

from syco_data.tuning import launching
from tests.tunings import ROOT, choice

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
