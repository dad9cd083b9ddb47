"""Prompts for choosing how to ask: about held-out rows that no reported figure and no training prompt is about."""

from collections.abc import Mapping

import polars as pl

from syco_data import schemas, tables
from syco_data.build import Tables
from syco_data.claims import claims
from syco_data.errors import SycoError
from syco_data.filter.questions import COLUMNS, OF_CLAIMS
from syco_data.probes.held_out import leak_key
from syco_data.prompts import prompts
from syco_data.settings import Settings
from syco_data.sources import SOURCES


def of_build(places: Tables, settings: Settings) -> pl.DataFrame:
    """From the tables of a build that has its probes."""
    held_out = {
        key: tables.read(path, schemas.raw(SOURCES[key])).filter(pl.col("split") == SOURCES[key].held_out)
        for key, path in places.raw.items()
    }
    probes, claims_ = tables.scan(places.probes, schemas.PROBES), tables.scan(places.claims, schemas.CLAIMS)
    return build(held_out, probes, claims_, settings)


def build(
    held_out: Mapping[str, pl.DataFrame], probes: pl.LazyFrame, training_inputs: pl.LazyFrame, settings: Settings
) -> pl.DataFrame:
    """At most `filter.assess_rows` prompts (`questions.COLUMNS` and `OF_CLAIMS`), as many of each source as there are.

    `held_out` are the rows of each source's held-out split (`schemas.raw`), `probes` has `split` and `input`. Claims
    are worded and prompts are written like those of training. Raises `SycoError` where no row is left.
    """
    worded = settings.claims.model_copy(update={"compat": "none", "other_share": 0.5})
    pool = claims.build(held_out, worded, settings.seed).kept.with_columns(key=leak_key(pl.col("input")))
    reported = probes.filter((pl.col("split") == "reported") & pl.col("input").is_not_null())
    used = pl.concat([frame.select(key=leak_key(pl.col("input"))) for frame in (reported, training_inputs)])
    free = pool.join(used.unique().collect(), on="key", how="anti").drop("key").sort("claim_id")
    if free.is_empty():
        raise SycoError(
            "no held-out row is left for choosing how to ask: all are reported probes or training inputs",
            "Lower probes.held_out.items, or name filter.ask and filter.calibrate yourself",
        )
    rows = min(settings.filter.assess_rows, len(free))
    drawing = settings.prompts.model_copy(update={"rows": rows, "sampling": "balanced", "cap": None})
    prompts_built = pl.concat(prompts.build(free, drawing, settings.seed).chunks())
    return prompts_built.join(free.select("claim_id", *OF_CLAIMS), on="claim_id", how="left").select(
        *COLUMNS, *OF_CLAIMS
    )
