"""Stage filter: one verdict per prompt by one model; scores that were ever made are reused."""

from rich.console import Console

from stages import Summary, run
from stages.folders import FILTRATION, VERDICTS
from stages.tables import build_tables
from syco_data import schemas, tables
from syco_data.engines import models, scoring
from syco_data.filter import assess, development, model_record, questions, report, summary, verdicts
from syco_data.progress import counted
from syco_data.settings import Settings


def main(settings: Settings, name: str) -> Summary:
    places = build_tables(settings)
    model = models.open(name, settings)
    prompts = questions.of_build(places)
    way = assess.choose(settings.filter, model, lambda: development.of_build(places, settings), settings.engines)
    table = questions.build(prompts, way, model.style)
    collected = scoring.collect(questions.requests(table), model, settings.engines)
    decided = verdicts.decide(table, collected.scores, way)
    figures = summary.summary(prompts, decided.table, way)
    tables.write(decided.table, schemas.VERDICTS, places.verdicts[name])
    model_record.write(settings.models[name], scoring.partition_key(model, settings.engines), way, VERDICTS / name)
    report.write(FILTRATION / name, figures, decided, collected, way)
    report.show(name, figures, decided, collected, way, Console(stderr=True))
    if any(settings.arms[arm].filtered for arm in settings.build.arms):
        summary.refuse_useless(name, prompts, decided.table, figures, way)
    reasons = decided.table["reason"].drop_nulls()
    return Summary(counted(len(prompts), "prompt"), f"{len(prompts) - len(reasons):,} kept", reasons)


if __name__ == "__main__":
    run(main)
