"""Rows per source from stage to stage, without a model: what the README prints of the default build."""

from dataclasses import dataclass

import polars as pl

from syco_data.acquire import acquire
from syco_data.claims import claims
from syco_data.prompts import prompts
from syco_data.settings import Settings
from syco_data.sources import SOURCES


@dataclass(frozen=True)
class SourceCount:
    """Rows of a source's training split, those dropped by reason, claims, and candidate prompts."""

    source: str
    rows: int
    dropped: dict[str, int]
    claims: int
    prompts: int


def count(settings: Settings) -> list[SourceCount]:
    """Builds claims and prompts in memory and counts them; the rows come from the settings' origin."""
    raw = {
        key: acquire.acquire(SOURCES[key], settings).rows.filter(pl.col("split") == SOURCES[key].train)
        for key in settings.participating()
    }
    built = claims.build(raw, settings.claims, settings.seed)
    candidates = prompts.build(built.kept.select(prompts.claim_columns()), settings.prompts, settings.seed).candidates
    return [
        SourceCount(
            key,
            len(rows),
            dict(sorted(built.dropped.filter(pl.col("source") == key)["reason"].value_counts().iter_rows())),
            built.kept.filter(pl.col("source") == key).height,
            candidates.filter(pl.col("source") == key).height,
        )
        for key, rows in raw.items()
    ]


def markdown(counts: list[SourceCount]) -> str:
    """The counts as a Markdown table with a line of totals."""
    lines = ["| source | rows | dropped | claims | prompts |", "|---|---:|---|---:|---:|"]
    for entry in counts:
        dropped = ", ".join(f"{reason} {number}" for reason, number in entry.dropped.items()) or "none"
        lines.append(f"| {entry.source} | {entry.rows:,} | {dropped} | {entry.claims:,} | {entry.prompts:,} |")
    rows, kept, sampled = (sum(getattr(entry, name) for entry in counts) for name in ("rows", "claims", "prompts"))
    return "\n".join([*lines, f"| all | {rows:,} | {rows - kept:,} | {kept:,} | {sampled:,} |"])
