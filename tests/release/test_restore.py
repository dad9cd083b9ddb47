"""A release without texts comes back word for word, and nothing else passes for it."""

import os
import subprocess
import sys

import polars as pl
import pytest

from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.release import manifest, release, restore, verification
from syco_data.release.restore import Places
from syco_data.release.tables import TEXTS
from tests.support.tables_for_tests import KEYS, Made, shared_build, shared_release, small_settings

NOWHERE = Places(None, None)


def released(target, **changes: dict):
    """The shared build, released under other settings."""
    build = Made(shared_build().folder, small_settings(**changes))
    release.write_release(build.build, build.settings, target, diffing.bump)
    return target


def rebuilt(folder) -> restore.Texts:
    record = manifest.read(folder)
    recipe = restore.recipe(record, folder, NOWHERE)
    raw = restore.raw_rows(record, recipe)
    return restore.texts(restore.training(raw), restore.materials(raw, recipe), recipe)


def test_a_text_free_release_holds_no_word_of_a_source(tmp_path):
    folder = released(tmp_path / "free", release={"text": "none"})
    record = manifest.read(folder)
    assert record.text == "none" and verification.verify(folder).problems == ()
    inputs = pl.read_parquet(shared_build().tables.claims)["input"].to_list()
    rows = pl.read_parquet(folder / "candidates/train.parquet")
    assert rows["prompt"].null_count() == len(rows) and rows["name"].null_count() == 0
    for file in record.tables:
        df = pl.read_parquet(folder / file.path)
        words = (
            "\n".join(str(value) for row in df.filter(pl.col("source").is_in(KEYS)).rows() for value in row)
            if ("source" in df.columns)
            else ""
        )
        assert not [text for text in inputs if text in words], file.path
        if file.table.schema_name in TEXTS:
            whole = next(one for one in manifest.read(shared_release()).tables if one.path == file.path)
            assert file.table.full_content == whole.table.content != file.table.content


def test_the_command_rebuilds_the_very_same_rows(tmp_path):
    folder, back = released(tmp_path / "free", release={"text": "none"}), tmp_path / "back"
    result = subprocess.run(
        [sys.executable, "-m", "syco_data", "restore", str(folder), "--to", str(back)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert verification.verify(back).problems == ()
    whole, restored = manifest.read(shared_release()), manifest.read(back)
    assert restored.text == "full"
    assert {f.path: f.table.content for f in whole.tables} == {f.path: f.table.content for f in restored.tables}
    for file in whole.tables:
        assert (back / file.path).read_bytes() == (shared_release() / file.path).read_bytes()
    cards = [(place / "README.md").read_text(encoding="utf-8") for place in (folder, back)]
    assert ["Texts are left out" in card for card in cards] == [True, False]
    assert [card.count("| left out |") for card in cards] == [len(KEYS), 0]
    assert [card.count("| included |") for card in cards] == [0, len(KEYS)]


def test_one_source_without_texts(tmp_path):
    licences = {key: {"revision": "main", "licence": "no_text" if key == "qqp" else "allow"} for key in KEYS}
    folder = released(tmp_path / "partial", sources=licences)
    rows = pl.read_parquet(folder / "candidates/train.parquet")
    assert set(rows.filter(pl.col("prompt").is_null())["source"]) == {"qqp"}
    assert rows.filter(pl.col("source") == "qqp")["prompt"].null_count() == (rows["source"] == "qqp").sum()
    restore.restore(folder, tmp_path / "back", rebuilt(folder))
    whole = pl.read_parquet(shared_release() / "candidates/train.parquet")
    assert pl.read_parquet(tmp_path / "back/candidates/train.parquet").equals(whole)


def test_other_sources_are_refused_and_nothing_is_left_behind(tmp_path):
    folder = released(tmp_path / "free", release={"text": "none"})
    result = rebuilt(folder)
    other = restore.Texts(
        result.candidates.with_columns(prompt=pl.col("prompt").str.replace("the", "a", literal=True)), result.probes
    )
    with pytest.raises(SycoError, match=r"other texts than the release had.*sources check"):
        restore.restore(folder, tmp_path / "back", other)
    missing = restore.Texts(result.candidates.head(3), result.probes)
    with pytest.raises(SycoError, match="other texts"):
        restore.restore(folder, tmp_path / "back", missing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free"]


def test_nothing_is_overwritten_and_a_whole_release_needs_no_restoring(tmp_path):
    folder = released(tmp_path / "free", release={"text": "none"})
    (tmp_path / "back").mkdir()
    texts = restore.Texts(pl.DataFrame(), pl.DataFrame())
    with pytest.raises(SycoError, match="is there already"):
        restore.restore(folder, tmp_path / "back", texts)
    with pytest.raises(SycoError, match="holds all its texts"):
        restore.restore(shared_release(), tmp_path / "other", texts)


def test_only_the_licence_table_is_rewritten():
    row = "| sst2 | [a](b) | none | other | left out | A |"
    card = f"| x | left out |\n\n## Licence\n\nmine: left out\n\n## Licence\n\n{row}\n\n## Changes\n\n{row}\n"
    first, last = card.rsplit(row, 1)
    assert restore._with_texts(card) == first.replace(row, row.replace("left out", "included")) + row + last


@pytest.mark.parametrize(("source", "target"), [("free", "free/x"), ("free", "free/x/y")])
def test_the_release_that_is_read_is_not_written_into(tmp_path, source, target):
    folder = released(tmp_path / source, release={"text": "none"})
    before = sorted(folder.rglob("*"))
    result = restore.Texts(pl.DataFrame(), pl.DataFrame())
    with pytest.raises(SycoError, match="must not lie in, or hold,"):
        restore.restore(folder, tmp_path / target, result)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("target", ["/proc/zz", "file/y"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, target):
    folder = released(tmp_path / "free", release={"text": "none"})
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    result = restore.Texts(pl.DataFrame(), pl.DataFrame())
    with pytest.raises(SycoError, match="could not be written"):
        restore.restore(folder, tmp_path / target, result)


def test_a_release_that_was_tampered_with_is_not_restored(tmp_path):
    folder = released(tmp_path / "free", release={"text": "none"})
    (folder / "recipe/templates/plain.jinja").write_text("other")
    result = subprocess.run(
        [sys.executable, "-m", "syco_data", "restore", str(folder), "--to", str(tmp_path / "back")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2 and "plain.jinja" in result.stderr and not (tmp_path / "back").exists()


def test_settings_that_are_not_settings(tmp_path):
    folder = released(tmp_path / "free", release={"text": "none"})
    record = manifest.read(folder)
    broken = record.model_copy(update={"settings": {**record.settings, "claims": {"other_share": "much"}}})
    with pytest.raises(SycoError, match="claims"):
        restore.recipe(broken, folder, NOWHERE)
    with pytest.raises(SycoError, match="settings cannot be read"):
        restore.recipe(record.model_copy(update={"settings": {}}), folder, NOWHERE)
