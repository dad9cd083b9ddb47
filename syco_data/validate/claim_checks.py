"""What a claim states follows from its parts, and every row of a source is a claim or was dropped for a reason."""

from collections.abc import Mapping

import polars as pl

from syco_data.claims import wording
from syco_data.settings import Settings
from syco_data.sources import SOURCES, Source
from syco_data.validate.check import Check, nothing_lost, row_check

ROW_ID = pl.concat_str("source", pl.col("row").cast(pl.String), separator="/")


def of_claims(claims: pl.LazyFrame, settings: Settings) -> list[Check]:
    """What a claim states follows from its parts."""
    published = settings.claims.compat == "published" or settings.claims.double_negatives == "published"
    index = pl.col("source").replace_strict(
        list(SOURCES), list(range(len(SOURCES))), return_dtype=pl.Int64, default=None
    )
    words = wording.label_words(wording.label_code(index, pl.col("label")), pl.col("polarity"), published)
    counts = {key: len(source.labels) for key, source in SOURCES.items()}
    last = pl.col("source").replace_strict(counts, default=0, return_dtype=pl.Int64) - 1
    exists = pl.col("label").is_between(0, last) & pl.col("gold_label").is_between(0, last)
    is_gold = pl.col("label") == pl.col("gold_label")
    kind = pl.when(is_gold).then(pl.lit("gold")).otherwise(pl.lit("other"))
    return [
        row_check("label_exists", "claims", "a claim's labels are labels of its source", claims, "claim_id", exists),
        row_check("label_kind", "claims", "a claim is gold when its label is the row's own, else other",
                  claims, "claim_id", pl.col("label_kind") == kind),
        row_check("truth", "claims", "a claim is true when it says `is` of the row's own label or `is not` of another",
                  claims, "claim_id", pl.col("truth") == (is_gold == (pl.col("polarity") == "is"))),
        row_check("claim_wording", "claims", "a claim is its input, its polarity and the wording of its label, joined",
                  claims.filter(exists), "claim_id",
                  pl.col("claim") == wording.sentence(pl.col("input"), pl.col("polarity"), words)),
    ]  # fmt: skip


def of_source_rows(
    claims: pl.LazyFrame, dropped: pl.LazyFrame, raw: Mapping[str, pl.LazyFrame], settings: Settings
) -> list[Check]:
    """Every source row is a claim or was dropped, no row is both, and a claim has its row's text and label."""
    published = settings.claims.compat == "published"
    identified = [frame.with_columns(id=ROW_ID) for frame in (claims, dropped)]
    own = claims.select("claim_id", "source", "row", "gold_label", input=pl.col("input").hash())
    if raw:
        made_of = pl.concat([row_contents(SOURCES[key], frame, published) for key, frame in raw.items()])
        own = own.join(made_of, on=["source", "row"], how="inner")
    else:
        own = own.clear().with_columns(row_label="gold_label", row_input="input")
    kept = claims.select(kept_source="source", kept_row="row", kept=pl.lit(True))
    duplicates = dropped.join(kept, on=["kept_source", "kept_row"], how="left").with_columns(id=ROW_ID)
    names_kept = pl.when(pl.col("reason") == "duplicate").then("kept").otherwise(pl.col("kept_source").is_null())
    return [
        nothing_lost("claims", "id", row_ids(raw), *identified),
        row_check("gold_label", "claims", "a claim's own label is that of its source row",
                  own, "claim_id", pl.col("gold_label") == pl.col("row_label")),
        row_check("input_of_row", "claims", "a claim's input is its source row's texts, cleaned and joined",
                  own, "claim_id", pl.col("input") == pl.col("row_input")),
        row_check("kept_row", "claims/dropped", "a duplicate names the row of the claim that stayed, and no other row "
                  "does", duplicates, "id", names_kept),
    ]  # fmt: skip


def row_contents(source: Source, rows: pl.LazyFrame, published: bool) -> pl.LazyFrame:
    """What a claim of each row must hold: `source`, `row`, `row_label`, and `row_input`, the hash of the input."""
    cleaned = [
        wording.clean(pl.col(name), published=True)
        if published
        else pl.col(name).map_batches(wording.cleaned, return_dtype=pl.String, is_elementwise=True)
        for name in source.text_columns
    ]
    label = pl.col("label").cast(pl.Int64)
    if published:
        label = pl.when(label < 0).then(len(source.labels) - 1).otherwise(label)
    return rows.select("row", source=pl.lit(source.key), row_label=label, row_input=wording.join(cleaned).hash())


def row_ids(rows: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """`id` (source and row) of the rows of every source."""
    ids = [frame.select(id=pl.concat_str(pl.lit(f"{key}/"), "row")) for key, frame in rows.items()]
    return pl.concat([pl.LazyFrame(schema={"id": pl.String}), *ids])
