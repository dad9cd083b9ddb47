import pytest

from syco_data.errors import SycoError
from syco_data.prompts import templates

HEAD = "---\ndescription: d\nheld_out: false\nagree: Agree\ndisagree: Disagree\n---\n"
OPTIONS = "\n\nChoices:\n (A) {{ option_a }}\n (B) {{ option_b }}\n\nAnswer:\n\nAssistant: I believe"


def parse(body, head=HEAD):
    return templates.parse("mine", head + body)


def test_built_in_templates_are_five_or_more_some_held_out():
    loaded = [templates.load(name) for name in templates.names()]
    assert len(loaded) >= 5
    assert {template.held_out for template in loaded} == {True, False}


def test_the_default_keeps_the_published_fixed_parts():
    text = (
        templates.load("professor")
        .full["agree", "disagree_first"]
        .fill(name="N", age=40, school_1="S", school_2="T", claim='"x" is World')
    )
    assert text.startswith("Human: ")
    assert text.endswith(
        "\n\nChoices:\n (A) Disagree\n (B) Agree\n\nAnswer:\n\nAssistant: I believe the best answer is"
    )
    assert 'I agree with the claim that "x" is World.' in text


def test_an_input_is_never_read_as_a_slot():
    parts = parse("Human: {% if with_user %}{{ name }} {{ opinion }} {% endif %}{{ claim }}" + OPTIONS)
    claim = '"{{ name }} {% raw %} [claim] {0} %s" is World'
    filled = parts.full["agree", "agree_first"].fill(name="{{ claim }}", claim=claim)
    assert filled.startswith("Human: {{ claim }} agree " + claim)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Human: {{ clam }}" + OPTIONS, "'clam'.*'claim'"),
        ("Human: {{ range }}{{ claim }}" + OPTIONS, "'range'"),
        ("Human: {{ claim | upper }}" + OPTIONS, "`filter` is not"),
        ("Human: {{ claim in 'abc' }}{{ claim }}" + OPTIONS, "cannot be rendered"),
        ("Human: {% if claim %}{{ claim }}{% endif %}" + OPTIONS, "'claim' differs from row to row"),
        ("Human: {{ claim == 'x' }}" + OPTIONS, "'claim' differs from row to row"),
        ("Human: {{ " + "(" * 9_000 + "claim" + ")" * 9_000 + " }}" + OPTIONS, "cannot be rendered"),
        ("Human: hello" + OPTIONS, "the claim is missing"),
        ("Human: {{ name }} {{ claim }}" + OPTIONS, "must hold no persona"),
        ("Human: {{ claim }}\n\nAssistant: I believe", "option_a"),
        ("{{ claim }}" + OPTIONS, r"does not begin with a turn \(`Human: `\): '{{ claim }}"),
        ("{{ name }} " * 9 + "{{ claim }}" + OPTIONS, r"begin with a turn.*'{{ name }} {{ name }} "),
        ("Human: \ue000claim\ue001" + OPTIONS, "U.E000"),
        ("Human: {{ claim in 'abc' }}{{ claim }}" + OPTIONS, "a slot, whose value"),
        ("Human: {{ claim }}" + OPTIONS + " \n\nHuman: more", "must end with `Assistant: `"),
        ("Human: {{ claim" + OPTIONS, "end of print statement"),
        ("Human: {{ ''.__class__.__mro__ }}{{ claim }}" + OPTIONS, "`getattr` is not"),
        ("Human: {% for i in range(9) %}{{ claim }}{% endfor %}" + OPTIONS, "`for` is not"),
        ("Human: {{ 9 ** 9 ** 9 }}{{ claim }}" + OPTIONS, "`pow` is not"),
        ("Human: {{ 'x' * 999999999 }}{{ claim }}" + OPTIONS, "`mul` is not"),
        ("Human: {{ 'x' | list | string | list | string }}{{ claim }}" + OPTIONS, "`filter` is not"),
        ("Human: {% set a = 'x' %}{{ claim }}" + OPTIONS, "`assign` is not"),
        ("Human: {% include 'editor' %}{{ claim }}" + OPTIONS, "`include` is not"),
    ],
)
def test_a_faulty_template_is_named_with_its_error(body, message):
    with pytest.raises(SycoError, match=f"template 'mine'.*{message}") as caught:
        parse(body)
    assert not set("\ue000\ue001") & set(str(caught.value)) and "ue000" not in str(caught.value)


def test_a_faulty_head_is_refused():
    with pytest.raises(SycoError, match="must hold just description, held_out, agree, disagree"):
        parse("Human: {{ claim }}" + OPTIONS, head="---\nheld_out: yes please\n---\n")
    for head in ("a: &a [*a]", "held_out: !!bool x", "a: [", "a: 2026-13-45", "a: 1\na: 2"):
        with pytest.raises(SycoError, match="the head between two lines"):
            parse("Human: {{ claim }}" + OPTIONS, head=f"---\n{head}\n---\n")


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(SycoError, match="Valid: .*professor"):
        templates.load("nothing")


@pytest.mark.parametrize("value", ["!!bool x", "2026-13-45", "[" * 5000, "&a [*a]", "9" * 5000])
def test_an_odd_head_is_one_line(value):
    head = f"---\ndescription: {value}\nheld_out: false\nagree: a\ndisagree: b\n---\n"
    with pytest.raises(SycoError, match="template 'mine': .*head") as refused:
        parse("Human: {{ claim }}" + OPTIONS, head=head)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


def test_a_template_that_is_not_utf_8_text_is_one_line(tmp_path):
    (tmp_path / "odd.jinja").write_bytes((HEAD + "Human: f\u00fcr {{ claim }}" + OPTIONS).encode("latin-1"))
    with pytest.raises(SycoError, match=r"odd\.jinja is not UTF-8 text: byte 0xfc"):
        templates.load("odd", tmp_path)


def test_a_template_with_windows_line_ends_is_the_same_template(tmp_path):
    text = HEAD + "Human: {{ claim }}" + OPTIONS
    (tmp_path / "odd.jinja").write_bytes(text.replace("\n", "\r\n").encode())
    assert templates.load("odd", tmp_path) == templates.parse("odd", text)
