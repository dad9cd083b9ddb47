"""YAML and JSON of others: a value, or one line."""

import time

import pytest
from ruamel.yaml import YAML

from syco_data.errors import SycoError
from syco_data.formats import documents

BOMB = "x: &x [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("xabcdefgh", "abcdefghi", strict=True)
)
HOSTILE = {
    "brackets": "[" * 5000,
    "questions": "? " * 5000,
    "anchors": "&a " * 3000,
    "impossible date": "a: 2026-13-45",
    "digits": "a: " + "9" * 5000,
    "hex digits": "a: 0x" + "f" * 100_000,
    "base 60": "a: 1" + ":1" * 10_000,
    "bool": "a: !!bool x",
    "timestamp": "a: !!timestamp x",
    "int": "a: !!int x",
    "binary": "a: !!binary x",
    "object": "a: !!python/object/apply:os.system [ls]",
    "itself": "a: &a [*a]",
    "itself in a mapping": "a: &a {b: {c: *a}}",
    "bomb": BOMB,
    "twice": "a: 1\na: 2",
    "twice below": "a:\n- b: 1\n  'b': 2",
    "two documents": "a: 1\n---\nb: 2",
    "merge of a number": "<<: 3",
    "list as a key": "? [1, 2]\n: 3",
    "NUL": "a: \x00",
    "tab": "\t- a",
    "version": "%YAML 9.9\n---\na: 1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_line_at_once(name):
    begun = time.monotonic()
    with pytest.raises(SycoError, match=r"^params\.yaml") as error:
        documents.parse_yaml(HOSTILE[name], "params.yaml")
    assert time.monotonic() - begun < 5
    assert len(str(error.value)) < 600 and "\n" not in str(error.value)


def test_the_line_of_an_error_is_named():
    for text in ("a: 1\nb: 2026-13-45\n", "a: 1\na: 2\n", "a: 1\nb: &b [*b]\n", f"a: 1\nb: {'9' * 200}\n"):
        with pytest.raises(SycoError, match="line 2"):
            documents.parse_yaml(text, "params.yaml")


def test_ordinary_yaml_is_read_as_before():
    text = "base: &base {rows: 5}\nmine: {<<: *base, name: x}\nnone: null\nshare: 0.5\n'1': a\n1: b\n"
    assert documents.parse_yaml(text, "x") == {
        "base": {"rows": 5}, "mine": {"rows": 5, "name": "x"}, "none": None, "share": 0.5, "1": "a", 1: "b",
    }  # fmt: skip
    assert documents.parse_yaml("", "x") is None


def test_a_yaml_text_above_the_bound_is_refused():
    with pytest.raises(SycoError, match="at most 10 are read"):
        documents.parse_yaml("a: 1234567890", "x", largest=10)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "{",
        "NaN",
        "[Infinity]",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        "1" * 5000,
        "",
    ],
)
def test_hostile_json_is_one_line(content):
    with pytest.raises(SycoError, match=r"^about\.json is not valid JSON") as error:
        documents.parse_json(content, "about.json")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("word", ["010", "-010", "0_7", "1:30", "1:30.5", "yes", "No", "ON", "off"])
def test_a_word_that_dvc_reads_otherwise_is_refused_in_a_file(tmp_path, word):
    path = tmp_path / "params.yaml"
    path.write_text(f"a: 1\nrows: {word}\n")
    with pytest.raises(SycoError, match="in line 2 is one value to us and another to DVC"):
        documents.read_yaml(path)
    path.write_text(f"a: 1\nrows: '{word}'\n")
    assert documents.read_yaml(path) == {"a": 1, "rows": word}


@pytest.mark.parametrize(
    "word", ["0", "10", "-1", "0.5", "1_000", "0x1F", "true", "False", "none", "not", "on_it", "a:30"]
)
def test_words_that_both_readers_take_alike_are_taken(tmp_path, word):
    path = tmp_path / "params.yaml"
    path.write_text(f"rows: {word}\n")
    assert documents.read_yaml(path) == YAML(typ="safe").load(path.read_text())
