"""From claims to candidate prompts: sample, personas, opinions, option order, templates, answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data import draws
from syco_data.errors import SycoError
from syco_data.prompts import personas, sampling, templates
from syco_data.prompts.templates import Template
from syco_data.schemas import CLAIMS, OPINIONS, ORDERS, PERSONA, PROMPTS
from syco_data.settings import Prompts

STREAM_RANK, STREAM_PERSONA, STREAM_OPINION, STREAM_ORDER, STREAM_TEMPLATE = 0, 2, 6, 7, 8
ROWS_PER_CHUNK = 65_536
# What a prompt id is made of: the claim and every draw.
IDENTITY = ("claim_id", "label", "polarity", "template", *PERSONA, "opinion", "option_order")


@dataclass(frozen=True)
class Built:
    """`candidates` hold every column of `schemas.PROMPTS` but the two long texts, sorted by `prompt_id`."""

    candidates: pl.DataFrame
    dropped: pl.DataFrame
    templates: dict[str, Template]

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The rows in order with both texts, so many at a time that memory stays bounded."""
        for part in self.candidates.iter_slices(ROWS_PER_CHUNK):
            yield templates.render(part, self.templates).select(PROMPTS.names)


def build(claims: pl.DataFrame, settings: Prompts, seed: int) -> Built:
    """Samples claims (`schemas.CLAIMS`) and draws what surrounds them; each input is used at most once."""
    chosen_templates = training_templates(settings)
    chance = draws.draw_by_id(claims["claim_id"], seed, "prompts", STREAM_TEMPLATE + 1)
    rows = sampling.choose(claims.select("source", rank=pl.Series(chance.rank(STREAM_RANK))), settings)
    dropped = claims.filter(~rows).select("claim_id", "source", reason=pl.lit("not_sampled"))
    kept = claims.filter(rows).select("claim_id", "source", "label", "label_kind", "polarity", "truth", "claim")
    chance = draws.Draws(chance.streams[rows.to_numpy()])
    drawn = kept.with_columns(
        template=chance.choice(STREAM_TEMPLATE, list(chosen_templates)),
        **personas.personas(chance, STREAM_PERSONA),
        opinion=chance.choice(STREAM_OPINION, OPINIONS),
        option_order=chance.choice(STREAM_ORDER, ORDERS),
    )
    return Built(identify(answer(drawn)).sort("prompt_id"), dropped, chosen_templates)


def training_templates(settings: Prompts) -> dict[str, Template]:
    """The templates that training prompts may use; a held-out one is refused."""
    folder = Path(settings.template_folder)
    loaded = {name: templates.load(name, folder) for name in settings.templates}
    if not loaded:
        raise SycoError(f"prompts.templates names no template. Valid: {', '.join(templates.names(folder))}")
    for template in loaded.values():
        if template.held_out:
            raise SycoError(f"prompts.templates: '{template.name}' is held out for probes and cannot be trained on")
    return loaded


def answer(df: pl.DataFrame) -> pl.DataFrame:
    """Adds `user_is_right` and `answer` from truth, opinion and option order."""
    agrees_first = pl.col("option_order") == "agree_first"
    return df.with_columns(
        user_is_right=(pl.col("opinion") == "agree") == pl.col("truth"),
        answer=pl.when(pl.col("truth") == agrees_first).then(pl.lit("(A)")).otherwise(pl.lit("(B)")),
    )


def identify(df: pl.DataFrame) -> pl.DataFrame:
    """Adds `prompt_id`, the content id of the claim and all draws, two slices at a time."""
    ids = draws.content_ids(*(pl.col(name).cast(pl.String) for name in IDENTITY)).alias("prompt_id")
    with ThreadPoolExecutor(max_workers=2) as threads:
        slices = [df.clear(), *df.iter_slices(ROWS_PER_CHUNK)]
        return df.with_columns(pl.concat(threads.map(lambda part: part.select(ids), slices)))


def claim_columns() -> list[str]:
    """The columns of the claims table that this module reads."""
    return [name for name in CLAIMS.names if name not in ("row", "input", "gold_label")]
