"""What a model is asked: letters, words, labels; in both orders where that is wanted; plain and chat."""

import polars as pl
import pytest

from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from syco_data.filter import questions
from syco_data.prompts import transcripts
from syco_data.settings import load, parse
from tests.filter.support import chosen, labelled, prompts


def test_the_swapped_question_exchanges_the_words_of_the_options_and_nothing_else():
    table = questions.build(prompts(3), chosen("both_orders"), "plain")
    for plain, swapped in table.select("text", "swapped_text").iter_rows():
        assert " (A) Agree\n (B) Disagree" in plain and " (A) Disagree\n (B) Agree" in swapped
        assert swapped.replace("Disagree\n", "Agree\n", 1).replace("(B) Agree", "(B) Disagree") == plain
    once = questions.build(prompts(3), chosen("answered"), "plain")
    assert once["swapped_text"].null_count() == 3 and len(questions.requests(once)) == 3


def test_equal_stripped_prompts_are_one_request():
    df = prompts(4).with_columns(stripped_prompt=pl.lit(prompts(1)["stripped_prompt"].item()))
    assert len(questions.requests(questions.build(df, chosen("both_orders"), "plain"))) == 2
    assert len(questions.requests(questions.build(df, chosen("answered"), "plain"))) == 1


def test_words_are_the_options_own_and_follow_them_when_they_are_exchanged():
    other = pl.col("stripped_prompt").str.replace(" (A) Agree\n (B) Disagree", " (A) True\n (B) Not so", literal=True)
    df = prompts(2).with_columns(stripped_prompt=pl.when(pl.col("prompt_id") == "000001").then(other).otherwise(
        "stripped_prompt"
    ))  # fmt: skip
    table = questions.build(df, chosen("averaged", ask="words", calibrate="order"), "chat")
    assert table["replies"].to_list() == [[" Agree", " Disagree"], [" True", " Not so"]]
    assert table["swapped_replies"].to_list() == [[" Disagree", " Agree"], [" Not so", " True"]]


def test_labels_are_asked_once_for_an_input_in_words_that_fit_the_model():
    way = chosen("averaged", ask="labels", calibrate="batch")
    labels = (" Negative Sentiment", " Neutral Sentiment", " Positive Sentiment")
    (plain,) = questions.requests(questions.build(labelled([1]), way, "plain"))
    assert plain == Request('"text 0" is', labels)
    (chat,) = questions.requests(questions.build(labelled([1]), way, "chat"))
    user, assistant = transcripts.turns(chat.text)
    assert chat.options == labels and all(label.strip() in user.content for label in labels)
    assert user.role == "user" and '"text 0"' in user.content and assistant.role == "assistant"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ask": "labels", "rule": "both_orders"}, "no options that have an order"),
        ({"ask": "labels", "rule": "averaged", "calibrate": "order"}, "no options that have an order"),
        ({"rule": "averaged", "calibrate": "none"}, "set calibrate to order or batch"),
        ({"rule": "both_orders", "calibrate": "order"}, "take rule 'averaged'"),
        ({"rule": "answered", "calibrate": "batch"}, "take rule 'averaged'"),
        ({"rule": "margin", "purity": 0.9}, "purity chooses the margin"),
        ({"purity": 1.0}, "less than 1"),
        ({"ask": "lables"}, "letters"),
    ],
)
def test_ways_that_do_not_go_together_are_refused_by_name(changes, words):
    values = load().model_dump(by_alias=True)
    values["filter"] |= changes
    with pytest.raises(SycoError, match=words):
        parse(values)


@pytest.mark.parametrize(("ask", "refused"), [("letters", True), ("labels", False)])
def test_batch_calibration_needs_claims_of_both_kinds_but_for_labels(ask, refused):
    values = load().model_dump(by_alias=True)
    values["filter"] |= {"ask": ask, "calibrate": "batch", "rule": "averaged"}
    values["claims"]["other_share"] = 0.0
    if refused:
        with pytest.raises(SycoError, match="every 'is' claim is true"):
            parse(values)
    else:
        assert parse(values).filter.ask == "labels"


@pytest.mark.parametrize(
    ("ask", "calibrate", "rule", "ways"),
    [
        ("letters", "none", "both_orders", ["letters none"]),
        ("auto", "none", "both_orders", ["letters none", "words none"]),
        ("auto", "none", "answered", ["letters none", "words none", "labels none"]),
        ("labels", "auto", "averaged", ["labels batch"]),
        ("auto", "auto", "averaged", ["letters order", "letters batch", "words order", "words batch", "labels batch"]),
    ],
)
def test_auto_leaves_open_what_the_other_keys_allow(ask, calibrate, rule, ways):
    way = chosen(rule, ask=ask, calibrate=calibrate)
    assert [f"{each.ask} {each.calibrate}" for each in way.ways] == ways
