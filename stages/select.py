"""Stage select: the training set of one model and arm, and the dropped prompts with reasons."""

from stages import Summary, run
from stages.tables import build_tables
from syco_data import schemas, select, tables
from syco_data.progress import counted
from syco_data.settings import Settings


def main(settings: Settings, model: str, arm: str) -> Summary:
    places = build_tables(settings)
    candidates = select.pool(
        tables.read(places.prompts, schemas.PROMPTS, list(select.POOL_COLUMNS)),
        tables.read(places.claims, schemas.CLAIMS, ["claim_id", "label"]),
        tables.read(places.verdicts[model], schemas.VERDICTS),
        settings.seed,
    )
    arms = [settings.arms[name] for name in settings.build.arms]
    size = select.matched_size(candidates, arms, settings.select.rows)
    selected = select.select(candidates, settings.arms[arm], size)
    texts = tables.read(places.prompts, schemas.PROMPTS, select.text_columns(settings.arms[arm]))
    rows = select.train_rows(selected.kept, texts, settings.arms[arm])
    tables.write(rows, schemas.TRAIN, places.train[model, arm])
    tables.write(selected.dropped, schemas.DROPPED_PROMPTS, places.dropped_prompts[model, arm])
    summary = counted(len(rows), "training row")
    return Summary(counted(len(candidates), "prompt"), summary, selected.dropped["reason"])


if __name__ == "__main__":
    run(main)
