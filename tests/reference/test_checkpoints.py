"""A training that was killed resumes to the same bytes, and never from a state that is not its own."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import pytest

from syco_data.errors import SycoError
from syco_data.reference import checkpoints
from syco_data.reference import model as reference
from tests.reference.test_reference import RECIPE, ROOT, SHORT, STAGES, digests

LONGER = tuple(stage.model_copy(update={"steps": 20}) for stage in STAGES)
RUN = """
import dataclasses, sys
from pathlib import Path
from syco_data.reference import checkpoints, model
from tests.reference.test_checkpoints import longer
checkpoints.STEPS = 7
model.build(longer(), Path(sys.argv[1]) / "reference", Path(sys.argv[1]) / "checkpoints")
"""


def longer():
    """A recipe of 60 steps on one thread."""
    return dataclasses.replace(RECIPE, settings=SHORT.model_copy(update={"stages": LONGER, "threads": 1}))


def start(folder) -> subprocess.Popen:
    command = [sys.executable, "-c", RUN, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def step_of(folder) -> int:
    try:
        return json.loads((folder / "checkpoints/state.json").read_text())["step"]
    except (OSError, ValueError):
        return 0


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bytes(tmp_path):
    whole = tmp_path / "whole"
    assert start(whole).wait() == 0
    cut = tmp_path / "cut"
    for reached in (7, 35):  # in the first stage and in the second
        killed = start(cut)
        while step_of(cut) < reached and killed.poll() is None:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        assert not (cut / "reference").exists() and reached <= step_of(cut) < 60
    last = start(cut)
    printed, _ = last.communicate()
    assert last.returncode == 0 and "reference: resumes after step" in printed
    assert digests(cut / "reference") == digests(whole / "reference")
    assert not [path.name for path in cut.iterdir() if path.name not in ("checkpoints", "reference")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    reference.build(RECIPE, folder / "reference", folder / "checkpoints")
    return folder


def test_a_finished_training_is_not_done_twice(saved, monkeypatch, capsys):
    monkeypatch.setattr(reference.training.Trainer, "_take", None)
    before = digests(saved / "reference")
    reference.build(RECIPE, saved / "reference", saved / "checkpoints")
    assert digests(saved / "reference") == before
    assert "reference: resumes after step 6\n" in capsys.readouterr().out


def test_a_state_holds_tensors_and_json_alone(saved):
    names = sorted(path.name for path in (saved / "checkpoints").iterdir())
    assert names == [".syco-data", "state.json", "state.safetensors"]


@pytest.mark.parametrize("what", ["recipe", "torch", "code", "damaged", "cut"])
def test_a_state_of_another_training_is_not_used(what, saved, tmp_path, monkeypatch, capsys):
    other = checkpoints.of(RECIPE, saved / "checkpoints")
    trainer = new_trainer()
    if what == "recipe":
        other = checkpoints.of(dataclasses.replace(RECIPE, seed=1), other.folder)
    elif what == "torch":
        monkeypatch.setattr(checkpoints.torch, "__version__", "9.9")
        other = checkpoints.of(RECIPE, other.folder)
    elif what == "code":
        monkeypatch.setattr(checkpoints, "__file__", str(tmp_path / "here.py"))
        (tmp_path / "here.py").write_text("changed")
        other = checkpoints.of(RECIPE, other.folder)
    else:
        state = other.folder / checkpoints.STATE
        content = state.read_bytes()
        state.write_bytes(content[:-1] + (b"" if what == "cut" else bytes([content[-1] ^ 1])))
    try:
        assert other.restore(trainer) == (0, 0)
        assert ("is not used" in capsys.readouterr().out) == (what in ("damaged", "cut"))
    finally:
        if what in ("damaged", "cut"):
            state.write_bytes(content)


def new_trainer():
    vocabulary = reference.make_tokenizer(RECIPE)
    model = reference.training.new_model(SHORT.model, vocabulary, 0)
    return reference.training.Trainer(model, SHORT.optimiser, vocabulary)


def test_a_folder_of_somebody_else_stops_the_training_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "train", None)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/notes.txt").write_text("mine")
    with pytest.raises(SycoError, match=r"holds notes\.txt.*Nothing was removed"):
        reference.build(RECIPE, tmp_path / "reference", tmp_path / "checkpoints")
    assert (tmp_path / "checkpoints/notes.txt").exists()
