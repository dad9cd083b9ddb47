"""Planning of scores: each tokenizer, each scoring mode, against a plain reference that runs the full forward pass."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data import engines, settings
from syco_data.engines import planning
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Planner, Request
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from tests.support import tiny_models
from tests.support.fake_engine import Bytes

LETTERS = (" (A)", " (B)")
TAKEN = {
    "byte_bpe": "letter", "unigram": "letter", "unigram_bytes": "letter", "merged_left": "whole",
    "merged_right": "whole", "merged_all": "whole", "word": "whole", "glued": "whole",
}  # fmt: skip
TEXTS = [tiny_models.question(index, swapped) for index in range(12) for swapped in (False, True)]
TEXTS += [
    'Human: Is it right that "7 plus 3 is not 11 – déjà vu 🙂" is Irony?\n\nAssistant: I believe the best answer is',
    "short",
    "Human: no lead-in",
]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A model folder for each kind of tokenizer."""
    root = tmp_path_factory.mktemp("tiny")
    return {kind: tiny_models.make(root / kind, kind) for kind in tiny_models.TOKENIZERS}


def plain_reference(folder, requests):
    """Option scores by definition: whole completions, one forward pass each, the differing tokens added up."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    for text, options in requests:
        encoded = [tokenizer(text + option, return_offsets_mapping=True) for option in options]
        ids = [one["input_ids"] for one in encoded]
        same = 0
        while len({one[same] for one in ids}) == 1:
            same += 1
        scores = []
        for one, option in zip(encoded, options, strict=True):
            letter = len(text + option) - 2  # where the letter of " (A)" stands
            last = next(i for i, (start, end) in enumerate(one["offset_mapping"]) if end > letter)
            with torch.no_grad():
                logprobs = model(torch.tensor([one["input_ids"]])).logits[0].log_softmax(-1)
            counted = range(same, last + 1)
            scores.append(sum(logprobs[place - 1, one["input_ids"][place]].item() for place in counted))
        yield scores


def engine_settings(**changes):
    return settings.load().engines.model_copy(update={"engine": "transformers", **changes})


def model_at(folder, style="plain"):
    return ResolvedModel(folder.name, folder, "c", "t", style, "float32", 1024)


@pytest.mark.parametrize("policy", ["auto", "whole"])
@pytest.mark.parametrize("kind", tiny_models.TOKENIZERS)
def test_every_mode_agrees_with_the_full_forward_pass(folders, kind, policy):
    requests = [Request(text, LETTERS) for text in TEXTS]
    with engines.open(model_at(folders[kind]), engine_settings(scoring=policy)) as engine:
        result = engine.score(requests)
    for score, expected in zip(result, plain_reference(folders[kind], requests), strict=True):
        assert score.logprobs == pytest.approx(expected, abs=1e-4)
    assert {score.mode for score in result[:24]} == {TAKEN[kind] if policy == "auto" else "whole"}


def test_a_token_that_reaches_over_the_end_of_the_text_costs_more_steps(folders):
    """In `glued`, `is (A` is one token and `is (` another: B takes a second step that A does not."""
    plan = Planner(Tokenizer(folders["glued"], "plain"), "auto").plan([Request(TEXTS[0], LETTERS)])[0]
    assert [len(option) for option in plan.steps] == [1, 2]


@pytest.mark.parametrize("kind", tiny_models.TOKENIZERS)
def test_one_step_plans_are_those_of_whole_tokenisation(folders, kind):
    """The proof per border holds: the quick way asks the very same questions, whatever stands in the texts."""
    tokenizer = Tokenizer(folders[kind], "plain")
    words = st.text(st.sampled_from("abis (AB)\n\"'7é🙂."), max_size=80)

    @given(st.lists(words.map(lambda text: f"Human: {text}"), min_size=1, max_size=6), st.booleans())
    def check(texts, lead_in):
        ending = "\n\nAnswer:\n\nAssistant: I believe the best answer is" if lead_in else ""
        requests = [Request(text + ending, LETTERS) for text in texts]
        quick, whole = (Planner(tokenizer, policy).plan(requests) for policy in ("auto", "whole"))
        assert [plan.queries for plan in quick] == [plan.queries for plan in whole]
        assert [plan.steps for plan in quick] == [plan.steps for plan in whole]

    check()


@pytest.mark.parametrize("kind", ["byte_bpe", "glued"])
def test_more_than_two_options(folders, kind):
    requests = [Request(text, (" (A)", " (B)", " (C)", " (D)")) for text in TEXTS[:5]]
    with engines.open(model_at(folders[kind]), engine_settings()) as engine:
        result = engine.score(requests)
    for score, expected in zip(result, plain_reference(folders[kind], requests), strict=True):
        assert score.logprobs == pytest.approx(expected, abs=1e-4)


def test_options_that_a_tokenizer_cannot_tell_apart_are_an_error(folders):
    planner = Planner(Tokenizer(folders["word"], "plain"), "auto")
    with pytest.raises(SycoError, match=r"does not tell the options ' \(X\)', ' \(Y\)' apart"):
        planner.plan([Request(TEXTS[0], (" (X)", " (Y)"))])


def test_closing_marks_that_options_share_do_not_count():
    """Of ` (A)` the bracket behind the letter is left out; of ` yes.` the full stop, but not the word's end."""
    plan = Planner(Bytes(), "auto").plan([Request("x" * 80, (" yes.", " toes."))])[0]
    assert [len(option) for option in plan.steps] == [3, 4]


def test_too_long_is_marked_and_never_cut(folders):
    with engines.open(model_at(folders["byte_bpe"]), engine_settings(max_length=60)) as engine:
        planned = engine.plan([Request(text, LETTERS) for text in TEXTS])
        result = engine.run(planned)
    assert [score.logprobs is None for score in result] == [plan.tokens >= 60 for plan in planned]
    assert 0 < sum(score.logprobs is None for score in result) < len(result)


def test_chat_models_see_their_own_template_with_the_lead_in_left_open(tmp_path):
    folder = tiny_models.make(tmp_path / "chat", "byte_bpe", chat=True)
    request = Request(TEXTS[0], LETTERS)
    styled = Tokenizer(folder, "chat").styled(request.text)
    assert styled.startswith("<s><|user|>\nDo you agree") and styled.endswith(
        "<|assistant|>\nI believe the best answer is"
    )
    with engines.open(model_at(folder, "chat"), engine_settings()) as engine:
        chat, ids = engine.score([request])[0], engine.plan([request])[0].queries[0].ids
    assert list(ids).count(1) == 1, "the begin token comes from the template, once"
    expected = next(plain_reference(folder, [Request(styled.removeprefix("<s>"), LETTERS)]))
    assert chat.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_template_that_prints_the_date_prints_the_same_one_always(tmp_path):
    folder = tiny_models.make(tmp_path / "dated", "byte_bpe", chat=True)
    template = "{{ strftime_now('%d %b %Y') }}" + tiny_models.CHAT_TEMPLATE
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    assert Tokenizer(folder, "chat").styled(TEXTS[0]).startswith("26 Jul 2024")


def test_a_template_that_fails_is_one_line(tmp_path):
    folder = tiny_models.make(tmp_path / "broken", "byte_bpe", chat=True)
    refusing = tiny_models.CHAT_TEMPLATE + "{{ raise_exception('no system turn') }}"
    (folder / "chat_template.jinja").write_text(refusing, encoding="utf-8")
    with pytest.raises(SycoError, match="its chat template cannot be used: .*no system turn"):
        Tokenizer(folder, "chat").styled(TEXTS[0])


def test_batches_change_nothing(folders):
    """One by one, in one batch, in another order: the same scores."""
    requests = [Request(text, LETTERS) for text in TEXTS]
    with engines.open(model_at(folders["byte_bpe"]), engine_settings()) as engine:
        together, backwards = engine.score(requests), engine.score(requests[::-1])[::-1]
        alone = [engine.score([request])[0] for request in requests]
    for first, second, third in zip(together, backwards, alone, strict=True):
        assert first.logprobs == pytest.approx(second.logprobs, abs=1e-5)
        assert first.logprobs == pytest.approx(third.logprobs, abs=1e-5)


def test_greedy_continuations_stop_at_the_end_token(folders):
    import torch
    from transformers import AutoModelForCausalLM

    with engines.open(model_at(folders["byte_bpe"]), engine_settings()) as engine:
        result = engine.generate(TEXTS[:6], 8)
        tokenizer = engine.tokenizer
    model = AutoModelForCausalLM.from_pretrained(folders["byte_bpe"]).eval()
    for text, continuation in zip(TEXTS[:6], result, strict=True):
        ids = tokenizer.ids([text])[0]
        start = len(ids)
        while len(ids) < start + 8 and (token := model(torch.tensor([ids])).logits[0, -1].argmax().item()) != 2:
            ids.append(token)
        assert continuation == tokenizer.text(ids[start:])


logging.getLogger("transformers").setLevel(logging.ERROR)
assert planning.BORDER == 64, "the texts above are longer and shorter than a border"
