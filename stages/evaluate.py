"""Stage evaluate: every probe put to one tuned model, and what tuning changed."""

from stages import run
from stages.folders import ANSWERS, EVALUATION, PROBES, REFERENCE, TUNED
from syco_data import evaluation, models, results, schemas, tables
from syco_data.settings import Settings


def main(settings: Settings, model: str, arm: str) -> None:
    probes = tables.read(PROBES / "probes.parquet", schemas.PROBES)
    record = models.named(model, settings).model_copy(update={"source": str(TUNED / model / arm), "revision": None})
    resolved = models.resolve(f"{model}/{arm}", record, REFERENCE, settings.acquire.retries)
    subject = evaluation.Subject(model, arm, resolved)
    found = results.of(probes, subject, settings, base=results.read(ANSWERS / model / evaluation.BASE))
    results.write(found, ANSWERS / model / arm, EVALUATION / model / f"{arm}.json")


if __name__ == "__main__":
    run(main)
