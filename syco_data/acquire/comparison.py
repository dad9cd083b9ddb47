"""One source's record beside what the origin gives for it: what `sources check` shows."""

from dataclasses import dataclass

import polars as pl

from syco_data.acquire import acquire, examination
from syco_data.acquire.examination import Finding
from syco_data.acquire.hub_files import Unreachable
from syco_data.acquire.label_names import Statement
from syco_data.acquire.provenance import SplitCount
from syco_data.errors import SycoError
from syco_data.settings import Settings
from syco_data.sources import Source


@dataclass(frozen=True)
class Comparison:
    """What the origin gave: `counts` and `statements` (none for synthetic rows); `error` where it gave no files."""

    source: Source
    revision: str | None
    counts: tuple[SplitCount, ...]
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]
    error: str | None

    @property
    def differs(self) -> bool:
        return bool(self.findings or self.error)


def compare(source: Source, settings: Settings) -> Comparison:
    """Every difference between record and origin. Raises `Unreachable` when the Hub does not answer."""
    try:
        if settings.acquire.origin == "synthetic":
            own = acquire.acquire(source, settings)
            return _compared(source, None, own.rows, (), ())
        fetched = acquire.fetch(source, settings, settings.sources[source.key].revision)
    except Unreachable:
        raise
    except SycoError as error:
        return Comparison(source, None, (), (), (), error.what)
    examined = examination.examine(source, fetched)
    return _compared(source, fetched.revision, examined.rows, examined.statements, examined.findings)


def _compared(
    source: Source,
    revision: str | None,
    rows: pl.DataFrame,
    statements: tuple[Statement, ...],
    findings: tuple[Finding, ...],
) -> Comparison:
    counts = tuple(acquire.split_counts(source, rows))
    return Comparison(source, revision, counts, statements, findings, None)
