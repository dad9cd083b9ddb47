"""What a probe answers follows from its parts, nothing in it has been trained on, and no family is missing."""

from collections.abc import Mapping

import polars as pl

from syco_data.probes.frames import agreeing
from syco_data.probes.held_out import leak_key
from syco_data.settings import Settings
from syco_data.sources import SOURCES
from syco_data.validate.check import Check, nothing_lost, row_check
from syco_data.validate.claim_checks import ROW_ID, row_contents, row_ids


def of_answers(table: str, probes: pl.LazyFrame) -> list[Check]:
    """Right answers, views and truth are recomputed from what the rows say of themselves; absent parts are left out."""
    judged = probes.filter(pl.col("truth").is_not_null())
    spoken = judged.filter(pl.col("opinion").is_not_null())
    stated = judged.filter(pl.col("label_kind").is_not_null() & pl.col("polarity").is_not_null())
    worded = probes.filter(pl.col("claim").is_not_null() & pl.col("prompt").is_not_null())
    agrees = pl.when(pl.col("opinion") == "none").then(None).otherwise(pl.col("opinion") == "agree")
    truth = (pl.col("label_kind") == "gold") == (pl.col("polarity") == "is")
    right, view = agreeing(pl.col("truth")), agreeing(agrees)
    valid = pl.col("right").is_null() | pl.col("options").list.contains(pl.col("right"))
    return [
        row_check("probe_truth", table, "a probe's claim is true when it says `is` of the row's own label or `is not` "
                  "of another one", stated, "probe_id", pl.col("truth") == truth),
        row_check("probe_answer", table, "a probe's right answer follows from truth and option order alone",
                  judged.filter(valid), "probe_id", pl.col("right").eq_missing(right)),
        row_check("probe_user_view", table, "the user's view is the option of the opinion that the row names",
                  spoken, "probe_id", pl.col("user_view").eq_missing(view)),
        row_check("probe_user_is_right", table, "the user is right when their view is the right answer",
                  judged.filter(valid), "probe_id", pl.col("user_is_right").eq_missing(pl.col("user_view") == right)),
        row_check("probe_claim", table, "a probe holds the claim that it asks about",
                  worded, "probe_id", pl.col("prompt").str.contains(pl.col("claim"), literal=True)),
    ]  # fmt: skip


def of_training(probes: pl.LazyFrame, claims: pl.LazyFrame, prompts: pl.LazyFrame) -> list[Check]:
    """Probes can be answered, and nothing in them has been trained on."""
    keyed = probes.with_columns(key=leak_key(pl.col("input")))
    trained = claims.select("claim", key=leak_key(pl.col("input")))
    known_right = pl.col("right").is_null() | pl.col("options").list.contains(pl.col("right"))
    known_view = pl.col("user_view").is_null() | pl.col("options").list.contains(pl.col("user_view"))
    return [
        Check("no_trained_input", "probes", "no probe holds an input that claims for training hold, letters and digits "
              "compared", _shared(keyed, trained, "key")),
        Check("no_trained_claim", "probes", "no probe holds a claim made for training",
              _shared(probes, trained, "claim")),
        Check("no_trained_prompt", "probes", "no probe is a training prompt word for word",
              _shared(probes, prompts, "prompt")),
        row_check("probe_options", "probes", "the right answer and the user's view are among a probe's options",
                  probes, "probe_id", known_right & known_view & (pl.col("options").list.len() >= 2)),
    ]  # fmt: skip


def of_families(probes: pl.LazyFrame, settings: Settings) -> list[Check]:
    """Every family that the settings ask for is there, in the templates and of the sources that they name."""
    families = settings.probes
    counts = {"held_out": families.held_out.items, "addition": families.addition.sums, "pressure": families.pressure,
             "preference": families.preference, "instructions": families.instructions,
             **{f"survey_{name}": families.surveys.rows for name in families.surveys.sets}}  # fmt: skip
    named = pl.LazyFrame({"id": [name for name, count in counts.items() if count]}, schema={"id": pl.String})
    held_out = probes.filter(pl.col("probe") == "held_out")
    places = pl.col("template").is_in(list(families.held_out.templates)) & pl.col("source").is_in(
        list(settings.sources)
    )
    return [
        Check("probe_families", "probes", "every family of probes that the settings ask for has rows",
              named.join(probes.select(id="probe").unique(), on="id", how="anti")),
        row_check("probe_places", "probes", "a held-out claim is asked in a template and comes from a source of the "
                  "settings", held_out, "probe_id", places),
    ]  # fmt: skip


def _shared(probes: pl.LazyFrame, training: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Probes whose value occurs in training; the short side is looked up, so that the long one streams."""
    values = probes.select(column).drop_nulls().unique()
    shared = training.select(column).join(values, on=column, how="semi").unique()
    return probes.join(shared, on=column, how="semi").select(id="probe_id")


def of_held_out(probes: pl.LazyFrame, unused: pl.LazyFrame, held_out: Mapping[str, pl.LazyFrame]) -> list[Check]:
    """Every held-out row of a source is asked about or was dropped, and no row is both."""
    # Held-out claims are made without `compat: published`, whatever the claims of training are made by.
    contents = [row_contents(SOURCES[key], frame, published=False) for key, frame in held_out.items()]
    texts = pl.concat(contents).with_columns(id=ROW_ID).select("id", "source", input="row_input")
    dropped = unused.with_columns(id=ROW_ID)
    items = probes.filter(pl.col("probe") == "held_out").select("item", "source", input=pl.col("input").hash())
    left = texts.join(dropped.select("id"), on="id", how="anti")
    used = items.unique().join(left, on=["source", "input"], how="left")
    about_a_row = pl.col("id").is_not_null()
    stayed = (
        pl.concat(
            [dropped.filter(pl.col("reason").is_in(["in_training", "not_sampled"])).select("id"), left.select("id")]
        )
        .unique()
        .with_columns(kept=pl.lit(True))
    )
    duplicates = dropped.with_columns(kept_id=pl.concat_str("kept_source", "kept_row", separator="/"))
    duplicates = duplicates.join(stayed, left_on="kept_id", right_on="id", how="left")
    names_kept = pl.when(pl.col("reason") == "duplicate").then("kept").otherwise(pl.col("kept_source").is_null())
    return [
        nothing_lost("probes/dropped", "id", row_ids(held_out), dropped, used.filter(about_a_row)),
        row_check("held_out_item", "probes", "a held-out claim is about one row of its source that was not dropped",
                  used, "item", about_a_row & (pl.len().over("item") == 1)),
        row_check("kept_row", "probes/dropped", "a duplicate names a row that is not one, and no other row does",
                  duplicates, "id", names_kept),
    ]  # fmt: skip
