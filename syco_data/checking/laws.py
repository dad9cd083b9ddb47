"""Statements about whole tables, each as the rows that break it. Pure: lazy tables in, lazy offenders out.

A law that nothing breaks yields no row. Laws read as few columns as they can, so that long tables are checked in
bounded memory. Statistical statements are in `independence`, statements about single columns in `columns`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from syco_data import wording
from syco_data.checking import laws_of_models, laws_of_probes, laws_of_prompts
from syco_data.checking.lawbook import Law, law, partition
from syco_data.settings import Settings
from syco_data.sources import SOURCES, Source
from syco_data.templates import Template


@dataclass(frozen=True)
class Subject:
    """Every table of a build, lazy; `raw` holds `row`, `label` and the texts of the training splits by source.

    `verdicts` by model, `train` and `dropped_prompts` by (model, arm); `sources` are those that take part.
    """

    raw: Mapping[str, pl.LazyFrame]
    claims: pl.LazyFrame
    dropped_rows: pl.LazyFrame
    prompts: pl.LazyFrame
    not_sampled: pl.LazyFrame
    probes: pl.LazyFrame
    verdicts: Mapping[str, pl.LazyFrame]
    train: Mapping[tuple[str, str], pl.LazyFrame]
    dropped_prompts: Mapping[tuple[str, str], pl.LazyFrame]


def every(build: Subject, settings: Settings, forms: Mapping[str, Template]) -> list[Law]:
    """Every law of a build; `forms` are the templates of the prompts by name."""
    found = [
        *of_claims(build.claims, settings),
        *of_raw(build, settings),
        *laws_of_prompts.of_texts(build.prompts, forms),
    ]
    found += [*laws_of_prompts.of_claims_asked(build.prompts, build.claims), *of_sampling(build)]
    found += laws_of_probes.of_training(build.probes, build.claims, build.prompts)
    found += [*laws_of_probes.of_answers("probes", build.probes), *laws_of_probes.of_families(build.probes, settings)]
    for model, verdicts in build.verdicts.items():
        found += laws_of_models.of_verdicts(f"verdicts/{model}", verdicts, build.prompts)
    for (model, arm), train in build.train.items():
        table = f"train/{model}/{arm}"
        found += laws_of_models.of_training(table, train, build.prompts)
        found += laws_of_models.of_arm(
            table, train, build.prompts, build.claims, build.verdicts[model], settings.arms[arm]
        )
        found.append(partition(f"{table}", "prompt_id", build.prompts, train, build.dropped_prompts[model, arm]))
    return found


def of_claims(claims: pl.LazyFrame, settings: Settings) -> list[Law]:
    """What a claim says follows from its parts."""
    published = settings.claims.compat == "published" or settings.claims.double_negatives == "published"
    index = pl.col("source").replace_strict(
        list(SOURCES), list(range(len(SOURCES))), return_dtype=pl.Int64, default=None
    )
    words = wording.label_words(wording.label_code(index, pl.col("label")), pl.col("polarity"), published)
    sentence = wording.sentence(pl.col("input"), pl.col("polarity"), words)
    counts = {key: len(source.labels) for key, source in SOURCES.items()}
    count = pl.col("source").replace_strict(counts, default=0, return_dtype=pl.Int64)
    kind = pl.when(pl.col("label") == pl.col("gold_label")).then(pl.lit("gold")).otherwise(pl.lit("other"))
    truth = (pl.col("label") == pl.col("gold_label")) == (pl.col("polarity") == "is")
    laws = {
        "label_exists": ("a claim's labels are labels of its source",
                         pl.col("label").is_between(0, count - 1) & pl.col("gold_label").is_between(0, count - 1)),
        "label_kind": ("a claim is gold when its label is the row's own, else other", pl.col("label_kind") == kind),
        "truth": ("a claim is true when it says `is` of the row's own label or `is not` of another one",
                  pl.col("truth") == truth),
    }  # fmt: skip
    found = [law(name, "claims", says, claims, "claim_id", holds) for name, (says, holds) in laws.items()]
    existing = claims.filter(laws["label_exists"][1])
    says = "a claim is its input, its polarity and the wording of its label, joined"
    return [*found, law("claim_wording", "claims", says, existing, "claim_id", pl.col("claim") == sentence)]


def of_raw(build: Subject, settings: Settings) -> list[Law]:
    """Every source row is a claim or was dropped, no row is both, and a claim has its row's text and label."""
    places = [
        frame.select(id=pl.concat_str(pl.lit(f"{key}/"), "row"), source=pl.lit(key)) for key, frame in build.raw.items()
    ]
    whole = pl.concat(places) if places else pl.LazyFrame(schema={"id": pl.String, "source": pl.String})
    identified = [frame.with_columns(id=_place()) for frame in (build.claims, build.dropped_rows)]
    said = [_said(SOURCES[key], frame, settings) for key, frame in build.raw.items()]
    place = ["source", "row"]
    claims = build.claims.select("claim_id", *place, "gold_label", input=pl.col("input").hash())
    found = claims.join(pl.concat(said), on=place, how="inner") if said else claims.clear()
    kept = build.claims.select(kept_source="source", kept_row="row", kept=pl.lit(True))
    dropped = build.dropped_rows.join(kept, on=["kept_source", "kept_row"], how="left").with_columns(id=_place())
    repeated = pl.col("reason") == "duplicate"
    return [
        partition("claims", "id", whole, *identified),
        law("gold_label", "claims", "a claim's own label is that of its source row", found, "claim_id",
            pl.col("gold_label") == pl.col("row_label")),
        law("input_of_row", "claims", "a claim's input is its source row's texts, cleaned and joined",
            found, "claim_id", pl.col("input") == pl.col("row_input")),
        law("kept_row", "claims/dropped", "a duplicate names the row of the claim that stayed, and no other row does",
            dropped, "id", pl.when(repeated).then("kept").otherwise(pl.col("kept_source").is_null())),
    ]  # fmt: skip


def _said(source: Source, rows: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """What a claim of each row must hold: `source`, `row`, `row_label`, and `row_input`, the hash of the input."""
    published = settings.claims.compat == "published"
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


def _place() -> pl.Expr:
    return pl.concat_str("source", pl.col("row").cast(pl.String), separator="/")


def of_sampling(build: Subject) -> list[Law]:
    """Every claim is asked once or was not sampled."""
    return [partition("prompts", "claim_id", build.claims, build.prompts, build.not_sampled)]
