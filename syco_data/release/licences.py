"""What may be published of each source, and whom to name for it.

`licence: allow` publishes texts, `no_text` publishes ids, labels and draws only, `exclude` leaves the source out
of the build. `release.text: none` treats every source as `no_text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from syco_data.acquire.provenance import Provenance
from syco_data.errors import SycoError
from syco_data.settings import Settings

# 16 of the 17 cards name no licence or one of their own: no single licence can be claimed for the mixture.
MIXTURE = "other"
MIXTURE_NAME = "per-source"


@dataclass(frozen=True)
class Grant:
    """One source of a release: its record, and whether its texts are published."""

    record: Provenance
    licence: str  # allow | no_text


@dataclass(frozen=True)
class Grants:
    """Every source of a release, by key, in the order of the build."""

    by_source: dict[str, Grant]
    text: str  # full | none

    @property
    def withheld(self) -> list[str]:
        """Sources whose texts stay out of the release."""
        return [key for key, grant in self.by_source.items() if self.text == "none" or grant.licence == "no_text"]

    @property
    def extent(self) -> Literal["full", "partial", "none"]:
        """full | partial | none: for how many of the sources texts are published."""
        withheld = len(self.withheld)
        return "full" if withheld == 0 else "none" if withheld == len(self.by_source) else "partial"


def grants(settings: Settings, records: Mapping[str, Provenance]) -> Grants:
    """What the settings allow for each source that takes part; `records` are those of stage acquire."""
    used = {key: settings.sources[key].licence for key in settings.participating()}
    for key in used:
        if key not in records:
            raise SycoError(f"release: source '{key}' has no provenance record", f"Build it: dvc repro acquire@{key}")
    return Grants({key: Grant(records[key], licence) for key, licence in used.items()}, settings.release.text)


def withhold(df: pl.DataFrame, texts: tuple[str, ...], sources: list[str]) -> pl.DataFrame:
    """The rows with null for every text of the sources named; rows of anything else stay as they are."""
    if not texts or "source" not in df.columns:
        return df
    hidden = pl.col("source").fill_null("").is_in(sources)
    return df.with_columns(pl.when(~hidden).then(pl.col(name)).alias(name) for name in texts)
