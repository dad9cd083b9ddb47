"""Stage select: the training set of one model and arm, and the dropped prompts with reasons."""

from stages import run
from stages.folders import CLAIMS, PROMPTS, TRAIN, VERDICTS
from syco_data import schemas, selection, tables
from syco_data.settings import Settings


def main(settings: Settings, model: str, arm: str) -> None:
    candidates = selection.pool(
        tables.read(PROMPTS / "prompts.parquet", schemas.PROMPTS, list(selection.POOL_COLUMNS)),
        tables.read(CLAIMS / "claims.parquet", schemas.CLAIMS, ["claim_id", "label"]),
        tables.read(VERDICTS / model / "verdicts.parquet", schemas.VERDICTS),
        settings.seed,
    )
    arms = [settings.arms[name] for name in settings.build.arms]
    size = selection.matched_size(candidates, arms, settings.select.rows)
    chosen = selection.select(candidates, settings.arms[arm], size)
    texts = tables.read(PROMPTS / "prompts.parquet", schemas.PROMPTS, ["prompt_id", "prompt"])
    tables.write(selection.train_rows(chosen.kept, texts), schemas.TRAIN, TRAIN / model / arm / "train.parquet")
    tables.write(chosen.dropped, schemas.DROPPED_PROMPTS, TRAIN / model / arm / "dropped.parquet")


if __name__ == "__main__":
    run(main)
