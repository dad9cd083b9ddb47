"""Label names as upstream states them: whatever a card or a schema holds, it is a statement, none, or one line."""

import json
import os
import time

import pyarrow as pa
import pytest

from syco_data.acquire import label_names
from syco_data.errors import SycoError
from syco_data.sources import SOURCES

SST2 = SOURCES["sst2"]
SOUND = """dataset_info:
  features:
  - {name: sentence, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': negative, '1': positive}}}
"""
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9))
NAMES = "dataset_info: {features: [{name: label, dtype: {class_label: {names: NAMES}}}]}\n"
SILENT = {
    "date": SOUND + "released: 2026-13-45\n",
    "digits": SOUND + "size: " + "9" * 5000 + "\n",
    "bool": SOUND + "gated: !!bool x\n",
    "timestamp": SOUND + "released: !!timestamp x\n",
    "deep": SOUND + "tags: " + "[" * 5000 + "\n",
    "itself": "a: &a [*a]\n" + SOUND,
    "bomb": BOMB + SOUND.replace("{'0': negative, '1': positive}", "*a9"),
    "features that are a number": "dataset_info: {features: 5}\n",
    "features that are a mapping": "dataset_info: {features: {name: label}}\n",
    "infos of other kinds": "dataset_info: [5, null, [a]]\n",
    "a label that is a word": "dataset_info: {features: [{name: label, dtype: {class_label: x}}]}\n",
    "names that are a number": NAMES.replace("NAMES", "7"),
    "large": SOUND + "# " + "x" * (1 << 20) + "\n",
}


def card(tmp_path, head: str):
    path = tmp_path / "README.md"
    path.write_bytes(f"---\n{head}---\n# A data set\n".encode())
    return path


def test_a_sound_card_names_the_labels(tmp_path):
    sound = label_names.Statement("README.md", ("negative", "positive"))
    path = card(tmp_path, SOUND)
    assert label_names.of_card(path, SST2) == sound and sound.agrees_with(SST2)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert label_names.of_card(path, SST2) == sound


@pytest.mark.parametrize("case", SILENT)
def test_a_card_that_is_odd_states_nothing(tmp_path, case):
    started = time.monotonic()
    assert label_names.of_card(card(tmp_path, SILENT[case]), SST2) is None
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "names", ["{'\u00b2': a, '0': b}", "{'\u0661': a}", f"{{'{'9' * 90}': a}}", "{x: a}", "{1: a, 0: [b]}"]
)
def test_names_by_odd_ids_never_agree(tmp_path, names):
    statement = label_names.of_card(card(tmp_path, NAMES.replace("NAMES", names)), SST2)
    assert not statement.agrees_with(SST2) and max(map(len, statement.names)) <= 200


def test_a_statement_is_no_longer_than_anyone_reads(tmp_path):
    names = json.dumps(["x" * 500] * 300 + [["y"] * 500])
    statement = label_names.of_card(card(tmp_path, NAMES.replace("NAMES", names)), SST2)
    assert len(statement.names) == 200 and max(map(len, statement.names)) == 200


def test_a_card_of_blank_lines_is_read_at_once(tmp_path):
    for head in ("\n" * 300_000, "\n---" + " " * 300_000 + "x", "\n--- x" * 100_000):
        started = time.monotonic()
        assert label_names.of_card(card(tmp_path, head), SST2) is None
        (tmp_path / "README.md").write_text("---" + head, encoding="utf-8")
        assert label_names.of_card(tmp_path / "README.md", SST2) is None
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "nowhere", "huge"])
def test_a_card_that_is_not_a_file_to_read_is_one_line(tmp_path, kind):
    path = tmp_path / "README.md"
    make = {
        "folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero"),
        "nowhere": lambda: path.symlink_to("gone"), "huge": lambda: path.write_bytes(b"x" * (3 << 20)),
    }  # fmt: skip
    make[kind]()
    with pytest.raises(SycoError, match=r"README\.md") as refused:
        label_names.of_card(path, SST2)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "metadata",
    [
        b"[" * 100_000, b"\xff", b"5", b"null", b"[]", b'{"info": 5}', b'{"info": {"features": [1]}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": 5}}}}', b'{"info": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_metadata_that_is_odd_states_nothing(metadata):
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": metadata})
    assert label_names.of_schema("a.parquet", schema, "label") is None


def test_sound_metadata_names_the_labels():
    label = {"_type": "ClassLabel", "names": ["negative", "positive"]}
    metadata = json.dumps({"info": {"features": {"label": label}}}).encode()
    schema = pa.schema([("label", pa.int64())], metadata={b"huggingface": metadata})
    assert label_names.of_schema("a.parquet", schema, "label").names == ("negative", "positive")
