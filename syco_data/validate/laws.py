"""Statements about whole tables, each as the rows that break it. Pure: lazy tables in, lazy offenders out.

A law that nothing breaks yields no row. Laws read as few columns as they can, so that long tables are checked in
bounded memory. Statistical statements are in `independence`, statements about single columns in `columns`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from syco_data.claims import wording
from syco_data.prompts.templates import Template
from syco_data.settings import Settings
from syco_data.sources import SOURCES, Source
from syco_data.validate import laws_of_models, laws_of_probes, laws_of_prompts, numbers
from syco_data.validate.lawbook import Law, law, partition


@dataclass(frozen=True)
class Subject:
    """Every table of a build, lazy; `raw` and `held_out` hold `row`, `label` and the texts of a split by source.

    `verdicts` by model, `train` and `dropped_prompts` by (model, arm); `sources` are those that take part.
    """

    raw: Mapping[str, pl.LazyFrame]
    held_out: Mapping[str, pl.LazyFrame]
    claims: pl.LazyFrame
    dropped_rows: pl.LazyFrame
    prompts: pl.LazyFrame
    not_sampled: pl.LazyFrame
    probes: pl.LazyFrame
    unused_probes: pl.LazyFrame
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
    found.append(numbers.of_prompts("prompts", build.prompts, settings.prompts.rows))
    found += laws_of_probes.of_training(build.probes, build.claims, build.prompts)
    found += [*laws_of_probes.of_answers("probes", build.probes), *laws_of_probes.of_families(build.probes, settings)]
    found += of_held_out(build)
    for model, verdicts in build.verdicts.items():
        found += laws_of_models.of_verdicts(f"verdicts/{model}", verdicts, build.prompts)
    rows = {model: _training_rows(build, settings, model) for model in build.verdicts}
    for (model, arm), train in build.train.items():
        table = f"train/{model}/{arm}"
        found += laws_of_models.of_training(table, train, build.prompts)
        found += laws_of_models.of_arm(
            table, train, build.prompts, build.claims, build.verdicts[model], settings.arms[arm]
        )
        found.append(partition(table, "prompt_id", build.prompts, train, build.dropped_prompts[model, arm]))
        found.append(numbers.of_training(table, train, rows[model]))
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
    identified = [frame.with_columns(id=_place()) for frame in (build.claims, build.dropped_rows)]
    published = settings.claims.compat == "published"
    said = [_said(SOURCES[key], frame, published) for key, frame in build.raw.items()]
    place = ["source", "row"]
    claims = build.claims.select("claim_id", *place, "gold_label", input=pl.col("input").hash())
    found = claims.join(pl.concat(said), on=place, how="inner") if said else claims.clear()
    kept = build.claims.select(kept_source="source", kept_row="row", kept=pl.lit(True))
    dropped = build.dropped_rows.join(kept, on=["kept_source", "kept_row"], how="left").with_columns(id=_place())
    repeated = pl.col("reason") == "duplicate"
    return [
        _once(partition("claims", "id", _places(build.raw), *identified), build.raw),
        law("gold_label", "claims", "a claim's own label is that of its source row", found, "claim_id",
            pl.col("gold_label") == pl.col("row_label")),
        law("input_of_row", "claims", "a claim's input is its source row's texts, cleaned and joined",
            found, "claim_id", pl.col("input") == pl.col("row_input")),
        law("kept_row", "claims/dropped", "a duplicate names the row of the claim that stayed, and no other row does",
            dropped, "id", pl.when(repeated).then("kept").otherwise(pl.col("kept_source").is_null())),
    ]  # fmt: skip


def _said(source: Source, rows: pl.LazyFrame, published: bool) -> pl.LazyFrame:
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


def of_held_out(build: Subject) -> list[Law]:
    """Every held-out row of a source is asked about or was dropped, no row is both."""
    # Held-out claims are made without `compat: published`, whatever the claims of training are made by.
    said = [_said(SOURCES[key], frame, published=False) for key, frame in build.held_out.items()]
    texts = pl.concat(said).with_columns(id=_place()).select("id", "source", input="row_input")
    dropped = build.unused_probes.with_columns(id=_place())
    items = build.probes.filter(pl.col("probe") == "held_out").select("item", "source", input=pl.col("input").hash())
    left = texts.join(dropped.select("id"), on="id", how="anti")
    used = items.unique().join(left, on=["source", "input"], how="left")
    asked = used.filter(pl.col("id").is_not_null())
    repeated, first = pl.col("reason") == "duplicate", pl.col("kept_source").is_not_null()
    stays = dropped.filter(pl.col("reason").is_in(["in_training", "not_sampled"])).select("id")
    stayed = pl.concat([stays, left.select("id")]).unique().with_columns(kept=pl.lit(True))
    named = dropped.with_columns(kept_id=pl.concat_str("kept_source", "kept_row", separator="/"))
    named = named.join(stayed, left_on="kept_id", right_on="id", how="left")
    return [
        _once(partition("probes/dropped", "id", _places(build.held_out), dropped, asked), build.held_out),
        law("held_out_item", "probes", "a held-out claim is about one row of its source that was not dropped",
            used, "item", pl.col("id").is_not_null() & (pl.len().over("item") == 1)),
        law("kept_row", "probes/dropped", "a duplicate names a row that was no duplicate, and no other row does",
            named, "id", pl.when(repeated).then("kept").otherwise(~first)),
    ]  # fmt: skip


def _once(law: Law, rows: Mapping[str, pl.LazyFrame]) -> Law:
    """A law about source rows that is broken as well by a row number that occurs twice: a key of two columns."""
    twice = _places({key: frame.filter(pl.col("row").is_duplicated()) for key, frame in rows.items()})
    return replace(law, offenders=pl.concat([law.offenders, twice.select("id")]))


def _places(rows: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """`id` (source and row) and `source` of the rows of every source."""
    places = [
        frame.select(id=pl.concat_str(pl.lit(f"{key}/"), "row"), source=pl.lit(key)) for key, frame in rows.items()
    ]
    return pl.concat(places) if places else pl.LazyFrame(schema={"id": pl.String, "source": pl.String})


def _training_rows(build: Subject, settings: Settings, model: str) -> int:
    """How many rows each training set of one model should have."""
    drawn = build.prompts.select("prompt_id", "claim_id", *(name for name in numbers.COLUMNS if name != "label"))
    candidates = drawn.join(build.claims.select("claim_id", "label"), on="claim_id", how="inner")
    judged = candidates.join(build.verdicts[model].select("prompt_id", "reason"), on="prompt_id", how="inner")
    return numbers.training_rows(judged, [settings.arms[name] for name in settings.build.arms], settings.select.rows)


def _place() -> pl.Expr:
    return pl.concat_str("source", pl.col("row").cast(pl.String), separator="/")


def of_sampling(build: Subject) -> list[Law]:
    """Every claim is asked once or was not sampled."""
    return [partition("prompts", "claim_id", build.claims, build.prompts, build.not_sampled)]
