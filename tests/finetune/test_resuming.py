"""A run that ends at any moment, and is started again: the same files as those of a run that nothing disturbed."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from syco_data import schemas, tables
from syco_data.finetune import checkpoint_marks, checkpoints, finetuning
from tests.support import tiny_models
from tests.support.tunings import ROOT, job, tuned

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Nothing catches it, as nothing survives kill -9."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("model") / "tiny", scale=0.05)


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def kill_before(run, step: int, end: type[BaseException] = Killed) -> BaseException:
    """Runs and ends as step number `step`, counted from 1, is about to begin."""
    from syco_data.finetune.sft_trainer import Trainer

    train = Trainer.training_step

    def until(self, *arguments, **named):
        if self.state.global_step == step - 1:
            raise end
        return train(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(end) as caught:
        patch.setattr(Trainer, "training_step", until)
        finetuning.tune(run)
    return caught.value


@pytest.mark.parametrize(("log", "checkpoint", "kill"), [(4, 5, 7), (5, 4, 5), (3, 2, 8), (100, 3, 7), (2, 7, 8)])
def test_every_file_is_the_same_with_a_kill_and_without(model, tmp_path, log, checkpoint, kill):
    changes = {"log_steps": log, "checkpoint_steps": checkpoint, "accumulation": 2}
    plain = tuned(model, tmp_path / "plain", **changes)
    run = job(model, tmp_path / "killed", **changes)
    kill_before(run, kill)
    resumed = finetuning.tune(run)
    assert resumed.cost.steps == 8 - (kill - 1) // checkpoint * checkpoint
    assert contents(tmp_path / "killed") == contents(tmp_path / "plain")
    assert resumed.metrics == plain.metrics
    steps = tables.read(tmp_path / "plain/training.parquet", schemas.TRAINING_LOG)["step"].to_list()
    assert steps == sorted({*range(log, 9, log), 8})


def test_ctrl_c_says_which_checkpoint_stays(model, tmp_path):
    end = kill_before(job(model, tmp_path / "out", checkpoint_steps=2), 6, KeyboardInterrupt)
    assert end.__notes__ == ["The last good checkpoint, of step 4, stays"]


SETTINGS = {"checkpoint_steps": 2, "checkpoints": 3, "log_steps": 3}


@pytest.fixture(scope="module")
def undisturbed(model, tmp_path_factory):
    """A run that nothing disturbs, and one that was killed with three checkpoints."""
    folder = tmp_path_factory.mktemp("runs")
    tuned(model, folder / "plain", **SETTINGS)
    kill_before(job(model, folder / "killed", **SETTINGS), 8)
    return folder / "plain", folder / "killed"


@pytest.fixture
def killed(model, undisturbed, tmp_path):
    """The job of a killed run, and its newest checkpoint."""
    shutil.copytree(undisturbed[1], tmp_path / "out")
    run = job(model, tmp_path / "out", **SETTINGS)
    assert [path.name for path in checkpoints.numbered(run.workspace().folder)] == [
        "checkpoint-6", "checkpoint-4", "checkpoint-2"]  # fmt: skip
    return run, run.workspace().folder / "checkpoint-6"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


def rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def linked(path: Path) -> None:
    """The same bytes, elsewhere."""
    path.rename(path.parents[4] / path.name)
    path.symlink_to(path.parents[4] / path.name)


HARMS = {
    "removed": Path.unlink,
    "emptied": emptied,
    "cut": cut,
    "flipped": flipped,
    "rubbish": rubbish,
    "folder": replaced(Path.mkdir),
    "pipe": replaced(os.mkfifo),
    "link": linked,
    "loop": replaced(lambda path: path.symlink_to(path)),
}
FILES = (
    "complete", "config.json", "generation_config.json", "model.safetensors", "optimizer.pt", "rng_state.pth",
    "scheduler.pt", "tokenizer.json", "tokenizer_config.json", "trainer_state.json",
)  # fmt: skip


def test_a_checkpoint_holds_the_files_that_are_harmed_below(killed):
    run, last = killed
    assert sorted(path.name for path in last.iterdir()) == sorted(FILES)
    assert [checkpoint_marks.damage(path) for path in last.parent.iterdir()] == [None] * 3
    assert run.workspace().resumable() == last


@pytest.mark.parametrize("name", FILES)
def test_whatever_was_done_to_a_file_is_seen_and_the_checkpoint_before_is_taken(undisturbed, killed, capsys, name):
    run, last = killed
    for kind, harm in HARMS.items():
        shutil.rmtree(last)
        shutil.copytree(undisturbed[1] / last.relative_to(run.out), last)
        harm(last / name)
        assert run.workspace().resumable() == last.with_name("checkpoint-4"), kind
        words = capsys.readouterr().out.splitlines()
        assert len(words) == 2 and words[0].startswith("finetune: the checkpoint of step 6 is not used: "), kind
        assert name in words[0] or name == "complete", kind
        assert words[1] == "finetune: resumes from the checkpoint of step 4"
        assert not last.exists() and last.with_name("checkpoint-4").is_dir()
        last.mkdir()


@pytest.mark.parametrize(("name", "harm"), list(zip(FILES, [*HARMS, "removed"], strict=True)))
def test_a_damaged_checkpoint_changes_nothing_in_what_comes_out(undisturbed, killed, capsys, name, harm):
    run, last = killed
    HARMS[harm](last / name)
    assert finetuning.tune(run).cost.steps == 4
    assert "the checkpoint of step 6 is not used: " in capsys.readouterr().out
    assert contents(run.out) == contents(undisturbed[0])


def test_without_a_good_checkpoint_training_begins_again(undisturbed, killed, capsys):
    run, last = killed
    for harm, step in (("removed", 2), ("flipped", 4), ("link", 6)):
        HARMS[harm](last.with_name(f"checkpoint-{step}") / "scheduler.pt")
    assert finetuning.tune(run).cost.steps == 8
    words = capsys.readouterr().out
    assert words.count("is not used: scheduler.pt") == 3
    assert "there is no earlier checkpoint, training starts from the beginning" in words
    assert contents(run.out) == contents(undisturbed[0])


def old_mark(last: Path) -> None:
    (last / "complete").write_bytes(b"")


def marked(text: str) -> Callable[[Path], None]:
    return lambda last: (last / "complete").write_text(text, encoding="utf-8")


def extra(make: Callable[[Path], object], name: str) -> Callable[[Path], None]:
    return lambda last: make(last / name)


def copied(last: Path) -> None:
    """An earlier checkpoint under a later one's name."""
    shutil.rmtree(last)
    shutil.copytree(last.with_name("checkpoint-2"), last)


def itself(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(last: Path) -> None:
        shutil.rmtree(last)
        make(last)

    return replace


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (old_mark, "'complete' is not one of this version"),
        (marked("yes"), "'complete' is not valid JSON"),
        (marked("[]"), "'complete' is not one of this version"),
        (marked("[" * 100_000), "'complete' is not valid JSON"),
        (marked('{"format": 2}'), "'complete' is not one of this version"),
        (marked('{"format": 1, "run": [], "name": null}'), r"it was written as None of run \[\]"),
        (extra(Path.touch, "notes.txt"), "notes.txt is not one of its files"),
        (extra(Path.mkdir, "pytorch_model_fsdp_0"), "pytorch_model_fsdp_0 is not one of its files"),
        (extra(os.mkfifo, "pipe\n[x]"), r"pipe\\n\[x\] is not one of its files"),
        (copied, "it was written as 'checkpoint-2' of run "),
        (itself(Path.touch), "it is a file, not a folder"),
        (itself(os.mkfifo), "it is a pipe, not a folder"),
        (itself(lambda path: path.symlink_to("checkpoint-4")), "it is a link, not a folder"),
        (itself(lambda path: path.symlink_to("nowhere")), "it is a link, not a folder"),
        (itself(Path.mkdir), "it was not completed"),
    ],
)
def test_a_mark_that_is_not_ours_and_files_that_are_not_its_own(killed, capsys, harm, reason):
    run, last = killed
    harm(last)
    assert run.workspace().resumable() == last.with_name("checkpoint-4")
    words = capsys.readouterr().out.splitlines()
    assert len(words) == 2
    assert re.search(f"step 6 is not used: .*{reason}", words[0]), words[0]
    assert not os.path.lexists(last) and last.with_name("checkpoint-4").is_dir()


@pytest.mark.parametrize("entry", [1, "", {}, {"size": True, "sha256": "0" * 64}, {"size": 1, "sha256": "0"}])
def test_a_list_of_files_that_is_none(killed, entry):
    last = killed[1]
    mark = {"format": 1, "run": last.parent.name, "name": last.name, "entries": {"model.safetensors": entry}}
    (last / "complete").write_text(json.dumps(mark), encoding="utf-8")
    assert checkpoint_marks.damage(last) == "its mark 'complete' holds no list of files"


def test_other_names_beside_checkpoints_are_neither_taken_nor_counted(undisturbed, killed):
    """`checkpoint-x` is not a checkpoint, and of two kept ones none has to go for it."""
    run, last = killed
    names = ("checkpoint-x", "checkpoint-", "checkpoint-06", "checkpoint-6.old", "checkpoint--1", "x-checkpoint-7")
    for name in names:
        shutil.copytree(last, last.with_name(name))
    os.mkfifo(last.with_name("checkpoint-99 "))
    assert [path.name for path in checkpoints.numbered(last.parent)] == ["checkpoint-6", "checkpoint-4", "checkpoint-2"]
    checkpoints.keep_newest(last.parent, 2)
    assert not last.with_name("checkpoint-2").exists() and all(last.with_name(name).is_dir() for name in names)
    assert finetuning.tune(run).cost.steps == 2


def test_all_processes_of_a_run_resume_from_what_the_first_one_took(killed):
    """Two processes as torchrun starts them; the second never looks at the files itself."""
    run, last = killed
    flipped(last / "optimizer.pt")
    program = (
        "import sys; from pathlib import Path; from accelerate import PartialState; PartialState(cpu=True);"
        "from syco_data.finetune import checkpoints, finetuning;"
        "print('taken', finetuning._agreed(checkpoints.Workspace(Path(sys.argv[1]), sys.argv[2])).name)"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(run.out), run.workspace().key], cwd=ROOT, text=True,
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank}, stdout=subprocess.PIPE,
        )
        for rank in "01"
    ]  # fmt: skip
    first, second = (process.communicate()[0].splitlines() for process in started)
    assert "step 6 is not used: optimizer.pt holds other bytes than were written" in first[0]
    assert first[-1] == "taken checkpoint-4" and second == ["taken checkpoint-4"]
