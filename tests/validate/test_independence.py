"""Independence tests: sound draws pass at the stated rate, planted dependence fails, correction is Holm's."""

import numpy as np
import polars as pl
import pytest

from syco_data.validate import independence
from syco_data.validate.independence import DRAWN
from tests.support.tables_for_tests import small_settings

VALUES = {
    "opinion": ("agree", "disagree"), "polarity": ("is", "is not"), "label_kind": ("gold", "other"),
    "option_order": ("agree_first", "disagree_first"),
}  # fmt: skip
RATE = small_settings().checks.false_alarm_rate
PAIRS = {"prompts": independence.promised(small_settings())}
FAIR = {"prompts": independence.coins(small_settings())}


def coins(rows: int, seed: int, sources: int = 5) -> pl.DataFrame:
    """Fair, independent draws, with truth as it follows from label kind and polarity."""
    random = np.random.default_rng(seed)
    drawn = {name: random.choice(values, rows) for name, values in VALUES.items()}
    df = pl.DataFrame({**drawn, "source": random.choice([f"s{i}" for i in range(sources)], rows)})
    return df.with_columns(truth=(pl.col("label_kind") == "gold") == (pl.col("polarity") == "is"))


def smallest(df: pl.DataFrame) -> float:
    return min(test.adjusted for test in independence.tests({"prompts": df.lazy()}, PAIRS, FAIR))


def test_sound_draws_pass_at_the_stated_rate():
    """At a rate of 5% some two of 40 families fail; seven or more would be a one-in-a-hundred event."""
    failed = sum(smallest(coins(400, seed)) < 0.05 for seed in range(40))
    assert failed < 7
    assert all(smallest(coins(3000, seed)) >= RATE for seed in range(10))


@pytest.mark.parametrize("pair", [("opinion", "truth"), ("option_order", "truth"), ("opinion", "option_order")])
def test_a_planted_dependence_fails_and_is_named(pair):
    df = coins(3000, 1)
    codes = df.select(pl.col(pair[1]).rank("dense") == 1).to_series()
    values = VALUES[pair[0]]
    leaning = pl.Series(np.random.default_rng(2).random(len(df)) < 0.2)
    tied = pl.when(leaning).then(pl.when(codes).then(pl.lit(values[0])).otherwise(pl.lit(values[1]))).otherwise(pair[0])
    result = independence.tests({"prompts": df.with_columns(tied.alias(pair[0])).lazy()}, PAIRS, FAIR)
    failed = {test.pair for test in result if test.adjusted < RATE}
    assert failed and all(set(one) == set(pair) for one in failed)


def test_a_dependence_within_one_source_is_found_there():
    df = coins(6000, 3)
    tied = (
        pl.when(pl.col("source") == "s2")
        .then(pl.when("truth").then(pl.lit("agree")).otherwise(pl.lit("disagree")))
        .otherwise("opinion")
    )
    result = independence.tests({"prompts": df.with_columns(opinion=tied).lazy()}, PAIRS, FAIR)
    assert "s2" in {test.where for test in result if test.adjusted < RATE}


def test_a_source_that_leans_is_found():
    df = coins(6000, 4)
    tied = pl.when(pl.col("source") == "s1").then(pl.lit("agree")).otherwise("opinion")
    result = independence.tests({"prompts": df.with_columns(opinion=tied).lazy()}, PAIRS, FAIR)
    assert ("opinion", "source") in {test.pair for test in result if test.adjusted < RATE}


def test_row_order_and_id_do_not_matter():
    df = coins(2000, 5)
    shuffled = df.sample(fraction=1, shuffle=True, seed=1)
    assert independence.tests({"prompts": df.lazy()}, PAIRS, FAIR) == independence.tests(
        {"prompts": shuffled.lazy()}, PAIRS, FAIR
    )


def test_small_tables_are_tested_exactly():
    from scipy import stats

    table = np.array([[3, 0], [0, 3]])
    assert independence.p_value(table) == pytest.approx(stats.fisher_exact(table).pvalue)
    large = np.array([[50, 40], [45, 60]])
    assert independence.p_value(large) == pytest.approx(stats.chi2_contingency(large, correction=False).pvalue)


def test_holm_is_the_step_down_rule():
    result = independence.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert result == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert independence.holm(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("column", "value"), [("opinion", "agree"), ("polarity", "is"), ("option_order", "agree_first")]
)
def test_a_coin_that_always_falls_on_one_side_is_found(column, value):
    df = coins(500, 3).with_columns(pl.lit(value).alias(column))
    result = independence.tests({"prompts": df.lazy()}, PAIRS, {"prompts": independence.coins(small_settings())})
    broken = [test for test in result if test.adjusted < 0.001]
    assert [(test.pair, test.where) for test in broken] == [((column, f"0.5 {value}"), "all sources")]


def test_a_coin_of_another_share_is_found():
    even = coins(4000, 4)
    third = {"prompts": independence.coins(small_settings(claims={"other_share": 0.3}))}
    result = independence.tests({"prompts": even.lazy()}, PAIRS, third)
    assert [test.pair for test in result if test.adjusted < 0.001] == [("label_kind", "0.3 other")]
    assert "label_kind" not in independence.coins(small_settings(claims={"other_share": 0.0}))
    assert set(independence.coins_of_training()) == {"opinion"}


def test_what_settings_rule_out_is_not_promised():
    assert ("truth", "polarity") in independence.promised(small_settings())
    leaning = small_settings(claims={"other_share": 0.3})
    assert ("truth", "polarity") not in independence.promised(leaning)
    assert all(pair[0] == "opinion" for pair in independence.promised_of_training())
    assert {pair[1] for pair in independence.promised_of_training()} == {*DRAWN[1:], "source"}


def test_a_column_of_one_value_is_not_tested():
    df = coins(500, 6).with_columns(label_kind=pl.lit("gold"))
    result = independence.tests({"prompts": df.lazy()}, PAIRS, {"prompts": independence.coins_of_training()})
    assert result and not [test for test in result if "label_kind" in test.pair]


def test_a_table_without_rows_has_nothing_to_test():
    counted = pl.DataFrame(schema={"opinion": pl.String, "truth": pl.Boolean, "len": pl.UInt32})
    assert independence.crossing(counted, ("opinion", "truth")).shape == (0, 0)
