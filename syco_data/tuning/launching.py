"""Several processes for one run: `accelerate launch` started from the stage, its faults told in one line."""

import subprocess
import sys

from syco_data.errors import SycoError
from syco_data.settings import Finetune
from syco_data.tuning import checkpoints, holding, tuning_jobs
from syco_data.tuning.tuning_jobs import Job


def is_wanted(choice: Finetune) -> bool:
    """Whether this process is to start others: the params ask for it, and it was not started itself."""
    asked = choice.launcher.processes > 1 or choice.launcher.config is not None
    return asked and not tuning_jobs.is_launched()


def launch(job: Job, module: str, *arguments: str) -> None:
    """Runs `python -m module arguments` in every process and waits for the end.

    Raises `SycoError` with the first process's own words, or the signal that ended it; and while processes of an
    earlier start, whose launcher was killed, still run.
    """
    workspace = job.workspace()
    log = workspace.folder / checkpoints.LOG
    with holding.alone(job.out) as hold:
        workspace.clear()
        checkpoints.remove(log)
        hold.share()
        start = [*command(job.choice), "-m", module, *arguments]
        with log.open("w", encoding="utf-8") as errors:
            done = subprocess.run(start, stderr=errors, pass_fds=[hold.descriptor], check=False)
    if done.returncode == 0:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if told:
        raise SycoError(told[0])
    ended = next((line.strip() for line in lines if "Signal" in line and "received" in line), "no process said why")
    raise SycoError(
        f"finetune: the launched processes ended early: {ended}", f"Their output: {log}. {workspace.last_good()}"
    )


def command(choice: Finetune) -> list[str]:
    """`accelerate launch` with the configuration of the params; torchrun starts the processes, on CPUs as well."""
    start = [sys.executable, "-m", "accelerate.commands.launch"]
    if choice.launcher.config is not None:
        return [*start, "--config_file", choice.launcher.config]
    return [
        *start, "--multi_gpu", "--num_processes", str(choice.launcher.processes), "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
    ]  # fmt: skip
