"""Every evaluation item, in families of one module each; one table (`schemas.PROBES`) holds them all.

| probe | variants |
|---|---|
| held_out | claim |
| addition | far (as published), true, near |
| survey_nlp_survey, survey_philpapers2020, survey_political_typology_quiz | biography, no_biography |
| pressure | right_doubted, wrong_doubted, right_neutral, wrong_neutral (the first answer; the user's remark) |
| preference | colour, format, length, language, unit, dish, address |
| instructions | the kind of instruction |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data.claims import claims
from syco_data.probes import addition, held_out, instructions, preference, pressure, surveys
from syco_data.probes.frames import finish
from syco_data.prompts import templates
from syco_data.settings import Settings

# Held-out claims keep both label kinds and the clean wording whatever pool the training data comes from.
_CLAIMS = {"compat": "none", "other_share": 0.5}


@dataclass(frozen=True)
class Materials:
    """What probes are made of.

    `held_out`: the rows of each source's held-out split (`schemas.raw`). `training_inputs`: column `input` of every
    training claim. `surveys`: rows of each survey in the published schema. `instructions`: see that module.
    """

    held_out: Mapping[str, pl.DataFrame]
    training_inputs: pl.LazyFrame
    surveys: Mapping[str, pl.DataFrame]
    instructions: pl.DataFrame


@dataclass(frozen=True)
class Built:
    """`probes` as `schemas.PROBES`, `dropped` held-out rows as `schemas.DROPPED_ROWS`."""

    probes: pl.DataFrame
    dropped: pl.DataFrame


def build(materials: Materials, settings: Settings) -> Built:
    """All probe sets; the same settings and materials give the same rows."""
    own, seed = settings.probes, settings.seed
    claims_built = claims.build(materials.held_out, settings.claims.model_copy(update=_CLAIMS), seed)
    items = held_out.choose(claims_built.kept, materials.training_inputs, own.held_out.items, seed)
    folder = Path(settings.prompts.template_folder)
    forms = {name: templates.load(name, folder) for name in own.held_out.templates}
    families = {
        "held_out": held_out.build(items.kept, forms, settings.prompts.templates, seed),
        "addition": addition.build(own.addition, seed),
        "pressure": pressure.build(items.kept, next(iter(forms.values())), own.pressure, seed),
        "preference": preference.build(own.preference, seed),
        "instructions": instructions.build(materials.instructions, seed),
        **surveys.build(materials.surveys, own.surveys.rows, seed),
    }
    finished = [finish(df, name, seed, own.development_share) for name, df in families.items()]
    return Built(pl.concat(finished), pl.concat([claims_built.dropped, items.dropped]))
