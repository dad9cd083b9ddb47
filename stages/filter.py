"""Stage filter: one verdict per prompt by one model; scores that were ever made are reused."""

from rich.console import Console

from stages import run
from stages.folders import FILTRATION, VERDICTS
from stages.tables import build_tables
from syco_data import schemas, tables
from syco_data.engines import models, scoring
from syco_data.filter import model_record, report, verdicts
from syco_data.settings import Settings

COLUMNS = ["prompt_id", "answer", "stripped_prompt", *verdicts.GROUPS]


def main(settings: Settings, name: str) -> None:
    places = build_tables(settings)
    prompts = tables.read(places.prompts, schemas.PROMPTS, COLUMNS)
    model = models.open(name, settings)
    asked = verdicts.questions(prompts, settings.filter.rule)
    collected = scoring.collect(verdicts.requests(asked), model, settings.engines)
    decided = verdicts.verdicts(asked, collected.scores, settings.filter)
    found = verdicts.summary(prompts, decided, settings.filter)
    tables.write(decided, schemas.VERDICTS, places.verdicts[name])
    model_record.write(settings.models[name], scoring.space(model, settings.engines), VERDICTS / name)
    report.write(FILTRATION / name, found, verdicts.histogram(decided), collected)
    report.show(name, found, collected, Console(stderr=True))


if __name__ == "__main__":
    run(main)
