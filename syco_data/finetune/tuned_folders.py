"""The folder of a tuned model: from the base model's weights to files that stand alone, with no path of a machine."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from syco_data import schemas, tables
from syco_data.engines.models import TOKENIZER_FILES
from syco_data.finetune import adapters, checkpoints, training_logs, tuning_jobs
from syco_data.finetune.checkpoints import Workspace
from syco_data.finetune.tuning_jobs import Job

if TYPE_CHECKING:
    from syco_data.finetune.sft_trainer import Trainer


def save(job: Job, trainer: "Trainer", workspace: Workspace) -> None:
    """Everything into a folder of its own first, then into the out folder at once."""
    finished = workspace.folder / checkpoints.FINISHED
    if tuning_jobs.is_main():
        checkpoints.remove(finished)
    trainer.save_model(str(finished))
    if tuning_jobs.is_main():
        for pickled in ("training_args.bin", "README.md"):
            checkpoints.remove(finished / pickled)
        if job.choice.method == "lora":
            _settle_adapter(job, finished)
        for name in TOKENIZER_FILES:
            if (job.model.folder / name).is_file():
                shutil.copyfile(job.model.folder / name, finished / name)
        _settle_config(job, finished)
        tables.write(
            training_logs.table(trainer.state.log_history), schemas.TRAINING_LOG, finished / "training.parquet"
        )
        workspace.finish(finished)


def _settle_config(job: Job, finished: Path) -> None:
    """The base model's word on caching, which training switches off; files readable like any other."""
    target, base = finished / "config.json", job.model.folder / "config.json"
    if target.is_file():
        values, before = (json.loads(path.read_text(encoding="utf-8")) for path in (target, base))
        values["use_cache"] = before.get("use_cache", True)
        target.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in finished.iterdir():
        path.chmod(0o644)


def _settle_adapter(job: Job, finished: Path) -> None:
    """Merges the adapter into the base model, or keeps it alone; no path of this machine stays in it."""
    if job.choice.lora.save == "merged":
        merged = finished.with_name(checkpoints.MERGED)
        checkpoints.remove(merged)
        adapters.merge(adapters.base(job.model.folder, job.choice.weights), finished, merged)
        shutil.rmtree(finished)
        merged.rename(finished)
    else:
        config = finished / adapters.CONFIG
        values = json.loads(config.read_text(encoding="utf-8"))
        values["base_model_name_or_path"] = job.model.name
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
