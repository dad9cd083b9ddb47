"""Whether every source has its share of the prompts: at least what the sampling rule gives it."""

import polars as pl

from syco_data.settings import Settings
from syco_data.validate.lawbook import Law


def law(asked: pl.LazyFrame, claims: pl.LazyFrame, settings: Settings) -> Law:
    """Sources with fewer prompts than they should have, as offenders of the prompts table."""
    counts = dict(asked.group_by("source").len().collect().iter_rows())
    pool = dict.fromkeys(settings.participating(), 0)
    pool |= dict(claims.group_by("source").len().collect().iter_rows())
    least = least_counts(pool, settings)
    short = sorted(key for key, count in least.items() if counts.get(key, 0) < count or not pool.get(key))
    return Law(
        "source_share",
        "prompts",
        "every source has claims, and at least the share of the prompts that the sampling rule gives it",
        pl.LazyFrame({"id": short}, schema={"id": pl.String}),
    )


def least_counts(pool: dict[str, int], settings: Settings) -> dict[str, int]:
    """The fewest prompts of each source that a sound sample holds; `pool` counts claims by source.

    Shares of one's own and equal shares are kept to a row or so. A proportional sample is drawn without
    replacement: its bound is the hypergeometric quantile at the false-alarm rate, shared among the sources.
    """
    wanted, cap = settings.prompts.rows, settings.prompts.cap
    capped = {source: min(count, cap or count) for source, count in pool.items()}
    if isinstance(settings.prompts.sampling, dict):
        total = sum(settings.prompts.sampling.values())
        slack = len(settings.prompts.sampling)
        return {key: int(wanted * share / total) - slack for key, share in settings.prompts.sampling.items()}
    if settings.prompts.sampling == "balanced":
        return {source: min(count, wanted // len(capped)) for source, count in capped.items()}
    from scipy import stats

    rate = settings.checks.false_alarm_rate / len(capped)
    everything = sum(capped.values())
    return {key: int(stats.hypergeom.ppf(rate, everything, count, wanted)) for key, count in capped.items()}
