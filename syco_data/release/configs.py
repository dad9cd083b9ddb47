"""The rows of every config of a release, put together from the tables of a build, in key order.

Long tables come in chunks, so that memory stays bounded; every function says which schema its rows have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from syco_data import draws, schemas, select, tables
from syco_data.build import Tables
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_DROPPED, RELEASED_PROBES, RELEASED_TRAIN
from syco_data.release.tables import Place, with_text_id
from syco_data.schemas import Schema
from syco_data.settings import Answers, Arm
from syco_data.tables import ROWS_PER_GROUP

CANDIDATES, PROBES, DROPPED = Place("candidates", "train"), Place("probes", "test"), Place("dropped", "train")


@dataclass(frozen=True)
class ReleaseTable:
    """One table of a release, not yet read: its place, its schema and its rows."""

    place: Place
    schema: Schema
    chunks: Iterator[pl.DataFrame]


def parts(build: Tables, arms: Mapping[str, Arm]) -> Iterator[ReleaseTable]:
    """Every table of a release; empty held-out splits are left out."""
    for (model, arm), path in build.train.items():
        config = f"{model}-{arm}"
        yield ReleaseTable(Place(config, "train"), RELEASED_TRAIN, train(path, build.prompts, arms[arm].answers))
        beside = held_out(build.probes)
        if len(beside):
            yield ReleaseTable(Place(config, "held_out"), RELEASED_TRAIN, iter([beside]))
    yield ReleaseTable(CANDIDATES, RELEASED_CANDIDATES, candidates(build.prompts, build.claims))
    for model, path in build.verdicts.items():
        yield ReleaseTable(Place(f"verdicts-{model}", "train"), schemas.VERDICTS, chunks(path, schemas.VERDICTS))
    yield ReleaseTable(PROBES, RELEASED_PROBES, probes(build.probes))
    yield ReleaseTable(DROPPED, RELEASED_DROPPED, iter([dropped(build)]))


def chunks(path: Path, schema: Schema) -> Iterator[pl.DataFrame]:
    """A table's rows in the file's order, so many at a time."""
    tables.scan(path, schema)
    with pq.ParquetFile(path.absolute()) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=schema.names):
            yield tables.conform(pl.DataFrame(batch), schema)


def candidates(prompts: Path, claims: Path) -> Iterator[pl.DataFrame]:
    """`RELEASED_CANDIDATES`: every prompt with what its claim was made of."""
    used = tables.scan(prompts, schemas.PROMPTS).select("claim_id")
    parts = tables.scan(claims, schemas.CLAIMS).select("claim_id", "row", "gold_label", "label", "claim")
    made_of = parts.join(used, on="claim_id", how="semi").collect()
    for chunk in chunks(prompts, schemas.PROMPTS):
        joined = chunk.join(made_of, on="claim_id", how="left", maintain_order="left", validate="1:1")
        yield with_text_id(joined, RELEASED_CANDIDATES).select(RELEASED_CANDIDATES.names)


def train(path: Path, prompts: Path, answers: Answers) -> Iterator[pl.DataFrame]:
    """`RELEASED_TRAIN`: an arm's rows with the draws behind them."""
    names = [name for name in RELEASED_TRAIN.names if name in schemas.PROMPTS.columns and name != "prompt"]
    rows = tables.scan(path, schemas.TRAIN).select("prompt_id")
    texts = select.asked(tables.scan(prompts, schemas.PROMPTS).select(*names, "answer"), answers).select(names)
    texts = texts.join(rows, on="prompt_id", how="semi").collect()
    for chunk in chunks(path, schemas.TRAIN):
        joined = chunk.drop("source").join(texts, on="prompt_id", how="left", maintain_order="left", validate="1:1")
        yield with_text_id(joined, RELEASED_TRAIN).select(RELEASED_TRAIN.names)


def held_out(path: Path) -> pl.DataFrame:
    """`RELEASED_TRAIN`: held-out claims as training prompts would ask them (an opinion, a seen template)."""
    as_training = (
        (pl.col("probe") == "held_out")
        & pl.col("opinion").is_in(["agree", "disagree"])
        & pl.col("seen_template")
        & (pl.col("instruction") == "none")
    )
    rows = tables.scan(path, schemas.PROBES).filter(as_training).collect()
    rows = rows.with_columns(prompt_id="probe_id", claim_id="item", completion="right").sort("prompt_id")
    return with_text_id(rows, RELEASED_TRAIN).select(RELEASED_TRAIN.names)


def probes(path: Path) -> Iterator[pl.DataFrame]:
    """`RELEASED_PROBES`."""
    for chunk in chunks(path, schemas.PROBES):
        yield with_text_id(chunk, RELEASED_PROBES)


def dropped(build: Tables) -> pl.DataFrame:
    """`RELEASED_DROPPED`: every row, claim and prompt that the build left out, with its reason."""
    frames = [
        _tagged(tables.read(one.path, one.schema), one.drops, one.model, one.arm)
        for one in build.entries()
        if one.drops
    ]
    rows = pl.concat(frames, how="diagonal")
    identity = ("stage", "model", "arm", "source", "row", "claim_id", "prompt_id")
    ids = draws.content_ids(*(pl.col(name).cast(pl.String).fill_null("") for name in identity))
    return rows.with_columns(dropped_id=ids).sort("dropped_id").select(RELEASED_DROPPED.names)


def _tagged(df: pl.DataFrame, stage: str, model: str | None, arm: str | None) -> pl.DataFrame:
    columns = RELEASED_DROPPED.columns
    tags = {"stage": stage, "model": model, "arm": arm}
    df = df.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in tags.items())
    missing = [name for name in columns if name not in df.columns and name != "dropped_id"]
    return df.with_columns(pl.lit(None, dtype=columns[name]).alias(name) for name in missing)
