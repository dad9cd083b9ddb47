import re

import pytest

from syco_data.acquire import layouts
from syco_data.errors import SycoError
from syco_data.sources import SOURCES

SST2, QQP, SNLI = SOURCES["sst2"], SOURCES["qqp"], SOURCES["snli"]


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        (SST2, ["default/train.parquet"]),
        (SST2, ["train.parquet"]),
        (SST2, ["data/train-00000-of-00001.parquet"]),
        (SST2, ["data/train-00000-of-00001-ba4cb2d9a5d4e1c8.parquet"]),
        (SST2, ["default/train/0000.parquet"]),
        (SNLI, ["plain_text/train-00000-of-00001.parquet"]),
        (QQP, ["qqp/train.parquet"]),
        (QQP, ["qqp/train-00000-of-00002.parquet", "qqp/train-00001-of-00002.parquet"]),
        (QQP, ["qqp/train/0000.parquet", "qqp/train/0001.parquet", "qqp/train/0002.parquet"]),
        (QQP, ["data/qqp/train.parquet"]),
    ],
)
def test_every_layout_of_the_hub_is_found_among_other_files(source, paths):
    others = [
        "README.md", ".gitattributes", "mnli/train.txt", "qqp/test-00000-of-00001.parquet", "qqp/train_extra.parquet",
        ".cache/huggingface/download/qqp/train.parquet", ".cache/huggingface/download/default/train.parquet.metadata",
    ]  # fmt: skip
    assert layouts.data_files([*reversed(paths), *others], source, "train") == tuple(paths)


def test_another_configs_files_are_not_taken():
    paths = ["mrpc/train.parquet", "qqp/train.parquet", "qqp_old/train.parquet"]
    assert layouts.data_files(paths, QQP, "train") == ("qqp/train.parquet",)


def test_a_folder_named_default_wins_over_others():
    paths = ["default/train.parquet", "backup/train.parquet"]
    assert layouts.data_files(paths, SST2, "train") == ("default/train.parquet",)


@pytest.mark.parametrize(
    ("source", "paths", "message"),
    [
        (QQP, [], "no Parquet file of split 'train' .found: none; expected: qqp/train.parquet"),
        (QQP, ["mrpc/train.parquet"], "no Parquet file of split 'train' .found: mrpc/train.parquet"),
        (QQP, ["qqp/train-00001-of-00002.parquet"], "incomplete: shard 0 is missing"),
        (QQP, ["qqp/train-00000-of-00002.parquet"], "incomplete: shard 1 is missing"),
        (QQP, ["qqp/train/0000.parquet", "qqp/train/0002.parquet"], "incomplete: shard 1 is missing"),
        (QQP, ["qqp/train.parquet", "qqp/train-00000-of-00001.parquet"], "two versions of split 'train'"),
        (QQP, ["qqp/train-00000-of-00001.parquet", "qqp/train-00000-of-00002.parquet"], "two versions"),
        (QQP, ["qqp/train-00000-of-00001-aa.parquet", "qqp/train-00000-of-00001-bb.parquet"], "more files than shards"),
        (QQP, ["qqp/train-00007-of-00001.parquet"], "incomplete: shard 0 is missing"),
        (QQP, ["qqp/train-00000-of-00000.parquet"], "more files than shards .* expected: 0 shards"),
        (SST2, ["a/train.parquet", "b/train.parquet"], "split 'train' in 2 folders .found: a, b"),
        (QQP, ["../qqp/train.parquet"], "no Parquet file"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_command_that_shows_more(source, paths, message):
    with pytest.raises(SycoError, match=message) as caught:
        layouts.data_files(paths, source, "train")
    assert f"python -m syco_data sources check {source.key}" in str(caught.value)
    assert re.match(f"source '{source.key}': ", str(caught.value))
