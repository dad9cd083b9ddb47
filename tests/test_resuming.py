"""A run that ends at any moment, and is started again: the same files as those of a run that nothing disturbed."""

from pathlib import Path

import pytest

from syco_data import schemas, tables
from syco_data.tuning import finetuning
from tests import tiny_models
from tests.tunings import job, tuned

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Nothing catches it, as nothing survives kill -9."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("model") / "tiny", scale=0.05)


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def kill_before(run, step: int) -> None:
    """Runs and ends as step number `step`, counted from 1, is about to begin."""
    from syco_data.tuning.sft_trainer import Trainer

    train = Trainer.training_step

    def until(self, *arguments, **named):
        if self.state.global_step == step - 1:
            raise Killed
        return train(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "training_step", until)
        finetuning.tune(run)


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
