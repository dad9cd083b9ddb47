import difflib
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.acquire import lock
from syco_data.acquire.lock import Lock
from syco_data.errors import SycoError

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("default.yaml"))]
# Digits only, and digits around one "e", are numbers to some readers of YAML.
COMMITS = {"sst2": "ab" * 20, "mnli": "12345678901234567890" * 2, "trec": "1e" + "7" * 38}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_only_the_revisions_of_a_file_change(path):
    before = path.read_text(encoding="utf-8")
    after = lock.rewritten(before, COMMITS)
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    assert sum(line.startswith("+") for line in lines) == sum(line.startswith("-") for line in lines) == 3
    assert before.count("#") == after.count("#")
    expected = yaml.safe_load(before)
    for key, commit in COMMITS.items():
        expected["sources"][key]["revision"] = commit
    assert yaml.safe_load(after) == expected
    assert lock.rewritten(after, COMMITS) == after


def test_other_styles_of_writing_a_revision_are_edited_too():
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(values, default_flow_style=False)
    for style in (text, text.replace("revision: main", "revision: 'main'  # a comment")):
        after = lock.rewritten(style, COMMITS)
        assert settings.parse(yaml.safe_load(after)).sources["sst2"].revision == COMMITS["sst2"]
        assert after.count("# a comment") == style.count("# a comment")


def test_a_value_that_others_share_is_not_edited_behind_their_back(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    shared = text.replace("sst2: {revision: main", "sst2: {revision: &tip main").replace(
        "cola: {revision: main", "cola: {revision: *tip"
    )
    assert shared.count("tip") == 2
    params = tmp_path / "params.yaml"
    params.write_text(shared, encoding="utf-8")
    with pytest.raises(SycoError, match=r"of cola cannot be edited in place.*by hand: cola: abab"):
        lock.write([Lock("cola", "main", "ab" * 20)], params)
    assert params.read_text(encoding="utf-8") == shared
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_writing_is_whole_and_leaves_nothing_else(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    lock.write([Lock(key, "main", commit) for key, commit in COMMITS.items()], params)
    assert settings.load(params).sources["trec"].revision == COMMITS["trec"]
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_value_that_comes_from_elsewhere_is_asked_for_in_its_own_place():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    merged = text.replace("sst2: {revision: main", "sst2: &first {revision: main").replace(
        "cola: {revision: main,", "cola: {<<: *first,"
    )
    with pytest.raises(SycoError, match=r"sources\.cola\.revision does not stand in its own place"):
        lock.rewritten(merged, {"cola": "ab" * 20})


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r\n", 40).rstrip(b"\n"),
        lambda text: text.replace(b"# Every", "# \u00fc\U0001f600 Every".encode()),
    ],
    ids=["windows", "mark", "mixed_without_a_last_end", "wide_characters"],
)
def test_every_other_byte_stays(tmp_path, form):
    params = tmp_path / "params.yaml"
    before = form((ROOT / "params.yaml").read_bytes())
    params.write_bytes(before)
    params.chmod(0o604)
    lock.write([Lock("sst2", "main", COMMITS["sst2"])], params)
    new = f'sst2: {{revision: "{COMMITS["sst2"]}"'.encode()
    assert params.read_bytes() == before.replace(b"sst2: {revision: main", new) != before
    assert params.stat().st_mode & 0o777 == 0o604


def test_a_link_is_kept(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "params.yaml"
    real.write_bytes((ROOT / "params.yaml").read_bytes())
    link.symlink_to("real.yaml")
    lock.write([Lock("sst2", "main", COMMITS["sst2"])], link)
    assert link.is_symlink() and settings.load(real).sources["sst2"].revision == COMMITS["sst2"]
