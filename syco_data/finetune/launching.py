"""Several processes for one run: `accelerate launch` started from the stage, its errors reported in one line."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.finetune import checkpoints, holding, training_errors, tuning_jobs
from syco_data.finetune.tuning_jobs import Job
from syco_data.formats import documents
from syco_data.progress import keeping
from syco_data.settings import Finetune

MOST_PROCESSES = 1024
_CLEANING = 40  # seconds that a launcher may take to end its processes; torchrun itself kills them after 30


def is_wanted(choice: Finetune) -> bool:
    """Whether this process is to start others: the params ask for it, and it was not started itself."""
    several = choice.launcher.processes > 1 or choice.launcher.config is not None
    return several and not tuning_jobs.is_launched()


def launch(job: Job, module: str, *arguments: str) -> None:
    """Runs `python -m module arguments` in every process and waits for the end.

    Raises `SycoError` with the first process's own words, or the signal that ended it; and while processes of an
    earlier start, whose launcher was killed, still run.
    """
    training_errors.check_settings(job.choice)
    _check_processes(job.choice)
    workspace = job.workspace()
    log = workspace.folder / checkpoints.LOG
    with holding.exclusive(job.out) as hold:
        workspace.clear()
        checkpoints.remove(log)
        hold.share()
        start = [*command(job.choice), "-m", module, *arguments]
        with log.open("w", encoding="utf-8") as errors, keeping(workspace.last_good):
            code = _run(subprocess.Popen(start, stderr=errors, pass_fds=[hold.descriptor]))
    if code == 0:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    reported = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if reported:
        raise SycoError(reported[0])
    signals = (line.strip() for line in lines if "Signal" in line and "received" in line)
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no process said why")
    ended = next(signals, last)
    raise SycoError(
        f"finetune: the launched processes ended early: {ended}", f"Their output: {log}. {workspace.last_good()}"
    )


def _run(launcher: subprocess.Popen) -> int:
    """The launcher's exit code. After Ctrl-C it ends its processes, which sit in sessions of their own, itself."""
    try:
        return launcher.wait()
    except KeyboardInterrupt:
        # A terminal sends the signal to the launcher as well, and a second one would stop it while it cleans up.
        for end in (launcher.terminate, launcher.kill):
            with suppress(subprocess.TimeoutExpired):
                launcher.wait(_CLEANING)
                break
            end()
        launcher.wait()
        raise


def _check_processes(choice: Finetune) -> None:
    """Before any is started: whether there is work and, where GPUs are used, a GPU for each process."""
    key, count, machines, on_cpu = "finetune.launcher.processes", choice.launcher.processes, 1, False
    if choice.launcher.config is not None:
        key = f"num_processes in {choice.launcher.config}"
        count, machines, on_cpu = configured(Path(choice.launcher.config))
    if choice.batch % (count * choice.accumulation):
        raise SycoError(
            f"finetune.batch is {choice.batch}, which {count} processes with {choice.accumulation} passes each "
            "cannot share evenly", f"Make it a multiple of {count * choice.accumulation}, or lower {key}"
        )  # fmt: skip
    gpus = 0 if on_cpu or choice.device == "cpu" else _gpus()
    if gpus and count > gpus * machines:
        raise SycoError(
            f"{key} is {count}, and {machines} machine(s) with {gpus} GPU(s) each have one for {gpus * machines}",
            f"Set it to {gpus * machines} at most",
        )


def configured(path: Path) -> tuple[int, int, bool]:
    """Processes, machines, and whether on CPUs alone, of a configuration of accelerate.

    Raises `SycoError` where the file cannot be one.
    """
    try:
        values = documents.read_yaml(path)
    except FileNotFoundError as error:
        raise SycoError(
            f"finetune.launcher.config: there is no file {path}", "Name one, such as profiles/accelerate/ddp.yaml"
        ) from error
    if not isinstance(values, dict):
        raise SycoError(
            f"finetune.launcher.config: {path} is not a configuration of accelerate", "See profiles/accelerate/ddp.yaml"
        )
    counts = [values.get(name, 1) for name in ("num_processes", "num_machines")]
    for name, count in zip(("num_processes", "num_machines"), counts, strict=True):
        if type(count) is not int or not 1 <= count <= MOST_PROCESSES:
            raise SycoError(
                f"finetune.launcher.config: {name} in {path} is {count!r:.40}",
                f"Give it a number of 1 to {MOST_PROCESSES}",
            )
    return *counts, values.get("use_cpu") is True


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def command(choice: Finetune) -> list[str]:
    """`accelerate launch` with the configuration of the params; torchrun starts the processes, on CPUs as well."""
    start = [sys.executable, "-m", "accelerate.commands.launch"]
    if choice.launcher.config is not None:
        return [*start, "--config_file", choice.launcher.config]
    return [
        *start, "--multi_gpu", "--num_processes", str(choice.launcher.processes), "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
    ]  # fmt: skip
