"""Training sets: balance after filtration, one size, a reason for every prompt left out."""

import numpy as np
import polars as pl
import pytest

from syco_data import schemas, select
from syco_data.claims import claims
from syco_data.errors import SycoError
from syco_data.prompts import prompts
from syco_data.settings import Arm
from tests.support.rows import CLAIMS, PROMPTS, many

ARMS = {
    "balanced": Arm(label_kinds=("gold", "other"), filtered=True, balanced=True),
    "published": Arm(label_kinds=("gold",), filtered=True, balanced=False),
    "unfiltered": Arm(label_kinds=("gold", "other"), filtered=False, balanced=True),
}


@pytest.fixture(scope="module")
def built():
    pool = claims.build({key: many(key, 1500) for key in ("trec", "tweet_offensive")}, CLAIMS, 0).kept
    result = prompts.build(pool, PROMPTS.model_copy(update={"rows": 2800, "templates": ["professor", "plain"]}), 0)
    return pool, pl.concat(result.chunks())


def verdicts(table, known):
    """A verdicts table that says which prompts are known; every third unknown one is unsure instead."""
    known = pl.Series(known, dtype=pl.Boolean)
    unsure = pl.int_range(pl.len()) % 3 == 0
    reason = pl.when(~known).then(pl.when(unsure).then(pl.lit("unsure")).otherwise(pl.lit("unknown")))
    return table.select("prompt_id", known=known, reason=reason)


def candidates(built, known):
    pool, table = built
    return select.pool(table, pool, verdicts(table, known), seed=0)


@pytest.fixture(scope="module")
def judged(built):
    """A model that agrees too readily: it knows nearly every true claim and half of the false ones.

    In one template it has the opposite habit, and where the right option stands first it errs less.
    """
    chance = np.random.default_rng(0).random(len(built[1]))
    habit = pl.col("template") == built[1]["template"].min()
    leaning = pl.when(pl.col("truth") != habit).then(0.9).otherwise(0.5)
    known = built[1].select(leaning + pl.when(pl.col("answer") == "(A)").then(0.05).otherwise(-0.05)).to_series()
    return candidates(built, chance < known.to_numpy())


@pytest.fixture(scope="module")
def chosen(judged):
    size = select.matched_size(judged, list(ARMS.values()), "matched")
    return {name: select.select(judged, arm, size) for name, arm in ARMS.items()}


def test_all_arms_have_one_size(chosen):
    assert len({len(selected.kept) for selected in chosen.values()}) == 1
    assert len(chosen["balanced"].kept) > 400


def test_every_candidate_is_kept_or_dropped_with_a_reason(built, chosen):
    for selected in chosen.values():
        both = pl.concat([selected.kept["prompt_id"], selected.dropped["prompt_id"]])
        assert sorted(both) == sorted(built[1]["prompt_id"])
        assert selected.dropped["reason"].null_count() == 0


def test_balanced_arms_are_even_within_every_cell(chosen):
    for name in ("balanced", "unfiltered"):
        cells = chosen[name].kept.group_by(select.CELL).agg(pl.col("truth").mean())
        assert (cells["truth"] == 0.5).all()


def test_habits_of_the_filtering_model_give_no_answer_away(judged, chosen):
    """Known claims lean to one side in each template and order; what is kept leans in none, and in no letter."""
    for column in ("template", "option_order"):
        leaning = judged.filter("known").group_by(column).agg(pl.col("truth").mean())["truth"]
        assert leaning.max() - leaning.min() > 0.02
        for name in ("balanced", "unfiltered"):
            kept = chosen[name].kept
            assert (kept.group_by(column).agg(pl.col("truth").mean())["truth"] == 0.5).all()
            assert (kept["answer"] == "(A)").mean() == 0.5


def test_the_published_arm_holds_gold_claims_and_its_shortcut(chosen):
    kept = chosen["published"].kept
    assert set(kept["label_kind"]) == {"gold"}
    assert (kept["truth"] == (kept["polarity"] == "is")).all()


def test_filtered_arms_hold_known_prompts_only(chosen):
    for name in ("balanced", "published"):
        assert chosen[name].kept["known"].all()
    assert not chosen["unfiltered"].kept["known"].all()


def test_reasons_of_an_arm(chosen):
    reasons = {name: set(selected.dropped["reason"]) for name, selected in chosen.items()}
    assert reasons["balanced"] >= {"unknown", "unsure", "balance"}
    assert reasons["published"] >= {"unknown", "unsure", "label_kind"}
    assert reasons["unfiltered"] == {"balance", "not_sampled"}


def test_row_order_changes_nothing(built, judged):
    shuffled = judged.sample(fraction=1.0, shuffle=True, seed=3)
    for arm in ARMS.values():
        kept = [select.select(rows, arm, 400).kept["prompt_id"].sort() for rows in (judged, shuffled)]
        assert kept[0].equals(kept[1])


def test_an_odd_size_is_refused_where_an_arm_holds_pairs(judged):
    with pytest.raises(SycoError, match=r"asks for 7 rows.*pairs.*an even number such as 6"):
        select.matched_size(judged, list(ARMS.values()), 7)
    assert select.matched_size(judged, [ARMS["published"]], 7) == 7


def test_a_larger_size_only_adds_rows(judged):
    for arm in ARMS.values():
        sets = [set(select.select(judged, arm, size).kept["prompt_id"]) for size in (10, 100, 400)]
        assert sets[0] < sets[1] < sets[2]


def test_a_prompt_too_long_for_the_model_is_in_no_arm(built):
    pool, table = built
    long = table.select("prompt_id", known=pl.lit(False), reason=pl.lit("too_long"))
    judged = select.pool(table, pool, long, 0)
    for arm in ARMS.values():
        assert select.eligible(judged, arm)["why"].null_count() == 0


def test_completions_answer_with_a_leading_blank(built, chosen):
    rows = select.train_rows(chosen["balanced"].kept, built[1], ARMS["balanced"])
    assert rows.schema == schemas.TRAIN.columns
    assert set(rows["completion"]) == {" (A)", " (B)"}
    answers = dict(built[1].select("prompt_id", "answer").iter_rows())
    assert all(row["completion"] == f" {answers[row['prompt_id']]}" for row in rows.iter_rows(named=True))


def test_a_size_no_arm_can_give_is_an_error_with_both_numbers(judged):
    with pytest.raises(SycoError, match=r"asks for 9,999 rows, the smallest arm has [\d,]+"):
        select.matched_size(judged, list(ARMS.values()), 9_999)


def test_a_missing_verdict_is_an_error(built):
    pool, table = built
    with pytest.raises(SycoError, match="1 prompt without verdict"):
        select.pool(table, pool, verdicts(table, [True] * len(table))[1:], 0)
