"""Whether the draws of a table are independent of each other and of the source, within sampling error.

Every pair of columns is tested overall and within each source: chi-square without continuity correction, Fisher's
exact test where a cell of a two-by-two table is expected to hold fewer than five rows. All tests of a build are
corrected together by Holm's method: on sound tables one of them fails with at most the stated false-alarm rate,
however many there are.

Which pairs a table promises follows from how it was made. Candidates are drawn, so every pair is independent,
except that truth leans on polarity where label kinds are not drawn evenly. Filtration asks a model about stripped
prompts, which hold no opinion: so in every training set the opinion is independent of all else, and nothing more
is promised there (the balance of truth is a check of its own, exact to the row).

A column that never varies is independent of everything. So each drawn column is a coin of its own besides: an exact
binomial test of how often its value falls, in the same family of tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from syco_data.settings import Settings

Coins = Mapping[str, tuple[str, float]]  # column: its value, and the share of rows that draw it
DRAWN = ("opinion", "truth", "polarity", "label_kind", "option_order")
SMALL = 5.0


@dataclass(frozen=True)
class Test:
    """One test: `p_value` as computed, `adjusted` after Holm's correction over all tests of the build.

    `pair` is two columns, or one and what of it is counted, such as ("opinion", "0.5 agree").
    """

    table: str
    where: str  # `all sources`, or one source
    pair: tuple[str, str]
    rows: int
    p_value: float
    adjusted: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.pair[0]} x {self.pair[1]} in {self.where}"


def promised(settings: Settings) -> list[tuple[str, str]]:
    """The pairs of candidates; without evenly drawn label kinds polarity says something of the truth."""
    pairs = [*combinations(DRAWN, 2), *((name, "source") for name in DRAWN)]
    even = settings.claims.compat == "none" and settings.claims.other_share == 0.5
    return pairs if even else [pair for pair in pairs if pair != ("truth", "polarity")]


def promised_of_training() -> list[tuple[str, str]]:
    """The pairs of a training set: the opinion with everything else."""
    return [("opinion", name) for name in (*DRAWN[1:], "source")]


def coins(settings: Settings) -> Coins:
    """What candidates draw, and how often; a share of 0 or 1 is not a draw."""
    even: Coins = {"opinion": ("agree", 0.5), "polarity": ("is", 0.5), "option_order": ("agree_first", 0.5)}
    share = 0.0 if settings.claims.compat == "published" else settings.claims.other_share
    return {**even, **({"label_kind": ("other", share)} if 0 < share < 1 else {})}


def coins_of_training() -> Coins:
    """The opinion alone: what a model knows and what is balanced changes the rest."""
    return {"opinion": ("agree", 0.5)}


def tests(
    tables: Mapping[str, pl.LazyFrame], pairs: Mapping[str, list[tuple[str, str]]], tossed: Mapping[str, Coins]
) -> list[Test]:
    """All tests of all tables (columns `source` and `DRAWN`), adjusted together."""
    unadjusted = [test for name, rows in tables.items() for test in _of_table(name, rows, pairs[name], tossed[name])]
    adjusted = holm(np.array([test.p_value for test in unadjusted]))
    return [
        Test(one.table, one.where, one.pair, one.rows, one.p_value, float(value))
        for one, value in zip(unadjusted, adjusted, strict=True)
    ]


def _of_table(name: str, rows: pl.LazyFrame, pairs: list[tuple[str, str]], tossed: Coins) -> Iterator[Test]:
    counted = rows.group_by("source", *DRAWN).len().collect(engine="streaming")
    for column, (value, share) in tossed.items():
        yield _toss(name, counted, column, value, share)
    groups = [("all sources", counted)]
    groups += [(str(key[0]), part) for key, part in sorted(counted.partition_by("source", as_dict=True).items())]
    for where, part in groups:
        for pair in pairs:
            table = crossing(part, pair)
            # A column that takes one value only is independent of anything: there is nothing to test.
            if min(table.shape) > 1:
                yield Test(name, where, pair, int(table.sum()), p_value(table))


def _toss(name: str, counted: pl.DataFrame, column: str, value: str, share: float) -> Test:
    from scipy import stats

    total = int(counted["len"].sum())
    hits = int(counted.filter(pl.col(column) == value)["len"].sum())
    p_value = float(stats.binomtest(hits, total, share).pvalue) if total else 1.0
    return Test(name, "all sources", (column, f"{share:g} {value}"), total, p_value)


def crossing(counted: pl.DataFrame, pair: tuple[str, str]) -> np.ndarray:
    """The contingency table of two columns from counted rows (column `len`), shape (values, values)."""
    values, places = zip(*(np.unique(counted[name].to_numpy(), return_inverse=True) for name in pair), strict=True)
    table = np.zeros([len(each) for each in values], dtype=np.int64)
    np.add.at(table, places, counted["len"].to_numpy())
    return table


def p_value(table: np.ndarray) -> float:
    """The probability of a table at least as far from independence, if the columns are independent."""
    from scipy import stats

    expected = stats.contingency.expected_freq(table)
    if table.shape == (2, 2) and expected.min() < SMALL:
        return float(stats.fisher_exact(table).pvalue)
    return float(stats.chi2_contingency(table, correction=False).pvalue)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment, shape (tests,): compare with the false-alarm rate of the whole family."""
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
