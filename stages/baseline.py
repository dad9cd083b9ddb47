"""Stage baseline: every probe put to a model as it was, before any tuning."""

from stages import Summary, run
from stages.folders import ANSWERS, EVALUATION, PROBES
from syco_data import schemas, tables
from syco_data.engines import models
from syco_data.evaluate import answers, results
from syco_data.progress import counted
from syco_data.settings import Settings


def main(settings: Settings, model: str) -> Summary:
    probes = tables.read(PROBES / "probes.parquet", schemas.PROBES)
    resolved = models.open(model, settings)
    subject = answers.Subject(model, answers.BASE, resolved)
    results_of = results.of(probes, subject, settings, base=None)
    results.write(results_of, ANSWERS / model / subject.arm, EVALUATION / model / f"{subject.arm}.json")
    return Summary(counted(len(results_of.answers), "probe"), f"{results_of.answers['choice'].count():,} answered")


if __name__ == "__main__":
    run(main)
