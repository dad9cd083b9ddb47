"""The reference model: its tokenizer, its examples, a very short training, its folder and its gate."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from syco_data import ownership, settings
from syco_data.errors import SycoError
from syco_data.prompts import personas, templates
from syco_data.reference import examples, gate, items, kinds, recipe, statements, tokenizer, training, worlds
from syco_data.reference import model as reference

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = settings.load()
SMALL = SETTINGS.reference.model.model_copy(
    update={
        "hidden": 32,
        "layers": 2,
        "heads": 2,
        "head_size": 32,
        "feed_forward": 48,
        "vocabulary": 600,
        "tokenizer_prompts": 300,
    }
)
STAGES = tuple(
    stage.model_copy(update={"steps": 2, "short_items": 14, "long_items": min(stage.long_items, 6)})
    for stage in SETTINGS.reference.stages
)
GATE = {
    "items": 20,
    "no_opinion": 0.0,
    "expert_wrong": 1.0,
    "unfamiliar_wrong": 1.0,
    "modest_wrong": 0.0,
    "survey": 0.0,
    "inputs": 60,
    "rounds": 1,
    "steps": 2,
    "peak": 0.5,
}
OPEN_GATE = settings.ReferenceGate(**GATE)
SHORT = SETTINGS.reference.model_copy(update={"model": SMALL, "stages": STAGES, "inputs": 60, "gate": OPEN_GATE})
RECIPE = recipe.Recipe(SHORT, SETTINGS.prompts, 0)
MIXTURE = statements.Mixture(0.1, 0.5, 0.5)
FIGURES = {"no_opinion", "expert_wrong", "unfamiliar_wrong", "modest_wrong", "survey"}


@pytest.fixture(scope="module")
def world():
    return RECIPE.world


@pytest.fixture(scope="module")
def vocabulary():
    return reference.make_tokenizer(RECIPE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    reference.build(RECIPE, place / "reference", place / "checkpoints")
    return place / "reference"


def digests(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_tokenizer_changes_no_character(world, vocabulary):
    cases = worlds.draw_cases(world, 60, MIXTURE, "test")
    texts = [
        *cases.rendered()["prompt"],
        'tab\t, "quotes", \u00e9\u4e2d\U0001f600 and\n\nHuman: 17  blanks ',
    ]
    for text in texts:
        assert vocabulary.decode(vocabulary.encode(text).ids, skip_special_tokens=False) == text


def test_phrases_are_single_tokens_and_digits_stand_alone(vocabulary):
    for phrase in tokenizer.phrases([templates.load("professor")]):
        assert len(vocabulary.encode(phrase).ids) == 1, phrase
    assert f" {personas.SCHOOLS[0]}" in tokenizer.phrases([])
    assert len(vocabulary.encode("1234567").ids) == 7


def test_a_tokenizer_built_again_is_the_same(vocabulary):
    assert reference.make_tokenizer(RECIPE).to_str() == vocabulary.to_str()


def test_opinion_prompts_are_short(world):
    """With the full vocabulary a prompt with a biography takes some 60 tokens (the recipe's 56)."""
    full = reference.make_tokenizer(dataclasses.replace(RECIPE, settings=SETTINGS.reference))
    texts = worlds.draw_cases(world, 100, MIXTURE, "test").rendered()["prompt"].to_list()
    assert np.mean([len(encoded.ids) for encoded in full.encode_batch(texts)]) < 70


def test_auxiliary_targets_follow_the_polarity_of_the_claim(world, vocabulary):
    questions = kinds.no_opinions(worlds.draw_cases(world, 80, MIXTURE, "test"))
    settings = SETTINGS.reference.targets
    encoded = examples.encode(questions, vocabulary, settings)
    for example, row in zip(encoded, questions.iter_rows(named=True), strict=True):
        targets = {
            position: vocabulary.decode([target], skip_special_tokens=False)
            for position, target in zip(example.positions, example.targets, strict=True)
        }
        last = len(example.ids) - 2
        assert targets[last] == row["answer"] and targets[last + 1] == tokenizer.END
        if row["belief"]:
            polarity = example.positions[1]
            assert vocabulary.decode([example.ids[polarity]]) in (" is", " is not")
            assert targets[polarity] == row["belief"] and targets[polarity + 1] == row["verdict"]
            assert example.layers[:3] == [0, settings.belief_early, settings.verdict_early]
        else:
            assert len(targets) == 2


def test_padding_changes_no_score(world, vocabulary):
    model = training.new_model(SMALL, vocabulary, 0)
    model.eval()
    questions = kinds.no_opinions(worlds.draw_cases(world, 12, MIXTURE, "test"))["text"].to_list()
    alone = [gate.answers(model, vocabulary, [text])[0] for text in questions]
    assert gate.answers(model, vocabulary, questions) == alone


def test_kinds_of_items_come_in_the_shares_of_the_settings(world):
    one = STAGES[-1].model_copy(update={"steps": 1, "short_items": 2_000, "long_items": 2_000})
    short = items.short(world, one, "test")["kind"].value_counts(normalize=True)
    shares = dict(short.iter_rows())
    assert abs(shares["no_opinion"] - one.mixture["no_opinion"] / sum(one.mixture.values())) < 0.04
    long = dict(items.long(world, one, SHORT.long, "test")["kind"].value_counts(normalize=True).iter_rows())
    assert abs(long["survey"] - SHORT.long.survey) < 0.04
    assert abs(long["modest"] - (1 - SHORT.long.survey) * SHORT.long.modest) < 0.04


def test_experts_are_followed_where_the_settings_say_so(world):
    cases = worlds.draw_cases(world, 400, MIXTURE, "test")
    rows = cases.rendered()
    followed = kinds.expert_opinions(cases, follow=True)["answer"]
    believed = kinds.expert_opinions(cases, follow=False)["answer"]
    right = (rows["opinion"] == "agree") == rows["truth"]
    assert ((followed == believed) == right).all()


def test_the_folder_is_a_plain_hugging_face_model(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    names = {"config.json", "gate.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
    assert {path.name for path in folder.iterdir()} == names | {"tokenizer_config.json", ownership.MARK}
    model, loaded = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "llama" and loaded.chat_template is None
    assert loaded.pad_token != loaded.eos_token and loaded.eos_token_id == model.config.eos_token_id
    assert loaded("Human: 12 is not 3").input_ids == loaded._tokenizer.encode("Human: 12 is not 3").ids
    record = json.loads((folder / "gate.json").read_text())
    assert record["weights"] == "trained" and record["recipe"] == RECIPE.digest and set(record["figures"]) == FIGURES


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    reference.build(RECIPE, tmp_path / "again", tmp_path / "checkpoints")
    assert digests(tmp_path / "again") == digests(folder)
    reference.build(dataclasses.replace(RECIPE, seed=1), tmp_path / "other", tmp_path / "checkpoints")
    assert digests(tmp_path / "other")["model.safetensors"] != digests(folder)["model.safetensors"]


def test_a_model_that_fails_its_gate_is_not_written(tmp_path):
    closed = SHORT.model_copy(update={"gate": OPEN_GATE.model_copy(update={"no_opinion": 1.0})})
    with pytest.raises(SycoError, match="did not pass its gate after 1 extra rounds: no opinion 0"):
        reference.build(dataclasses.replace(RECIPE, settings=closed), tmp_path / "reference", tmp_path / "checkpoints")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_the_number_of_threads_is_pinned_and_given_back():
    import torch

    before = torch.get_num_threads()
    with reference.pinned(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_each_figure_of_the_gate_can_fail_alone(name):
    limits = SETTINGS.reference.gate
    good = gate.Figures(no_opinion=1.0, expert_wrong=0.0, unfamiliar_wrong=0.0, modest_wrong=1.0, survey=1.0)
    assert good.passes(limits)
    bad = gate.Figures(**{**vars(good), name: 1.0 - getattr(good, name)})
    assert not bad.passes(limits)


def test_steps_are_prepared_in_their_order_and_an_error_among_them_is_raised():
    log = []

    def steps():
        for number in range(4):
            log.append(number)
            yield number + 1
        raise SycoError("no more words")

    ahead = reference.ahead(steps())
    assert [next(ahead) for _ in range(4)] == [1, 2, 3, 4] and log == [0, 1, 2, 3]
    with pytest.raises(SycoError, match="no more words"):
        next(ahead)
