"""Stage evaluate: every probe put to one tuned model, and what tuning changed."""

from stages import Summary, run
from stages.folders import ANSWERS, EVALUATION, PROBES, TUNED
from syco_data import schemas, tables
from syco_data.engines import models
from syco_data.evaluate import answers, results
from syco_data.finetune import adapters
from syco_data.progress import counted
from syco_data.settings import REFERENCE, Settings


def main(settings: Settings, model: str, arm: str) -> Summary:
    probes = tables.read(PROBES / "probes.parquet", schemas.PROBES)
    with adapters.whole(TUNED / model / arm, lambda: models.open(model, settings)) as folder:
        tuned = settings.models[model].model_copy(update={"source": str(folder), "revision": None})
        subject = answers.Subject(model, arm, models.resolve(f"{model}/{arm}", tuned, REFERENCE, settings.hub))
        results_of = results.of(probes, subject, settings, base=results.read(ANSWERS / model / answers.BASE))
    results.write(results_of, ANSWERS / model / arm, EVALUATION / model / f"{arm}.json")
    return Summary(counted(len(results_of.answers), "probe"), f"{results_of.answers['choice'].count():,} answered")


if __name__ == "__main__":
    run(main)
