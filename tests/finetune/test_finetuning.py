"""Fine-tuning for real, on a tiny model: what TRL is given, resumption, errors, adapters, several processes."""

import json
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from syco_data import ownership, schemas, settings, tables
from syco_data.errors import SycoError
from syco_data.finetune import (
    adapters,
    checkpoint_marks,
    checkpoints,
    finetuning,
    holding,
    out_folders,
    training_errors,
)
from tests.support import tiny_models
from tests.support.tunings import (
    ROOT,
    SMALL,
    beyond,
    instruction_rows,
    job,
    largest_difference,
    resolved,
    train_rows,
    tuned,
    weights,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("model") / "tiny", scale=0.05)


@pytest.fixture(scope="module")
def plain(model, tmp_path_factory):
    """A run that nothing disturbs."""
    out = tmp_path_factory.mktemp("plain")
    return out, tuned(model, out)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_run_learns_and_leaves_a_model_folder_alone(model, plain):
    out, result = plain
    assert result.metrics.last_loss < 0.7 * result.metrics.first_loss
    assert (result.metrics.steps, result.cost.steps) == (8, 8)
    assert result.metrics.trained_parameters == result.metrics.parameters
    expected = {"config.json", "generation_config.json", "model.safetensors", "training.parquet"}
    assert files(out) == expected | {"tokenizer.json", "tokenizer_config.json", ownership.MARK}
    assert (out / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    log = tables.read(out / "training.parquet", schemas.TRAINING_LOG)
    assert log["step"].to_list() == list(range(1, 9))
    assert str(out) not in (out / "config.json").read_text(encoding="utf-8")


def test_the_same_run_twice_gives_the_same_bytes(model, plain, tmp_path):
    again = tuned(model, tmp_path)
    assert again.metrics == plain[1].metrics
    for name in files(plain[0]):
        assert (tmp_path / name).read_bytes() == (plain[0] / name).read_bytes(), name


def test_the_model_can_be_loaded_and_answers_differently(model, plain):
    import torch
    from transformers import AutoModelForCausalLM

    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (model, plain[0]))
    ids = torch.tensor([[1, 5, 9]])
    assert not torch.allclose(before(ids).logits, after(ids).logits)
    assert after.config.use_cache == before.config.use_cache


def test_rows_reach_the_trainer_as_trl_itself_would_prepare_them(model, tmp_path):
    """Same tokens and the same targets as TRL's own preparation of prompts and completions."""
    from datasets import Dataset

    from syco_data.engines.tokenizer import Tokenizer
    from syco_data.finetune import token_audit
    from syco_data.finetune.sft_trainer import Trainer, arguments

    run = job(model, tmp_path)
    tokenizer = Tokenizer(model, "plain")
    texts = token_audit.texts(
        tokenizer,
        pl.concat(
            [
                train_rows().rename({"prompt_id": "row_id"}).with_columns(form=pl.lit("transcript")),
                instruction_rows().rename({"instruction_id": "row_id"}),
            ],
            how="diagonal",
        ),
    )
    args = arguments(run.choice, tmp_path, 1)
    args.dataset_kwargs = None
    trainer = Trainer(
        model=adapters.base(run.model.folder, run.choice.weights), args=args, processing_class=tokenizer.library,
        train_dataset=Dataset.from_dict({name: texts[name].to_list() for name in ("prompt", "completion")}),
    )  # fmt: skip
    theirs = {row: (ids, labels) for row, ids, labels in zip(
        texts["row_id"], trainer.train_dataset["input_ids"], trainer.train_dataset["labels"], strict=True)}  # fmt: skip
    ours = finetuning.dataset(run.rows)
    names = run.rows.rows["row_id"].to_list()
    assert len(ours) == 48
    for index, row in zip(run.rows.order, ours, strict=True):
        assert (row["input_ids"], row["labels"]) == theirs[names[index]]
        assert row["labels"][-1] == tokenizer.library.eos_token_id == tokenizer.library.pad_token_id


def test_only_positions_with_a_target_meet_the_vocabulary(model, tmp_path, monkeypatch):
    from trl.trainer import utils

    seen = []
    whole = utils._ChunkedLogProbFunction

    class Counting:
        @staticmethod
        def apply(hidden, *rest):
            seen.append(len(hidden))
            return whole.apply(hidden, *rest)

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", Counting)
    run = job(model, tmp_path, steps=2)
    finetuning.tune(run)
    assert sum(seen) == run.rows.counts.target_tokens < run.rows.counts.tokens / 5


@pytest.mark.parametrize("changes", [{}, {"method": "lora"}])
def test_targets_alone_give_the_bits_of_the_librarys_own_projection(model, tmp_path, monkeypatch, changes):
    """TRL's compact form, which it keeps for Triton, beside ours; nothing of TRL was replaced by a run."""
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    from syco_data.finetune import sft_trainer

    class Nothing:
        def __init__(self, _):
            pass

        @staticmethod
        def forward(model, **inputs):
            return model(**inputs)

    tuned(model, tmp_path / "ours", **changes)
    assert utils._use_triton is chunked_logprob._use_triton
    monkeypatch.setattr(utils, "_use_triton", lambda device: True)
    monkeypatch.setattr(sft_trainer, "TargetProjection", Nothing)
    tuned(model, tmp_path / "theirs", **changes)
    for name in files(tmp_path / "ours"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes(), name


def test_accumulation_changes_nothing_but_rounding(model, plain, tmp_path):
    tuned(model, tmp_path, accumulation=3)
    assert largest_difference(tmp_path, plain[0]) < 1e-4
    with pytest.raises(SycoError, match="Make it a multiple of 4"):
        tuned(model, tmp_path, accumulation=4)


def test_a_loss_that_is_not_a_number_stops_and_the_last_checkpoint_stays(model, tmp_path):
    run = beyond(job(model, tmp_path, warmup_steps=6, checkpoint_steps=1), learning_rate=1e30, clip=1e30)
    with pytest.raises(SycoError, match=r"the loss is (nan|inf)|not a finite number") as caught:
        finetuning.tune(run)
    assert "\n" not in str(caught.value)
    last = run.workspace().latest()
    if last is None:
        assert "There is no checkpoint yet" in str(caught.value)
    else:
        assert f"of step {checkpoints.step_of(last)}, stays" in str(caught.value)
        from safetensors.numpy import load_file

        assert all(np.isfinite(weight).all() for weight in load_file(last / "model.safetensors").values())
    assert not (tmp_path / "model.safetensors").exists()


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(model, plain, tmp_path, monkeypatch):
    """The second checkpoint meets a limit on the size of files, as a full disk would refuse them."""
    from syco_data.finetune.sft_trainer import Trainer

    limits, save = resource.getrlimit(resource.RLIMIT_FSIZE), Trainer._save_checkpoint

    def save_on_a_full_disk(self, *arguments):
        if self.state.global_step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        save(self, *arguments)

    monkeypatch.setattr(Trainer, "_save_checkpoint", save_on_a_full_disk)
    run = job(model, tmp_path, checkpoint_steps=2)
    try:
        with pytest.raises(SycoError) as caught:
            finetuning.tune(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "checkpoint of step 4 could not be written" in str(caught.value)
    assert "The last good checkpoint, of step 2, stays" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in run.workspace().folder.glob("checkpoint-*")] == ["checkpoint-2"]
    monkeypatch.undo()
    assert finetuning.tune(run).cost.steps == 6
    assert largest_difference(tmp_path, plain[0]) == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), r"could not be written: .*Make room\."),
        (OSError(122, "Disk quota exceeded", "a"), r"could not be written: .*Make room\."),
        (RuntimeError("I/O error: File too large (os error 27)"), r"could not be written: .*Make room\."),
        (PermissionError(13, "Permission denied", "a"), "could not be read or written: .*Permission denied: 'a'"),
        (OSError("no file named model.safetensors\nin a"), "could not be read or written: no file named"),
        (OSError(), "could not be read or written: OSError"),
    ],
)
def test_room_is_asked_for_where_it_is_missing(tmp_path, error, message):
    result = training_errors.explained(error, checkpoints.Workspace(tmp_path, "key").last_good())
    assert isinstance(result, SycoError)
    assert re.search(message, str(result))
    assert ("Make room" in str(result)) == ("Make room" in message)
    assert "\n" not in str(result)


def test_weights_that_are_missing_are_one_line(model, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(model, bare)
    run = job(bare, tmp_path / "out")
    (bare / "model.safetensors").unlink()
    with pytest.raises(SycoError, match=r"the folder .*bare has no \*.safetensors") as caught:
        finetuning.tune(run)
    assert "\n" not in str(caught.value)


def test_a_disk_that_is_full_at_the_last_files_is_one_line(model, tmp_path, monkeypatch):
    """Safetensors has an error of its own, which is not an OSError."""
    from safetensors import SafetensorError

    def fill(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(finetuning, "_trainer", fill)
    with pytest.raises(SycoError, match=r"could not be written: .*Make room\."):
        finetuning.tune(job(model, tmp_path))


def test_memory_that_runs_out_is_one_line(model, tmp_path):
    run = job(model, tmp_path, batch=6000, steps=1)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size + 400 * 2**20, limits[1]))
        with pytest.raises(SycoError, match=r"memory ran out.*Double finetune\.accumulation") as caught:
            finetuning.tune(run)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert "\n" not in str(caught.value)


def test_other_inputs_never_go_on_from_a_checkpoint(model, tmp_path):
    run = job(model, tmp_path)
    others = [job(model, tmp_path, seed=1), job(model, tmp_path, learning_rate=0.02), job(model, tmp_path, steps=9)]
    keys = {one.workspace().key for one in [run, *others]}
    assert len(keys) == 4
    assert job(model, tmp_path).workspace().key == run.workspace().key
    whole = run.workspace().folder / "checkpoint-4"
    whole.mkdir(parents=True)
    checkpoint_marks.mark(whole)
    (run.workspace().folder / "checkpoint-6").mkdir()  # not marked: the kill came while it was written
    (tmp_path / "model.safetensors").write_bytes(b"of an earlier run")
    out_folders.mark(tmp_path, ["model.safetensors"])
    run.workspace().clear()
    assert run.workspace().resumable() == whole
    assert files(tmp_path) == {ownership.MARK, f"checkpoints/{run.workspace().key}/checkpoint-4/complete"}
    others[0].workspace().clear()
    assert others[0].workspace().latest() is None
    assert files(tmp_path) == {ownership.MARK}


def test_a_checkpoint_that_runs_code_is_refused(model, tmp_path):
    """The optimiser's state is a torch file: it is read as numbers only, whatever a stranger put there."""

    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    run = job(model, tmp_path, checkpoint_steps=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.Workspace, "finish", lambda *_: None)
        finetuning.tune(run)
    last = run.workspace().latest()
    assert not [path for path in last.rglob("*") if path.name == "training_args.bin"]
    (last / "optimizer.pt").write_bytes(pickle.dumps(Evil()))
    checkpoint_marks.mark(last)
    with pytest.raises(SycoError, match="checkpoint of step 8 cannot be read"):
        finetuning.tune(run)
    assert not (tmp_path / "ran").exists()


def test_adapters_are_merged_or_kept_beside(model, plain, tmp_path):
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
    merged = tuned(model, tmp_path / "merged", method="lora", lora={**lora, "save": "merged"})
    tuned(model, tmp_path / "adapter", method="lora", lora={**lora, "save": "adapter"})
    assert merged.metrics.trained_parameters < merged.metrics.parameters / 4
    assert merged.metrics.last_loss < merged.metrics.first_loss
    assert weights(tmp_path / "merged").keys() == weights(plain[0]).keys()
    assert largest_difference(tmp_path / "merged", model) > 1e-3
    kept = files(tmp_path / "adapter")
    assert {"adapter_config.json", "adapter_model.safetensors"} <= kept
    assert "model.safetensors" not in kept
    assert str(model) not in (tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("changes", [{"optimizer": "adafactor"}, {"weights": "bfloat16", "compute": "bfloat16"}])
def test_the_published_optimiser_and_half_precision(model, tmp_path, changes):
    result = tuned(model, tmp_path, steps=3, **changes)
    assert np.isfinite(result.metrics.last_loss)
    assert largest_difference(tmp_path, model) > 0


@pytest.fixture
def project(model, tmp_path):
    """A project of its own with the graph's stage `finetune`, its inputs in place, and DVC without git."""
    for name in ("stages", "syco_data"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["build"] = {"models": ["reference"], "arms": ["balanced"]}
    params["finetune"] |= SMALL
    params["instructions"] |= {"origin": "directory", "directory": "rows"}
    write(tmp_path, params)
    (tmp_path / "templates").mkdir()
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    few = {name: stages[name] for name in ("code", "finetune")}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": few}), encoding="utf-8")
    shutil.copytree(model, tmp_path / "data/reference")
    tables.write(train_rows(), schemas.TRAIN, tmp_path / "data/train/reference/balanced/train.parquet")
    nothing = pl.DataFrame(schema=schemas.PROBES.columns)
    tables.write(nothing, schemas.PROBES, tmp_path / "data/probes/probes.parquet")
    (tmp_path / "data/reports/checks").mkdir(parents=True)
    (tmp_path / "data/reports/checks/passed").write_text("every check holds\n", encoding="utf-8")
    (tmp_path / "rows").mkdir()
    instruction_rows().select("prompt", "completion").write_ndjson(tmp_path / "rows/words.jsonl")
    return tmp_path


def write(folder: Path, params: dict) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def change(folder: Path, **values) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["finetune"] |= values
    write(folder, params)


def environment() -> dict[str, str]:
    binaries = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def run_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage in this process, which has its imports behind it."""
    from stages import finetune

    monkeypatch.chdir(folder)
    finetune.main(settings.load(), "reference", "balanced")


def repro(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "dvc"), "repro"], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_an_adapter_alone_is_merged_for_as_long_as_it_is_evaluated(project, model, monkeypatch, tmp_path):
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
    change(project, method="lora", lora={**lora, "save": "adapter"})
    run_stage(project, monkeypatch)
    out = project / "data/tuned/reference/balanced"
    assert not (out / "config.json").exists()
    with adapters.whole(out, lambda: resolved(model)) as folder:
        whole = resolved(folder)
        tuned(model, tmp_path / "merged", method="lora", lora={**lora, "save": "merged"})
        assert largest_difference(folder, model) > 1e-3 and whole.tokenizer == resolved(model).tokenizer
        with adapters.whole(tmp_path / "merged", pytest.fail) as same:
            assert same == tmp_path / "merged"
            assert weights(folder).keys() == weights(same).keys()
    assert not folder.exists() and not (out / "config.json").exists()
    folder.mkdir()
    (folder / "notes.txt").touch()
    with (
        pytest.raises(SycoError, match=r"\.merged holds notes.txt, which"),
        adapters.whole(out, lambda: resolved(model)),
    ):
        pytest.fail("a folder of the user's was replaced")
    shutil.rmtree(folder)
    other = tiny_models.make(tmp_path / "other", seed=3, scale=0.05)
    with (
        pytest.raises(SycoError, match=r"holds an adapter of model 'reference' at .*dvc repro finetune$"),
        adapters.whole(out, lambda: resolved(other)),
    ):
        pytest.fail("another base model was taken")


def test_a_killed_build_goes_on_to_the_weights_of_an_undisturbed_one(project, monkeypatch):
    """kill -9 of DVC and the stage once the first checkpoint is whole, then `dvc repro` again."""
    change(project, steps=300, checkpoint_steps=10)
    subprocess.run(
        [str(Path(sys.executable).parent / "dvc"), "init", "--no-scm", "-q"], cwd=project, env=environment(), check=True
    )
    out, killed = project / "data/tuned/reference/balanced", repro(project)
    while not list(out.glob("checkpoints/*/checkpoint-*/complete")):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "model.safetensors").exists()
    resumed = repro(project)
    text = resumed.communicate()[0]
    assert resumed.returncode == 0, text
    steps = [int(line.split()[1]) for line in text.splitlines() if line.startswith("step ")]
    assert 10 < steps[0] < steps[-1] == 300
    assert not (out / "checkpoints").exists()
    (project / "data/tuned/reference/balanced").rename(project / "resumed")
    run_stage(project, monkeypatch)
    assert largest_difference(project / "resumed", out) <= 1e-6


def test_two_processes_learn_as_one_does(project, monkeypatch):
    """accelerate launch, gloo, two CPU processes: the loss curve and the weights of one process."""
    run_stage(project, monkeypatch)
    out = project / "data/tuned/reference/balanced"
    alone = tables.read(out / "training.parquet", schemas.TRAINING_LOG)
    out.rename(project / "alone")
    (project / "data/reports/tuning/reference/balanced.json").rename(project / "alone.json")
    change(project, launcher={"processes": 2, "config": None})
    run_stage(project, monkeypatch)
    together = tables.read(out / "training.parquet", schemas.TRAINING_LOG)
    assert np.abs(together["loss"].to_numpy() - alone["loss"].to_numpy()).max() < 1e-3
    assert largest_difference(out, project / "alone") < 1e-3
    reports = (project / "alone.json", project / "data/reports/tuning/reference/balanced.json")
    one, two = (json.loads(path.read_text(encoding="utf-8")) for path in reports)
    assert all(one[key] == two[key] > 0 for key in ("steps", "generated_rows", "instruction_rows"))
    assert "| launcher.processes | 2 |" in (out / "README.md").read_text(encoding="utf-8")


def workers(out: Path) -> set[int]:
    """The processes that hold a tuned model's folder, as the kernel tells."""
    return {int(pid) for pid in holding._holders(out.with_name(f".{out.name}.lock"))}


def ends(pid: int) -> bool:
    """Waits for a process that is not this one's child; whether it has ended within two minutes."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_second_start_is_refused_while_orphans_of_the_first_still_write(project, monkeypatch):
    """kill -9 of the stage and the launcher alone: their workers live on, and hold the folder until they end."""
    if not Path("/proc/locks").is_file():
        pytest.skip("this kernel does not list its locks")
    change(project, steps=4000, checkpoint_steps=10, launcher={"processes": 2, "config": None})
    out = project / "data/tuned/reference/balanced"
    command = [sys.executable, "-m", "stages.finetune", "reference", "balanced"]
    stage = subprocess.Popen(command, cwd=project, env=environment(), stdout=subprocess.DEVNULL)
    while not list(out.glob("checkpoints/*/checkpoint-*/complete")):
        assert stage.poll() is None
        time.sleep(0.05)
    launcher = int(Path(f"/proc/{stage.pid}/task/{stage.pid}/children").read_text(encoding="utf-8").split()[0])
    orphans = workers(out) - {stage.pid, launcher}
    assert len(orphans) == 2
    try:
        for pid in (stage.pid, launcher):
            os.kill(pid, signal.SIGKILL)
        stage.wait()
        assert ends(launcher) and workers(out) == orphans
        with pytest.raises(SycoError, match=r"still writes to .*balanced \(process \d+, \d+\).*end it: kill \d+ \d+$"):
            run_stage(project, monkeypatch)
        assert list(out.glob("checkpoints/*/checkpoint-*/complete")), "a refused start removes nothing"
    finally:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
    assert all(ends(pid) for pid in orphans)
    until = time.monotonic() + 120
    while workers(out) and time.monotonic() < until:  # a process of many threads lets go after its first has ended
        time.sleep(0.05)
    change(project, steps=8, launcher={"processes": 1, "config": None})
    run_stage(project, monkeypatch)
    assert (out / "model.safetensors").is_file() and not workers(out)


def test_an_error_of_a_launched_process_is_one_line(project, monkeypatch):
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["query"], "save": "merged"}
    change(project, launcher={"processes": 2, "config": None}, method="lora", lora=lora)
    with pytest.raises(SycoError, match=r"^finetune.lora.targets: no linear layer .* named 'query'. Its .*") as caught:
        run_stage(project, monkeypatch)
    assert "\n" not in str(caught.value)
