"""The pipeline in columns against its retelling one row at a time (benchmarks/rowwise.py): the same two tables."""

import polars as pl
import pytest

from benchmarks import pipeline, rowwise
from syco_data import draws
from syco_data.prompts import templates

SHARE = 0.001  # of the published pool: some 1,700 rows of all sources


ALL = ("professor", *(name for name in templates.names() if not templates.load(name).held_out and name != "professor"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    assert pipeline._scale_up(folder, SHARE) > 1_700
    return folder


def made(kind, folder, target, chosen):
    """Runs one contender; what it returns is the digests of its tables."""
    (folder / target).mkdir()
    return {"ours": pipeline._ours, "rows": rowwise.run, "prepare": pipeline._prepare, "floor": pipeline._floor}[kind](
        folder, folder / target, chosen
    )


def test_one_row_at_a_time_gives_the_same_tables(folder):
    settings = pipeline.one_template()
    settings = settings.model_copy(update={"prompts": settings.prompts.model_copy(update={"templates": ALL})})
    assert made("ours", folder, "all", settings) == made("rows", folder, "rows", settings)
    for table in ("claims", "dropped", "prompts"):
        ours, rows = (pl.read_parquet(folder / target / f"{table}.parquet") for target in ("all", "rows"))
        assert len(ours) and ours.equals(rows)
    assert set(ours["template"]) == set(ALL)


def test_the_floor_writes_the_very_same_strings(folder):
    for kind in ("ours", "prepare", "floor"):
        made(kind, folder, kind, pipeline.one_template())
    assert pipeline._strings(folder / "ours") == pipeline._strings(folder / "floor")
    prompts = pl.read_parquet(folder / "floor" / "prompts.parquet")
    prompts[1:].write_parquet(folder / "floor" / "prompts.parquet")
    assert pipeline._strings(folder / "ours") != pipeline._strings(folder / "floor")


def test_streams_of_one_id_are_those_of_the_column():
    ids = [draws.content_id(str(index)) for index in range(20)]
    streams = draws.draw_by_id(pl.Series(ids), 7, "any").streams
    assert [rowwise.streams(one, 7, "any", draws.STREAMS) for one in ids] == streams.tolist()
