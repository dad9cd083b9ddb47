"""From source rows to claims: cleaning, ids, duplicates and conflicts, label kind, polarity, truth.

`compat: published` follows the published generator rule for rule: rows without a label get the source's last
one, the last row and then the last source win an input, quotes and newlines go without a blank in their place,
every claim carries its gold label, double negatives stay. One thing is not reproduced: the published code cuts
MNLI to an unseeded random 80% of its training split; here all of it is used.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from syco_data import draws
from syco_data.claims import wording
from syco_data.schemas import CLAIMS, DROPPED_ROWS, POLARITIES
from syco_data.settings import Claims
from syco_data.sources import SOURCES, Source

STREAM_KIND, STREAM_POLARITY, STREAM_OTHER = 0, 1, 2
_KEYS = list(SOURCES)
_LABEL_COUNTS = pl.Series([len(source.labels) for source in SOURCES.values()], dtype=pl.Int64)


@dataclass(frozen=True)
class Built:
    """`kept` as `schemas.CLAIMS`, `dropped` as `schemas.DROPPED_ROWS`; together they hold every source row."""

    kept: pl.DataFrame
    dropped: pl.DataFrame


def build(raw: Mapping[str, pl.DataFrame], settings: Claims, seed: int) -> Built:
    """One claim per input; `raw` maps a source key to its rows (`schemas.raw`) of one split."""
    rows = _identified(raw, settings)
    judged = _published_pool(rows) if settings.compat == "published" else _judge(rows, settings)
    names = pl.Series(_KEYS, dtype=pl.String)
    dropped = judged.filter(pl.col("reason").is_not_null()).select(
        source=pl.lit(names).gather(pl.col("source_index")),
        row="row",
        reason="reason",
        kept_source=pl.lit(names).gather(pl.col("kept_index")),
        kept_row="kept_row",
    )
    kept = judged.filter(pl.col("reason").is_null())
    return Built(_claims(kept, settings, seed), dropped.select(DROPPED_ROWS.names))


def _identified(raw: Mapping[str, pl.DataFrame], settings: Claims) -> pl.DataFrame:
    """The inputs of all sources in order with `claim_id`, two sources at a time."""

    def identified(key: str) -> pl.DataFrame:
        cleaned = inputs(SOURCES[key], raw[key], settings)
        return cleaned.with_columns(claim_id=draws.content_ids(pl.lit(key), "input"))

    with ThreadPoolExecutor(max_workers=2) as threads:
        return pl.concat(threads.map(identified, [key for key in _KEYS if key in raw]))


def inputs(source: Source, rows: pl.DataFrame, settings: Claims) -> pl.DataFrame:
    """Cleaned inputs of one source by row: `source_index`, `row`, `input`, `gold_label`, `empty`."""
    published = settings.compat == "published"
    ordered = rows.sort("row")
    cleaned = ordered.with_columns(
        wording.clean(pl.col(name), published=True) if published else wording.cleaned(ordered[name])
        for name in source.text_columns
    )
    fields = [pl.col(name) for name in source.text_columns]
    label = pl.col("label")
    if published:
        label = pl.when(label < 0).then(len(source.labels) - 1).otherwise(label)
    return cleaned.select(
        source_index=pl.lit(_KEYS.index(source.key), dtype=pl.UInt32),
        row="row",
        input=wording.join(fields),
        gold_label=label.cast(pl.Int64),
        empty=pl.any_horizontal(field == "" for field in fields),
    )


def _judge(rows: pl.DataFrame, settings: Claims) -> pl.DataFrame:
    """Adds `reason` (null when kept) and, for duplicates, which row was kept instead."""
    rows = rows.with_row_index("order")
    alone = (
        pl.when(pl.col("gold_label") < 0)
        .then(pl.lit("unlabelled"))
        .when("empty")
        .then(pl.lit("empty"))
        .when(pl.col("input").str.len_chars() > settings.max_characters)
        .then(pl.lit("too_long"))
    )
    rows = rows.with_columns(reason=alone)
    repeated = rows.filter(pl.col("reason").is_null()).filter(pl.col("input").is_duplicated())
    return _merge(rows, _judge_repeated(repeated, settings))


def _judge_repeated(repeated: pl.DataFrame, settings: Claims) -> pl.DataFrame:
    """`order`, `group_reason`, `kept_order` of rows whose input occurs more than once.

    Labels are compared by their wording, so that two sources with one label space agree or conflict.
    """
    code = wording.label_code(pl.col("source_index"), pl.col("gold_label"))
    grouped = repeated.with_columns(words=wording.label_words(code, pl.lit("is"))).with_columns(
        first=pl.col("order").min().over("input"),
        wordings=pl.col("words").n_unique().over("input"),
        first_words=pl.col("words").sort_by("order").first().over("input"),
    )
    is_first = pl.col("order") == pl.col("first")
    if settings.conflicts == "drop":
        conflict, survives = pl.col("wordings") > 1, is_first & (pl.col("wordings") == 1)
    else:
        conflict, survives = pl.col("words") != pl.col("first_words"), is_first
    reason = pl.when(survives).then(None).when(conflict).then(pl.lit("conflict")).otherwise(pl.lit("duplicate"))
    return grouped.select("order", group_reason=reason, kept_order=pl.when(reason == "duplicate").then(pl.col("first")))


def _published_pool(rows: pl.DataFrame) -> pl.DataFrame:
    """The published merge: of all rows with one input the last of the last source is kept."""
    rows = rows.with_row_index("order").with_columns(reason=pl.lit(None, pl.String))
    repeated = rows.filter(pl.col("input").is_duplicated()).with_columns(last=pl.col("order").max().over("input"))
    duplicate = pl.when(pl.col("order") != pl.col("last")).then(pl.lit("duplicate"))
    kept_order = pl.when(duplicate.is_not_null()).then(pl.col("last"))
    return _merge(rows, repeated.select("order", group_reason=duplicate, kept_order=kept_order))


def _merge(rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    kept = rows.select(kept_order="order", kept_index="source_index", kept_row="row")
    judged = judged.join(kept, on="kept_order", how="left", maintain_order="left").drop("kept_order")
    rows = rows.join(judged, on="order", how="left", maintain_order="left")
    return rows.with_columns(reason=pl.coalesce("reason", "group_reason"))


def _claims(kept: pl.DataFrame, settings: Claims, seed: int) -> pl.DataFrame:
    """Draws and sentences of the inputs that stay."""
    source = pl.lit(pl.Series(_KEYS, dtype=pl.String)).gather(pl.col("source_index"))
    kept = kept.select("claim_id", "source_index", "row", "input", "gold_label", source=source)
    chance = draws.draw_by_id(kept["claim_id"], seed, "claims", STREAM_OTHER + 1)
    other_share = 0.0 if settings.compat == "published" else settings.other_share
    others = pl.lit(_LABEL_COUNTS).gather(pl.col("source_index")) - 1
    # Uniform over the labels that are not gold: the draw skips the gold one.
    step = (pl.lit(pl.Series(chance.fraction(STREAM_OTHER))) * others).cast(pl.Int64)
    other = step + (step >= pl.col("gold_label")).cast(pl.Int64)
    kept = kept.with_columns(
        label_kind=pl.Series(chance.fraction(STREAM_KIND) < other_share).replace_strict(
            [True, False], ["other", "gold"], return_dtype=pl.String
        ),
        polarity=chance.choice(STREAM_POLARITY, POLARITIES),
    ).with_columns(label=pl.when(pl.col("label_kind") == "gold").then(pl.col("gold_label")).otherwise(other))
    return _word(kept, settings).select(CLAIMS.names)


def _word(kept: pl.DataFrame, settings: Claims) -> pl.DataFrame:
    published = settings.compat == "published" or settings.double_negatives == "published"
    code = wording.label_code(pl.col("source_index"), pl.col("label"))
    words = wording.label_words(code, pl.col("polarity"), published)
    return kept.with_columns(
        truth=(pl.col("label_kind") == "gold") == (pl.col("polarity") == "is"),
        claim=wording.sentence(pl.col("input"), pl.col("polarity"), words),
    )
