"""Stage probes: every evaluation item in one table, and the held-out rows that are in none, with reasons."""

import polars as pl

from stages import run
from stages.folders import CLAIMS, PROBES, RAW
from syco_data import probes, schemas, surveys, tables
from syco_data.embedded import instructions
from syco_data.settings import Settings
from syco_data.sources import SOURCES


def main(settings: Settings) -> None:
    held_out = {
        key: tables.read(RAW / key / "rows.parquet", schemas.raw(SOURCES[key])).filter(
            pl.col("split") == SOURCES[key].held_out
        )
        for key, choice in settings.sources.items()
        if choice.licence != "exclude"
    }
    materials = probes.Materials(
        held_out=held_out,
        training_inputs=tables.scan(CLAIMS / "claims.parquet", schemas.CLAIMS),
        surveys=surveys.load(settings.probes.surveys, settings.seed, settings.acquire.retries),
        instructions=instructions.rows(settings.probes.instructions, settings.seed, "held_out"),
    )
    built = probes.build(materials, settings)
    tables.write(built.probes, schemas.PROBES, PROBES / "probes.parquet")
    tables.write(built.dropped, schemas.DROPPED_ROWS, PROBES / "dropped.parquet")


if __name__ == "__main__":
    run(main)
