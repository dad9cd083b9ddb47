"""The synthetic rows, surveys and instructions, and what the reference model is taught of them."""

import re

import polars as pl
import pytest

from syco_data import schemas, tables
from syco_data.errors import SycoError
from syco_data.prompts import templates, transcripts
from syco_data.reference import beliefs, instructions, kinds, people, sources, statements, surveys, worlds
from syco_data.reference.grammars import GRAMMARS
from syco_data.settings import load
from syco_data.sources import SOURCES

KEYS = list(SOURCES)
NOISE = load().acquire.noise
RELATIONAL = {key for key, grammar in GRAMMARS.items() if grammar.topic}


def texts(key: str, df: pl.DataFrame) -> pl.DataFrame:
    return df.select(SOURCES[key].text_columns)


@pytest.mark.parametrize("key", KEYS)
def test_rows_are_those_of_the_source(key):
    source = SOURCES[key]
    df = sources.rows(source, source.train, 300, 0, NOISE)
    assert tables.conform(df, schemas.raw(source)).height == 300
    labels = set(df["label"])
    assert labels - {-1} == set(range(len(source.labels)))
    assert (-1 in labels) == (key == "snli")


@pytest.mark.parametrize("key", KEYS)
def test_a_larger_count_only_adds_rows(key):
    source = SOURCES[key]
    small, large = (sources.rows(source, source.held_out, count, 3, NOISE) for count in (40, 90))
    assert large.head(40).equals(small)


@pytest.mark.parametrize("key", KEYS)
def test_most_rows_are_unique_and_the_splits_never_meet(key):
    source = SOURCES[key]
    counts = load().acquire.synthetic_rows
    train = sources.rows(source, source.train, counts.train, 0, NOISE)
    held_out = sources.rows(source, source.held_out, counts.held_out, 0, NOISE)
    assert texts(key, train).is_unique().sum() > 0.9 * counts.train
    assert texts(key, held_out).is_unique().sum() > 0.85 * counts.held_out
    assert texts(key, train).join(texts(key, held_out), on=list(source.text_columns)).is_empty()


def test_other_seeds_give_other_rows():
    source = SOURCES["trec"]
    first, second = (sources.rows(source, source.train, 50, seed, NOISE) for seed in (0, 1))
    assert not first.equals(second)


def test_rows_have_the_noise_that_cleaning_is_for():
    frames = {key: sources.rows(source, source.train, 600, 0, NOISE) for key, source in SOURCES.items()}
    doubled = sum(texts(key, df).is_duplicated().sum() for key, df in frames.items())
    conflicts = sum(
        df.group_by(SOURCES[key].text_columns).agg(pl.col("label").n_unique()).filter(pl.col("label") > 1).height
        for key, df in frames.items()
    )
    both_films = frames["sst2"]["sentence"].is_in(frames["rotten_tomatoes"]["text"].to_list()).sum()
    everything = "\n".join(text for key, df in frames.items() for row in texts(key, df).iter_rows() for text in row)
    assert doubled > 100 and 20 < conflicts < 150 and both_films > 5
    assert "\t" in everything and '"' in everything and "[label]" in everything


def test_inputs_never_say_not():
    for key in KEYS:
        for item in sources.combinations(key, "train", 300, 0):
            assert not re.search(r"\bnot\b|n't", " ".join(item.texts)), item


def test_too_many_rows_are_refused_with_both_numbers():
    source = SOURCES["qqp"]
    with pytest.raises(SycoError, match=r"'qqp': 900000 synthetic rows asked for, its grammar can give \d+"):
        sources.rows(source, source.train, 900_000, 0, NOISE)


def test_an_unknown_split_is_refused():
    with pytest.raises(SycoError, match="no split 'test'"):
        sources.rows(SOURCES["sst2"], "test", 5, 0, NOISE)


@pytest.mark.parametrize("key", KEYS)
def test_capacity_is_what_the_grammar_can_give(key):
    grammar = GRAMMARS[key]
    assert grammar.capacity() * 7 // 10 // 2 > 5_000
    assert grammar.labels == len(SOURCES[key].labels)


def test_beliefs_are_right_wrong_or_absent_as_the_recipe_has_it():
    inputs = beliefs.inputs("train", 600, 0, "test")
    shares = inputs.group_by("source").agg(
        right=(pl.col("gold") == pl.col("believed")).mean(), absent=pl.col("believed").is_null().mean()
    )
    for key, right, absent in shares.iter_rows():
        if key in RELATIONAL:
            assert absent == 0 and 0.4 < right < 0.6, key
        else:
            assert right == 1 and 0.05 < absent < 0.3, key
    assert len(RELATIONAL) == 6


def test_words_of_the_film_sources_are_withheld_from_both():
    first, second = (GRAMMARS[key].cues for key in ("sst2", "rotten_tomatoes"))
    assert [beliefs.withheld(words) for words in first] == [beliefs.withheld(words) for words in second]
    assert all(len(beliefs.withheld(words)) == 4 for words in first)


def cases(count: int, additions: float = 0.0) -> worlds.Cases:
    return worlds.draw_cases(world(), count, statements.Mixture(additions, 0.5, 0.5), "test")


def world() -> worlds.World:
    return worlds.world("train", 60, 0, "test")


def test_claims_follow_from_belief_polarity_and_label():
    claims = cases(2_000, 0.1).claims
    worded = claims.filter(pl.col("belief") != "")
    assert 0.05 < 1 - worded.height / claims.height < 0.15
    named = pl.col("claim").str.ends_with(pl.format(" is {}", "belief"))
    denied = pl.col("claim").str.ends_with(pl.format(" is not {}", "belief"))
    assert worded.filter(named)["truth"].all() and not worded.filter(denied)["truth"].any()
    assert 0.4 < claims["truth"].mean() < 0.6


def test_true_sums_are_true_and_others_are_wrong():
    sums = cases(500, 1.0).claims
    for claim, truth in sums.select("claim", "truth").iter_rows():
        x, y, z = map(int, re.fullmatch(r"(\d+) \+ (\d+) = (\d+)", claim).groups())
        assert (x + y == z) == truth


@pytest.mark.parametrize("name", list(surveys.SURVEYS))
def test_surveys_have_the_published_schema(name):
    df = surveys.rows(name, 200, 0)
    assert surveys.rows(name, 90, 0).equals(df.head(90))
    for question, match, others in df.iter_rows():
        options = re.findall(r"^ (\([A-Z]\)) ", question, re.MULTILINE)
        assert question.endswith("\n\nAnswer:") and match.startswith(" (")
        assert sorted([match, *others]) == [f" {option}" for option in options]
    sizes = set(df["answer_not_matching_behavior"].list.len())
    assert sizes == ({1, 2, 3} if name == "philpapers2020" else {1})


def test_an_unknown_survey_is_refused():
    with pytest.raises(SycoError, match="did you mean 'nlp_survey'"):
        surveys.rows("nlp_surveys", 5, 0)


def test_instruction_rows_add_up_and_are_prompts():
    train, more = (instructions.rows(count, 0, "train") for count in (100, 160))
    assert more.head(100).equals(train) and train["instruction_id"].is_unique().all()
    assert set(train["source"]) == {f"embedded_{kind}" for kind in instructions.KINDS}
    assert train["completion"].str.starts_with(" ").all() and not train["prompt"].str.ends_with(" ").any()
    assert all(transcripts.turns(prompt)[-1].role == "assistant" for prompt in train["prompt"])
    held_out = instructions.rows(100, 0, "held_out").filter(pl.col("prompt").str.contains('"'))
    assert not set(held_out["prompt"]) & set(more["prompt"])


def test_users_without_expertise_are_answered_by_belief():
    drawn = cases(200)
    answered = kinds.modest_opinions(drawn).with_columns(truth=drawn.claims["truth"])
    for text, answer, truth in answered.select("text", "answer", "truth").iter_rows():
        option = dict(zip((" (A)", " (B)"), transcripts.OPTION_LINES.findall(text)[0], strict=True))[answer]
        assert option == ("Agree" if truth else "Disagree")


def test_held_out_templates_are_never_taught():
    held_out = {name for name in templates.names() if templates.load(name).held_out}
    assert held_out and not held_out & set(world().templates)


def test_experts_in_free_words_speak_before_behind_and_apart_from_their_question():
    drawn = cases(600)
    texts = kinds.free_experts(drawn, follow=True, free_questions=0.5)["text"]
    turns = [transcripts.turns(text) for text in texts]
    apart = [len(parts) == 4 for parts in turns]
    behind = [re.search(r"\? (One thing first: )?\S.* I (agree|disagree) with", parts[0].content) for parts in turns]
    assert 0.25 < sum(apart) / len(turns) < 0.42
    assert 0.25 < sum(place is not None for place in behind) / len(turns) < 0.5


def test_following_is_answering_as_the_user_would():
    drawn = cases(300)
    rows = drawn.rendered()
    followed, believed = (kinds.free_experts(drawn, follow, 0.5)["answer"] for follow in (True, False))
    assert ((followed == believed) == ((rows["opinion"] == "agree") == rows["truth"])).all()


def test_experts_of_the_gate_are_those_of_no_training_prompt_and_of_no_template():
    texts = [sentence for manner in (people.EXPERT, people.MODEST) for sentence in manner.sentences]
    texts += [templates.find(name).read_text(encoding="utf-8") for name in templates.names()]
    for manner in people.UNFAMILIAR:
        (sentence,) = manner.sentences
        who = re.sub(r"\{\w+\}", "", sentence.split("{opinion}")[0]).split()
        phrases = [" ".join(who[start : start + 4]) for start in range(len(who) - 3)]
        assert phrases and not [words for words in phrases for text in texts if words in text]


def test_no_held_out_template_speaks_as_the_training_experts_do():
    held_out = [
        templates.find(name).read_text(encoding="utf-8") for name in templates.names() if templates.load(name).held_out
    ]
    held_out += [path.read_text(encoding="utf-8") for path in (templates.BUILT_IN.parent / "probes").glob("*.jinja")]
    for frame in people.EXPERT.frames:
        for piece in re.split(r"\{\w+\}|Human:|Assistant:|\n", frame):
            assert len(piece.split()) < 3 or not [text for text in held_out if piece.strip() in text], piece
    for sentence in people.EXPERT.sentences:
        for piece in re.split(r"\{\w+\}|with the claim that", sentence):
            assert len(piece.split()) < 4 or not [text for text in held_out if piece.strip() in text], piece
