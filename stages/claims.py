"""Stage claims: one claim per input of the training splits, every dropped row with its reason."""

import polars as pl

from stages import run
from stages.folders import CLAIMS, RAW
from syco_data import claims, schemas, tables
from syco_data.settings import Settings
from syco_data.sources import SOURCES


def main(settings: Settings) -> None:
    raw = {
        key: tables.read(RAW / key / "rows.parquet", schemas.raw(SOURCES[key])).filter(
            pl.col("split") == SOURCES[key].train
        )
        for key, choice in settings.sources.items()
        if choice.licence != "exclude"
    }
    built = claims.build(raw, settings.claims, settings.seed)
    tables.write(built.kept, schemas.CLAIMS, CLAIMS / "claims.parquet")
    tables.write(built.dropped, schemas.DROPPED_ROWS, CLAIMS / "dropped.parquet")


if __name__ == "__main__":
    run(main)
