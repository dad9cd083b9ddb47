"""Stage claims: one claim per input of the training splits, every dropped row with its reason."""

import polars as pl

from stages import Summary, run
from stages.tables import build_tables
from syco_data import schemas, tables
from syco_data.claims import claims
from syco_data.progress import counted
from syco_data.settings import Settings
from syco_data.sources import SOURCES


def main(settings: Settings) -> Summary:
    places = build_tables(settings)
    raw = {
        key: tables.read(path, schemas.raw(SOURCES[key])).filter(pl.col("split") == SOURCES[key].train)
        for key, path in places.raw.items()
    }
    claims_built = claims.build(raw, settings.claims, settings.seed)
    tables.write(claims_built.kept, schemas.CLAIMS, places.claims)
    tables.write(claims_built.dropped, schemas.DROPPED_ROWS, places.dropped_rows)
    rows = sum(map(len, raw.values()))
    return Summary(counted(rows, "row"), counted(len(claims_built.kept), "claim"), claims_built.dropped["reason"])


if __name__ == "__main__":
    run(main)
