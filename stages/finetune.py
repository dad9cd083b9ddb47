"""Stage finetune: tunes one model on the training set of one arm."""

from stages import Summary, run
from stages.folders import PROBES, TRAIN, TUNED, TUNING
from syco_data import schemas, tables
from syco_data.engines import models
from syco_data.finetune import finetuning, instructions, launching, model_cards, training_rows, tuning_jobs
from syco_data.progress import counted
from syco_data.settings import Settings


def main(settings: Settings, model: str, arm: str) -> Summary:
    choice = settings.tuning(arm)
    resolved = models.open(model, settings)
    probes = tables.read(PROBES / "probes.parquet", schemas.PROBES, ["prompt", "item"])
    pool = instructions.without_probes(instructions.load(settings.instructions, settings.seed, settings.hub), probes)
    train = tables.read(TRAIN / model / arm / "train.parquet", schemas.TRAIN)
    rows = training_rows.prepare(resolved, train, pool, choice, settings.instructions.over_length)
    job = tuning_jobs.Job(resolved, choice, rows, TUNED / model / arm)
    if launching.is_wanted(choice):
        launching.launch(job, "stages.finetune", model, arm)
        return summary(job)
    tuned = finetuning.tune(job)
    if tuning_jobs.is_main():
        model_cards.write(tuning_jobs.record(job, settings, arm, tuned.metrics, train["prompt_id"]), job.out)
        tuning_jobs.write_metrics(tuned.metrics, TUNING / model / f"{arm}.json")
        print(tuned.cost.line())
    return summary(job)


def summary(job: tuning_jobs.Job) -> Summary:
    counts = job.rows.counts
    rows = f"{counted(counts.generated, 'generated row')} and {counted(counts.instruction, 'instruction')}"
    return Summary(rows, f"tuned in {counted(job.choice.steps, 'step')}")


if __name__ == "__main__":
    run(main)
