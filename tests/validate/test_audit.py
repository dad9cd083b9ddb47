"""The shortcut audit: at chance where nothing leaks, and every planted leak is found by its feature."""

import numpy as np
import polars as pl
import pytest

from syco_data.errors import SycoError
from syco_data.settings import Arm
from syco_data.validate import audit
from tests.support.tables_for_tests import small_settings

SETTINGS = small_settings().checks.audit
BALANCED = Arm(label_kinds=("gold", "other"), filtered=True, balanced=True)
PUBLISHED = Arm(label_kinds=("gold",), filtered=True, balanced=False)


def rows(count: int = 1600, seed: int = 0) -> pl.DataFrame:
    """A balanced training set: as many true as false rows in each cell."""
    random = np.random.default_rng(seed)
    half = range(count // 2)
    cells = pl.DataFrame(
        {
            "source": [f"s{i % 4}" for i in half],
            "label": [i % 3 for i in half],
            "polarity": [("is", "is not")[i // 7 % 2] for i in half],
            "template": random.choice(["professor", "plain"], count // 2),
            "option_order": random.choice(["agree_first", "disagree_first"], count // 2),
        }
    )
    df = pl.concat([cells.with_columns(truth=pl.lit(value)) for value in (True, False)])
    df = df.with_columns(
        prompt_id=pl.Series([f"{i:032x}" for i in random.permutation(count)]),
        opinion=pl.Series(random.choice(["agree", "disagree"], count)),
        length=pl.Series(random.integers(5, 60, count)),
    )
    return spoken(df)


def spoken(df: pl.DataFrame) -> pl.DataFrame:
    """Answers and prompts that follow from the parts."""
    first = pl.col("truth") == (pl.col("option_order") == "agree_first")
    text = pl.concat_str(
        pl.lit('Human: I '), "opinion", pl.lit(' with the claim that "'), pl.lit("x").repeat_by("length").list.join(""),
        pl.lit('" '), "polarity", pl.lit(" L"), "label", pl.lit("?"),
    )  # fmt: skip
    return df.with_columns(answer=pl.when(first).then(pl.lit("(A)")).otherwise(pl.lit("(B)")), prompt=text)


def leaks(df: pl.DataFrame, arm: Arm = BALANCED) -> set[tuple[str, str]]:
    report = audit.audit("tiny", "arm", df.select(audit.COLUMNS).lazy(), arm, SETTINGS)
    return {(line.feature, line.target) for line in report.lines if line.finding != audit.AT_CHANCE}


def test_a_balanced_set_is_at_chance():
    for seed in range(3):
        assert leaks(rows(seed=seed)) == set()


def test_gold_claims_alone_leak_by_polarity_and_are_reported_as_known():
    df = spoken(rows().with_columns(truth=pl.col("polarity") == "is"))
    report = audit.audit("tiny", "published", df.select(audit.COLUMNS).lazy(), PUBLISHED, SETTINGS)
    line = next(one for one in report.lines if (one.feature, one.target) == ("polarity", "stance"))
    assert line.accuracy == 1.0 and line.finding == audit.KNOWN_LEAK and report.leaks == []
    failing = audit.audit("tiny", "balanced", df.select(audit.COLUMNS).lazy(), BALANCED, SETTINGS)
    assert ("polarity", "stance") in {(one.feature, one.target) for one in failing.leaks}


@pytest.mark.parametrize(
    ("feature", "target", "planted"),
    [
        ("opinion", "stance", {"opinion": pl.when("truth").then(pl.lit("agree")).otherwise(pl.lit("disagree"))}),
        ("source", "stance", {"source": pl.when("truth").then(pl.lit("s0")).otherwise("source")}),
        ("template", "stance", {"template": pl.when("truth").then(pl.lit("plain")).otherwise("template")}),
        ("length", "stance", {"length": pl.when("truth").then(pl.col("length") + 40).otherwise("length")}),
        ("option order", "stance",
         {"option_order": pl.when("truth").then(pl.lit("agree_first")).otherwise("option_order")}),
        (audit.NOTHING, "letter",
         {"option_order": pl.when("truth").then(pl.lit("agree_first")).otherwise(pl.lit("disagree_first"))}),
    ],
)  # fmt: skip
def test_a_planted_leak_is_found_by_its_feature(feature, target, planted):
    assert (feature, target) in leaks(spoken(rows().with_columns(**planted)))


def test_words_around_the_input_are_read_and_the_input_is_not():
    df = rows()
    inside = df.with_columns(
        prompt=pl.col("prompt").str.replace('"x', pl.when("truth").then(pl.lit('"yes x')).otherwise(pl.lit('"no x')))
    )
    assert ("words outside the input", "stance") not in leaks(inside)
    outside = df.with_columns(
        prompt=pl.concat_str("prompt", pl.when("truth").then(pl.lit(" indeed")).otherwise(pl.lit(" maybe")))
    )
    assert ("words outside the input", "stance") in leaks(outside)


def test_the_majority_answer_of_a_category_is_what_naive_bayes_says():
    from sklearn.naive_bayes import CategoricalNB

    random = np.random.default_rng(0)
    # As many true as false rows, as in every balanced set: Bayes' prior and smoothing then change no choice.
    expected = random.permutation(np.arange(900) % 2 == 0)
    categories = random.integers(0, 7, 900)
    theirs = CategoricalNB(alpha=1e-9).fit(categories.reshape(-1, 1), expected)
    ours = audit._Majority().fit(categories, expected)
    assert (np.bincount(categories, np.where(expected, 1, -1)) != 0).all()
    assert (ours.predict(categories) == theirs.predict(categories.reshape(-1, 1))).all()


def test_a_category_that_was_never_met_or_is_even_gets_the_majority_answer_of_all():
    ours = audit._Majority().fit(np.array([0, 0, 2, 2, 2]), np.array([True, False, False, False, True]))
    assert ours.predict(np.array([0, 1, 2, 3])).tolist() == [False] * 4
    ours = audit._Majority().fit(np.array([0, 0, 2, 2, 2]), np.array([True, False, True, True, False]))
    assert ours.predict(np.array([0, 1, 2, 3])).tolist() == [True] * 4


def test_rows_of_a_cell_are_paired_true_with_false():
    df = rows()
    grouped = df.with_columns(group=audit.pairs(df)).group_by("group").agg(pl.len(), pl.col("truth").sum())
    assert grouped["len"].max() == 2 and (grouped["truth"] == 1).all()


def test_row_order_does_not_matter_and_the_sample_is_addressed():
    df = rows(4000)
    few = SETTINGS.model_copy(update={"rows": 600})
    first = audit.audit("m", "a", df.select(audit.COLUMNS).lazy(), BALANCED, few)
    again = audit.audit(
        "m", "a", df.sample(fraction=1, shuffle=True, seed=3).select(audit.COLUMNS).lazy(), BALANCED, few
    )
    assert first == again and first.lines[0].rows == 600


def test_the_chance_interval_is_binomial():
    low, high = audit.chance_interval(0.5, 1000, 0.95)
    assert (low, high) == pytest.approx((0.469, 0.531))


def test_only_polarity_is_known_to_leak_and_only_from_gold_claims():
    """An unbalanced arm may lean by template too: that is named for what it is."""
    leaning = rows().with_columns(truth=pl.col("template") == "plain")
    report = audit.audit("tiny", "published", spoken(leaning).select(audit.COLUMNS).lazy(), PUBLISHED, SETTINGS)
    findings = {(line.feature, line.target): line.finding for line in report.lines}
    assert findings["template", "stance"] == audit.OPEN_LEAK
    both = Arm(label_kinds=("gold", "other"), filtered=True, balanced=False)
    by_polarity = spoken(rows().with_columns(truth=pl.col("polarity") == "is")).select(audit.COLUMNS).lazy()
    named = {arm.label_kinds: audit.audit("tiny", "a", by_polarity, arm, SETTINGS) for arm in (PUBLISHED, both)}
    of = {kinds: {line.finding for line in one.lines if line.feature == "polarity"} for kinds, one in named.items()}
    assert audit.KNOWN_LEAK in of["gold",] and audit.KNOWN_LEAK not in of["gold", "other"]
    assert report.leaks == [] and audit.OPEN_LEAK in of["gold", "other"]


def test_a_training_set_of_a_few_rows_is_refused_in_one_line():
    with pytest.raises(SycoError, match=r"training set tiny/balanced has 4 rows in 2 pairs, too few"):
        audit.audit("tiny", "balanced", rows(4).lazy(), BALANCED, SETTINGS)
