"""Where an answer stands and what ends it, for templates of every kind that models come with.

The templates here are written for the purpose, each after the habit of a family of models; the tokenizers are tiny.
"""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from syco_data.engines import chat_template
from syco_data.engines.chat_rendering import Renderer
from syco_data.engines.tokenizer import SPLIT, Tokenizer
from syco_data.errors import SycoError
from syco_data.finetune import token_audit
from tests.support import tiny_models

TEXT = "Human: Is it so?\n\nAssistant: I believe the best answer is"
TURNS = "Human: One?\n\nAssistant: (A)\n\nHuman: Sure?\n\nAssistant: I believe the best answer is"
EACH = "{% for m in messages %}"
ASSISTANT = "{% if m.role == 'assistant' %}"

# kind: template, added tokens (special or not), what stands before an answer, what ends it
KINDS = {
    # messages trimmed, both roles renamed
    "gemma": (
        "{{ bos_token }}" + EACH + "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        {"<start_of_turn>": True, "<end_of_turn>": True},
        "<start_of_turn>model\n", "<end_of_turn>",
    ),
    # the base model's end of text stays the tokenizer's
    "llama 3": (
        EACH + "{{ bos_token if loop.first }}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        {"<|start_header_id|>": True, "<|end_header_id|>": True, "<|eot_id|>": True},
        "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>",
    ),
    # the end of a turn is an added token, not a special one; the end of text follows a finished conversation
    "phi 3": (
        EACH + "<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        {"<|end|>": False}, "<|assistant|>\n", "<|end|>",
    ),
    "chatml": (
        EACH + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        {"<|im_start|>": True, "<|im_end|>": True}, "<|im_start|>assistant\n", "<|im_end|>",
    ),
    # a switch: off writes a closed thought, in the generation prompt and before a finished answer
    "qwen 3": (
        EACH + "<|im_start|>{{ m.role }}\n" + ASSISTANT + "{% if loop.last %}<think>\n\n</think>\n\n{% endif %}"
        "{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and "
        "enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
        {"<|im_start|>": True, "<|im_end|>": True, "<think>": False, "</think>": False},
        "<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>",
    ),
    # off writes a closed thought in the generation prompt alone
    "hunyuan": (
        EACH + "<|{{ m.role }}|>{{ m.content }}<|stop|>{% endfor %}{% if add_generation_prompt %}<|assistant|>"
        "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n{% endif %}{% endif %}",
        {"<|stop|>": True}, "<|assistant|><think>\n\n</think>\n", "<|stop|>",
    ),
    # the generation prompt always opens a thought; a finished answer has none
    "deepseek r1": (
        "{{ bos_token }}" + EACH + "<|{{ m.role }}|>" + ASSISTANT + "{{ m.content.split('</think>')[-1] }}<|stop|>"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}",
        {"<|stop|>": True}, "<|assistant|>", "<|stop|>",
    ),
    # channels; the end of an answer is another token where it ends the conversation
    "gpt-oss": (
        EACH + "<|start|>{{ m.role }}" + ASSISTANT + "<|channel|>final{% endif %}<|message|>{{ m.content }}"
        "{{ '<|return|>' if m.role == 'assistant' and loop.last else '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        dict.fromkeys(("<|start|>", "<|channel|>", "<|message|>", "<|return|>", "<|end|>"), True),
        "<|start|>assistant<|channel|>final<|message|>", "<|return|>",
    ),
    # the switch goes into the system turn, which speaks of thoughts
    "smollm 3": (
        "<|im_start|>system\nReasoning Mode: {{ '/no_think' if enable_thinking is false else '/think' }}. Put thoughts "
        "between <think> and <think> marks.<|im_end|>\n" + EACH + "<|im_start|>{{ m.role }}\n{{ m.content }}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is false %}<think>\n\n</think>\n{% endif %}{% endif %}",
        {"<|im_start|>": True, "<|im_end|>": True}, "<|im_start|>assistant\n<think>\n\n</think>\n", "<|im_end|>",
    ),
    # no end of turn: the next turn's first token ends an answer, as generation_config.json says
    "glm 4": (
        EACH + "<|{{ m.role }}|>\n{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        {"<|user|>": True, "<|assistant|>": True}, "<|assistant|>\n", "<|user|>",
    ),
    # a blank before the answer and the end of text behind it
    "mistral": (
        "{{ bos_token }}" + EACH + ASSISTANT + " {{ m.content }}{{ eos_token }}{% else %}[INST] {{ m.content }} [/INST]"
        "{% endif %}{% endfor %}",
        {"[INST]": True, "[/INST]": True}, "[/INST] ", "</s>",
    ),
    # a channel that closes by a mark of its own; off writes an empty one
    "gemma 4": (
        EACH + "<|turn>{{ m.role }}\n{{ m.content | trim }}<turn|>\n{% endfor %}{% if add_generation_prompt %}"
        "<|turn>model\n{% if not enable_thinking %}<|channel>thought\n<channel|>{% endif %}{% endif %}",
        {"<|turn>": True, "<turn|>": True, "<|channel>": True, "<channel|>": True},
        "<|turn>model\n<|channel>thought\n<channel|>", "<turn|>",
    ),
    # takes no conversation that ends with an answer: what ends one is seen where the user answers it
    "questions alone": (
        "{% if messages[-1].role == 'assistant' %}{{ raise_exception('a question is last') }}{% endif %}" + EACH +
        "<|{{ m.role }}|>{{ m.content }}<|stop|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
        {"<|stop|>": True}, "<|assistant|>", "<|stop|>",
    ),
}  # fmt: skip
STOPS = {"glm 4": ["<|user|>"], "questions alone": ["<|stop|>"]}
"""What generation_config.json states besides the end of text."""


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("chat") / "tiny", "byte_bpe", chat=True)


@pytest.fixture(scope="session")
def renderer():
    """One process for all templates of these tests."""
    renderer = Renderer()
    yield renderer
    renderer.close()


@pytest.fixture
def make(original, tmp_path, renderer):
    def with_template(template: str, added: dict[str, bool], stops: list[str] = ()) -> Tokenizer:
        folder = Path(shutil.copytree(original, tmp_path / "tiny"))
        library = PreTrainedTokenizerFast.from_pretrained(folder)
        library.add_tokens([AddedToken(name, special=special, normalized=False) for name, special in added.items()])
        library.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        stopping = {"eos_token_id": [2, *library.convert_tokens_to_ids(list(stops))]}
        (folder / "generation_config.json").write_text(json.dumps(stopping), encoding="utf-8")
        tokenizer = Tokenizer(folder, "chat")
        tokenizer.__dict__["_renderer"] = renderer
        return tokenizer

    return with_template


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_stands_and_ends_where_its_template_puts_it(make, kind):
    template, added, before, end = KINDS[kind]
    tokenizer = make(template, added, STOPS.get(kind, []))
    assert f"{before[-40:]!r} and end with {end!r} (from its chat template"[1:] in tokenizer.check()
    for text in (TEXT, TURNS):
        styled = tokenizer.styled(text)
        assert styled.endswith(f"{before}I believe the best answer is")
        assert not chat_template.is_open(styled)
    assert tokenizer.request("Is it so?").endswith(before)
    assert (tokenizer.ending.token, tokenizer.ending.text) == (tokenizer.library.convert_tokens_to_ids(end), end)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_and_instruction_rows_end_alike_and_hold_no_open_thought(make, kind):
    template, added, before, end = KINDS[kind]
    tokenizer = make(template, added, STOPS.get(kind, []))
    rows = pl.DataFrame(
        {"row_id": ["a", "b"], "form": ["transcript", "request"], "prompt": [TEXT, "Is it so?"],
         "completion": [" (A)", "(A)"]}
    )  # fmt: skip
    texts = token_audit.texts(tokenizer, rows)
    audit = token_audit.examine(tokenizer, texts, 512).rows
    assert audit["violation"].to_list() == [None, None]
    for text, ids in zip(texts.iter_rows(named=True), audit["input_ids"], strict=True):
        decoded = tokenizer.library.decode(ids.to_list(), skip_special_tokens=False)
        assert decoded == text["prompt"] + text["completion"] and before.rstrip(" ") in text["prompt"]
        assert decoded.endswith(f"(A){end}")


def test_white_space_between_an_answer_and_its_end_is_trained_too(make):
    tokenizer = make(EACH + "<|{{ m.role }}|>\n{{ m.content }}\n<|stop|>\n{% endfor %}", {"<|stop|>": True})
    assert tokenizer.ending.text == "\n<|stop|>"
    row = pl.DataFrame({"row_id": "a", "form": "request", "prompt": "Is it so?", "completion": "(A)"})
    audit = token_audit.examine(tokenizer, token_audit.texts(tokenizer, row), 512).rows
    target = audit["input_ids"][0].to_list()[audit["prompt_tokens"][0] :]
    assert tokenizer.library.decode(target, skip_special_tokens=False) == "(A)\n<|stop|>"


THOUGHTS = {
    "tags": "<|{{ m.role }}|>" + ASSISTANT + "<think>\n{% endif %}{{ m.content }}<|stop|>",
    "brackets": "<|{{ m.role }}|>" + ASSISTANT + "[THINK]{% endif %}{{ m.content }}<|stop|>",
    "starts": "<|{{ m.role }}|>" + ASSISTANT + "<|START_THINKING|>{% endif %}{{ m.content }}<|stop|>",
    "triangles": "<|{{ m.role }}|>" + ASSISTANT + "◁think▷{% endif %}{{ m.content }}<|stop|>",
    "named": "<|{{ m.role }}|>" + ASSISTANT + "<|channel>thought\n{% endif %}{{ m.content }}<|stop|>",
    "channels": "<|{{ m.role }}|>" + ASSISTANT + "<|channel|>analysis<|message|>{% endif %}{{ m.content }}<|stop|>",
}


@pytest.mark.parametrize("kind", THOUGHTS)
def test_a_template_whose_thoughts_do_not_close_is_refused_with_what_was_tried(make, kind):
    opened = THOUGHTS[kind].split(ASSISTANT)[1].split("{% endif %}")[0]
    template = (
        EACH + THOUGHTS[kind] + "{% endfor %}{% if add_generation_prompt %}<|assistant|>" + opened + "{% endif %}"
    )
    with pytest.raises(
        SycoError, match="opens a thought before every answer and closes none. Tried: a finished answer"
    ):
        make(template, {"<|stop|>": True}).check()


CLOSED = [
    "<think>\n\n</think>\n\n",
    "[THINK][/THINK]",
    "<|START_THINKING|><|END_THINKING|>",
    "<seed:think></seed:think>",
    "◁think▷◁/think▷",
    "<|channel>thought\n<channel|>",
    "<|channel|>analysis<|message|><|end|><|start|>assistant<|channel|>final<|message|>",
]


@pytest.mark.parametrize("thought", CLOSED)
def test_a_thought_that_is_closed_is_not_an_open_one(thought):
    assert not chat_template.is_open(thought) and chat_template.has_thought(thought)
    assert not chat_template.has_thought("<|im_start|>assistant\n I think [INST] <s>")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "leaves answers out"),
        (EACH + "{{ m.content }}{{ m.content }}{% endfor %}", "writes an answer more than once"),
        (
            "{{ messages[-2:] | map(attribute='content') | join(' ') }}",
            "does not write 'Name a .* as it stands, in its place",
        ),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}", "does not write"),
        (EACH + "<|{{ m.role }}|>{{ m.content | e }}{% endfor %}", "does not write"),
        (EACH + "<|{{ m.role }}|>{{ m.content | tojson }}{% endfor %}", "does not write"),
        (EACH + "<|{{ m.role }}|>{{ m.content.split() | join(' ') }}{% endfor %}", "does not write"),
        (EACH + "{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}", "leaves answers out"),
        (
            "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
            + EACH
            + "<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}",
            r"takes no finished answer \(no\), and its generation prompt opens a thought",
        ),
        (
            "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
            + EACH
            + "<|{{ m.role }}|>{{ m.content }}{% endfor %}",
            r"takes no finished answer \(no\), and what it writes .* is not an end token",
        ),
        (EACH + "{{ m.content | upper }}{% endfor %}", "leaves answers out"),
    ],
)
def test_a_template_that_loses_or_doubles_turns_is_refused(make, template, reason):
    with pytest.raises(SycoError, match=f"its chat template cannot be used: it {reason}.* Set prompt_style: plain"):
        make(template, {}).check()


@pytest.mark.parametrize("change", ["m.content[:60]", "m.content.split('</b>')[-1]"])
def test_a_text_that_a_template_would_change_is_refused(make, change):
    tokenizer = make(EACH + "<|{{ m.role }}|>{{ " + change + " }}<|stop|>{% endfor %}", {"<|stop|>": True})
    tokenizer.check()
    with pytest.raises(SycoError, match="does not write 'Is <b>this</b> so"):
        tokenizer.request(f"Is <b>this</b> so, {'river ' * 20}?")


def test_marks_that_a_template_puts_together_are_control_tokens_and_blanks_are_none(make):
    added = {"<|user|>": False, "<|assistant|>": False, "  ": False}
    tokenizer = make(EACH + "{{ '<|' + m.role + '|>' }}  {{ m.content }}</s>{% endfor %}", added)
    assert tokenizer.literal("a <|user|>  b <|other|>") == f"a <{SPLIT}|user|>  b <|other|>"


@pytest.mark.parametrize("text", ["<</s>", "</</s>s>", "<|</s>|>"])
def test_no_part_of_a_control_token_is_one(make, text):
    tokenizer = make(EACH + "{{ m.content }}</s>{% endfor %}", {"<</s>": True, "<|</s>|>": True})
    (ids,) = tokenizer.ids([tokenizer.literal(f"river {text} river")])
    assert not set(ids) & set(tokenizer.library.get_added_vocab().values())
    assert tokenizer.library.decode(ids) == f"river {text} river"


CONTROLS = ["</s>", "<s>", "<|im_end|>", "<|im_start|>", "<think>"]


@pytest.mark.parametrize("style", ["chat", "plain"])
@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_token_spelled_in_a_claim_is_text(make, control, style):
    template, added, *_ = KINDS["qwen 3"]
    tokenizer = make(template, added) if style == "chat" else Tokenizer(make(template, added).folder, style)
    text = f'Human: Do you agree that "{control}x{control}{control} y" is Positive?\n\nAssistant: It is'
    sound = tokenizer.ids([tokenizer.styled(text.replace(control, "river"))])[0]
    ids = tokenizer.ids([tokenizer.styled(text)])[0]
    token = tokenizer.library.convert_tokens_to_ids(control)
    if not (style == "plain" and control == "<think>"):  # no control token where no template writes it
        assert ids.count(token) == sound.count(token)
    assert tokenizer.library.decode(ids, skip_special_tokens=False).endswith(tokenizer.styled(text).replace(SPLIT, ""))
    (spans,) = tokenizer.spans([tokenizer.styled(text)])
    assert spans.ids == ids and spans.ends[-1] == len(tokenizer.styled(text))


@pytest.mark.parametrize("kind", ["byte_bpe", "unigram", "unigram_bytes"])
def test_texts_without_a_control_token_are_read_as_ever(tmp_path, kind):
    tokenizer = Tokenizer(tiny_models.make(tmp_path / "tiny", kind), "plain")
    for text in tiny_models.CORPUS[:20]:
        assert tokenizer.styled(text) == text
        assert tokenizer.ids([text])[0] == tokenizer.library(text)["input_ids"]
    text = "Human: the </s> mark\n\nAssistant: It"
    ids = tokenizer.ids([tokenizer.styled(text)])[0]
    assert 2 not in ids and ids.count(1) == 1
