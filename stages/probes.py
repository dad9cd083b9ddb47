"""Stage probes: every evaluation item in one table, and the held-out rows that are in none, with reasons."""

import polars as pl

from stages import Summary, run
from stages.tables import build_tables
from syco_data import probes, schemas, tables
from syco_data.probes import survey_files
from syco_data.progress import counted
from syco_data.reference import instructions
from syco_data.settings import Settings
from syco_data.sources import SOURCES


def main(settings: Settings) -> Summary:
    places = build_tables(settings)
    held_out = {
        key: tables.read(path, schemas.raw(SOURCES[key])).filter(pl.col("split") == SOURCES[key].held_out)
        for key, path in places.raw.items()
    }
    materials = probes.Materials(
        held_out=held_out,
        training_inputs=tables.scan(places.claims, schemas.CLAIMS),
        surveys=survey_files.load(settings.probes.surveys, settings.seed, settings.hub),
        instructions=instructions.rows(settings.probes.instructions, settings.seed, "held_out"),
    )
    built = probes.build(materials, settings)
    tables.write(built.probes, schemas.PROBES, places.probes)
    tables.write(built.dropped, schemas.UNUSED_ROWS, places.unused_probes)
    rows = sum(map(len, held_out.values()))
    return Summary(counted(rows, "held-out row"), counted(len(built.probes), "probe"), built.dropped["reason"])


if __name__ == "__main__":
    run(main)
