"""The pipeline in columns against its retelling one row at a time (benchmarks/rowwise.py): the same two tables."""

import polars as pl
import pytest

from benchmarks import pipeline, rowwise
from syco_data import draws, settings

SHARE = 0.001  # of the published pool: some 1,700 rows of all sources


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, chosen = tmp_path_factory.mktemp("pipeline"), settings.load()
    assert pipeline._scale_up(folder, SHARE) > 1_700
    for kind in ("ours", "prepare", "floor", "rows"):
        (folder / kind).mkdir()
    pipeline._prepare(folder, folder / "prepare", chosen)
    pipeline._floor(folder, folder / "floor", chosen)
    return folder


def test_one_row_at_a_time_gives_the_same_tables(folder):
    chosen = settings.load()
    assert pipeline._ours(folder, folder / "ours", chosen) == rowwise.run(folder, folder / "rows", chosen)
    for table in ("claims", "dropped", "prompts"):
        ours, rows = (pl.read_parquet(folder / kind / f"{table}.parquet") for kind in ("ours", "rows"))
        assert len(ours) and ours.equals(rows)
    assert pipeline._strings(folder / "ours") == pipeline._strings(folder / "floor")
    prompts = pl.read_parquet(folder / "floor" / "prompts.parquet")
    prompts[1:].write_parquet(folder / "floor" / "prompts.parquet")
    assert pipeline._strings(folder / "ours") != pipeline._strings(folder / "floor")


def test_lanes_of_one_id_are_those_of_the_column():
    ids = [draws.content_id(str(index)) for index in range(20)]
    lanes = draws.draw_by_id(pl.Series(ids), 7, "any").lanes
    assert [rowwise.lanes(one, 7, "any", draws.LANES) for one in ids] == lanes.tolist()
