"""Hub-like repositories made of synthetic rows, in every layout that upstream uses, and broken on request."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from syco_data.reference import sources as synthetic
from syco_data.settings import load
from syco_data.sources import SOURCES, Source

ROWS = {"train": 40, "held_out": 10}
NOISE = load(Path(__file__).resolve().parents[2] / "params.yaml").acquire.noise


def names_of(source: Source) -> list[str]:
    return [label.upstream[0] for label in source.labels]


def upstream_rows(source: Source, split: str, count: int) -> pl.DataFrame:
    """Rows as upstream keeps them: an index column of no interest, the label under upstream's own name."""
    rows = synthetic.rows(source, split, count, 7, NOISE).rename({"label": source.label_column})
    return rows.select(pl.col("row").cast(pl.Int32).alias("idx"), *source.text_columns, source.label_column)


def with_names(table: pa.Table, source: Source, names: list[str] | None) -> pa.Table:
    """The table with the `huggingface` schema metadata that the Hub writes; None: without any."""
    features = {name: {"dtype": "string", "_type": "Value"} for name in source.text_columns}
    features[source.label_column] = {"names": names, "_type": "ClassLabel"}
    metadata = None if names is None else {"huggingface": json.dumps({"info": {"features": features}})}
    return table.replace_schema_metadata(metadata)


def split_table(source: Source, split: str, count: int, names: list[str] | None) -> pa.Table:
    return with_names(upstream_rows(source, split, count).to_arrow(), source, names)


def save(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def splits(source: Source) -> dict[str, int]:
    return {source.train: ROWS["train"], source.held_out: ROWS["held_out"]}


def repository(folder: Path, source: Source, pattern: str, named: bool = True) -> Path:
    """A repository's folder; `pattern` has {config} and {split}, and {index} and {count} for shards."""
    for split, count in splits(source).items():
        table = split_table(source, split, count, names_of(source) if named else None)
        shards = 2 if "{index" in pattern else 1
        size = -(-len(table) // shards)
        for index in range(shards):
            name = pattern.format(config=source.config, split=split, index=index, count=shards)
            save(folder / name, table.slice(index * size, size))
    return folder


def root_with(tmp_path: Path, source: Source, pattern: str = "{config}/{split}.parquet", named: bool = True) -> Path:
    """A folder of sources that holds one source."""
    repository(tmp_path / "sources" / source.hub_id.replace("/", "__"), source, pattern, named)
    return tmp_path / "sources"


def card(source: Source, names: list[str], several: bool = False) -> str:
    """A README.md with `dataset_info:` as the Hub writes it."""
    feature = {"class_label": {"names": {str(number): name for number, name in enumerate(names)}}}
    features = [{"name": name, "dtype": "string"} for name in source.text_columns]
    info = {"config_name": source.config, "features": [*features, {"name": source.label_column, "dtype": feature}]}
    other = {"config_name": "another", "features": [{"name": source.label_column, "dtype": "int64"}]}
    head = {"license": "other", "dataset_info": [other, info] if several else info}
    return f"---\n{yaml.safe_dump(head)}---\n# {source.hub_id}\n"


def elsewhere(key: str, owner: str) -> Source:
    """A source's record, its repository moved to another owner."""
    return replace(SOURCES[key], hub_id=f"{owner}/{SOURCES[key].hub_id.split('/')[1]}")
