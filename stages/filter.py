"""Stage filter: one verdict per prompt by one model; scores that were ever made are reused."""

from rich.console import Console

from stages import run
from stages.folders import FILTRATION, REFERENCE, VERDICTS
from stages.tables import build_tables
from syco_data import collecting, filtration, filtration_report, model_record, models, schemas, tables
from syco_data.settings import Settings

COLUMNS = ["prompt_id", "answer", "stripped_prompt", *filtration.GROUPS]


def main(settings: Settings, name: str) -> None:
    places = build_tables(settings)
    prompts = tables.read(places.prompts, schemas.PROMPTS, COLUMNS)
    model = models.resolve(name, models.named(name, settings), REFERENCE, settings.acquire.retries)
    asked = filtration.questions(prompts, settings.filter.rule)
    collected = collecting.collect(filtration.requests(asked), model, settings.filter)
    decided = filtration.verdicts(asked, collected.scores, settings.filter)
    found = filtration.summary(prompts, decided, settings.filter)
    tables.write(decided, schemas.VERDICTS, places.verdicts[name])
    model_record.write(settings.models[name], collecting.space(model, settings.filter), VERDICTS / name)
    filtration_report.write(FILTRATION / name, found, filtration.histogram(decided), collected)
    filtration_report.show(name, found, collected, Console(stderr=True))


if __name__ == "__main__":
    run(main)
