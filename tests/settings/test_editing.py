"""Commands edit params.yaml in place: what they do not name stays to the byte."""

import difflib
import errno
import time
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.commands import profiles
from syco_data.errors import SycoError
from syco_data.settings.editing import editing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def changed(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def test_one_value_is_one_line(params):
    before = params.read_text(encoding="utf-8")
    with editing(params) as values:
        values["probes"]["surveys"]["rows"] = 151
    assert changed(before, params.read_text(encoding="utf-8")) == [
        "-     rows: 150 # of each survey", "+     rows: 151 # of each survey",
    ]  # fmt: skip


def test_a_new_model_adds_its_lines_and_its_name(params):
    before = params.read_text(encoding="utf-8")
    record = {"source": "./here", "revision": None, "prompt_style": "auto", "dtype": "float32"}
    with editing(params) as values:
        values["models"].insert(0, "mine", record)
        values["build"]["models"].append("mine")
    after = params.read_text(encoding="utf-8")
    assert after.count("\n\narms:") == 1
    assert changed(before, after) == [
        "-   models: [reference]", "+   models: [reference, mine]",
        "+   mine:", "+     source: ./here", "+     revision: null", "+     prompt_style: auto", "+     dtype: float32",
    ]  # fmt: skip


def test_an_edit_that_would_be_refused_is_not_written(params):
    before = params.read_text(encoding="utf-8")
    with pytest.raises(SycoError, match="probes.surveys.rows"), editing(params) as values:
        values["probes"]["surveys"]["rows"] = "many"
    assert params.read_text(encoding="utf-8") == before
    assert [path.name for path in params.parent.iterdir()] == ["params.yaml"]


def test_a_profile_changes_the_lines_that_it_names(monkeypatch):
    monkeypatch.chdir(ROOT)
    default = (ROOT / "profiles/default.yaml").read_text(encoding="utf-8")
    merged = profiles._text("real")
    assert len(changed(default, merged)) <= 2 * 3 + 2
    assert settings.parse(yaml.safe_load(merged)).prompts.rows == 20000


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def mixed(text: str) -> bytes:
    """Line ends of both kinds in turn."""
    lines = text.splitlines()
    return "".join(line + ("\r\n" if number % 2 else "\n") for number, line in enumerate(lines)).encode()


FORMS = {
    "unix": str.encode,
    "windows": crlf,
    "mixed": mixed,
    "mark": lambda text: b"\xef\xbb\xbf" + crlf(text),
    "no_last_line_end": lambda text: crlf(text)[:-2],
    "old_mac": lambda text: text.replace("\n", "\r").encode(),
    "odd_layout": lambda text: text.replace("rows: 150 #", "rows:    150     #").replace("[reference]", "[ reference ]")
    .replace("gate: #", "gate:     #").encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_other_byte_stays(tmp_path, form):
    path, text = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_bytes(before := FORMS[form](text))
    with editing(path) as values:
        values["models"]["reference"]["dtype"] = "bfloat16"
    assert path.read_bytes() == before.replace(b"dtype: float32", b"dtype: bfloat16", 1)


@pytest.mark.parametrize("form", FORMS)
def test_new_lines_end_like_their_neighbours(tmp_path, form):
    path, text = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_bytes(before := FORMS[form](text))
    with editing(path) as values:
        values["models"].insert(0, "mine", dict(values["models"]["reference"]))
    after = path.read_bytes()
    assert after.count(b"\n") - before.count(b"\n") == (0 if form == "old_mac" else 5)
    new = after.split(b"models:")[2].split(b"reference:")[0]
    assert [line.rstrip(b"\r\n").strip() for line in new.splitlines()] == [
        b"", b"mine:", b"source: reference", b"revision: null", b"prompt_style: plain", b"dtype: float32", b"",
    ]  # fmt: skip
    rest = after.replace(b"models:" + new, b"models:" + new[: new.index(b"mine")], 2)
    assert rest == before or form == "mixed"


def test_a_last_line_without_an_end_stays_the_last(params):
    params.write_bytes(crlf(params.read_text(encoding="utf-8"))[:-2])
    with editing(params) as values:
        values["report"]["scale"] = 3
    assert params.read_bytes().endswith(
        b"10 # answers that changed, to be read\r\n  scale: 3 # pixels of a PNG for one of the SVG"
    )


def test_a_last_line_without_an_end_gets_one_when_others_follow(params):
    text = params.read_text(encoding="utf-8")
    before, rest = text.split("models:\n  reference:")
    record, after = rest.split("\n\n", 1)
    params.write_bytes(crlf(f"{before}{after}\nmodels:\n  reference:{record}"))
    with editing(params) as values:
        values["models"]["mine"] = dict(values["models"]["reference"])
    new = ("    dtype: float32", "  mine:", "    source: reference", "    revision: null", "    prompt_style: plain")
    assert params.read_bytes().endswith("\r\n".join((*new, "    dtype: float32")).encode())


def test_a_link_is_kept_and_its_file_keeps_its_mode(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere/shared.yaml", tmp_path / "params.yaml"
    real.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    with editing(link) as values:
        values["seed"] = 7
    assert link.is_symlink() and settings.load(real).seed == 7 and real.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in real.parent.iterdir()] == ["shared.yaml"]


def test_a_full_disk_leaves_the_old_file(params, monkeypatch):
    before = params.read_bytes()

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:4096])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SycoError, match="could not be written: the disk is full"), editing(params) as values:
        values["seed"] = 7
    assert params.read_bytes() == before and [path.name for path in params.parent.iterdir()] == ["params.yaml"]


def test_a_layout_that_cannot_be_kept_is_not_called_invalid(params):
    """Indents of four spaces are valid YAML, and the lines that an editor adds are none beside them."""
    before = yaml.safe_dump(yaml.safe_load(params.read_text(encoding="utf-8")), indent=4, sort_keys=False)
    params.write_text(before, encoding="utf-8")
    record = {"source": "./here", "revision": None, "prompt_style": "auto", "dtype": "float32"}
    with pytest.raises(SycoError, match="cannot be edited in its layout. Write the value"), editing(params) as values:
        values["models"].insert(0, "mine", record)
    assert params.read_text(encoding="utf-8") == before


def test_a_bomb_is_refused_before_the_editor_reads_it(params):
    levels = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9))
    params.write_text("a0: &a0 [x, x]\n" + levels, encoding="utf-8")
    with pytest.raises(SycoError, match="aliases are written out"), editing(params):
        pass


def test_a_name_that_differs_in_case_alone_is_not_written(params):
    before = params.read_bytes()
    with (
        pytest.raises(SycoError, match="'reference' differs from 'Reference'"),
        editing(params) as values,
    ):
        values["models"].insert(0, "Reference", dict(values["models"]["reference"]))
    assert params.read_bytes() == before


def test_a_file_of_many_lines_is_refused_at_once(params):
    params.write_bytes(params.read_bytes() + b"\n" * 900_000)
    started = time.monotonic()
    with pytest.raises(SycoError, match="lines, a command edits at most 5,000"), editing(params):
        pass
    assert time.monotonic() - started < 3
