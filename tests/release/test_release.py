"""A release says what the build holds, loads everywhere, and is the same bytes twice."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from syco_data import schemas, tables
from syco_data.diff import diffing
from syco_data.errors import SycoError
from syco_data.release import cards, manifest, release, verification
from syco_data.release import tables as released
from syco_data.release.tables import SCHEMAS
from tests.support.tables_for_tests import (
    MODEL,
    Made,
    copy_of_release,
    make,
    plain_reports,
    shared_build,
    shared_release,
    small_settings,
)

OFFLINE = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def rebuilt(target: Path, build: Made, **changes: object) -> manifest.Manifest:
    """A release of a finished build under other settings of stage release."""
    params = build.settings.model_copy(update={"release": build.settings.release.model_copy(update=changes)})
    return release.write_release(build.build, params, target, diffing.bump)


def snippet(folder: Path) -> str:
    """The card's own way to load a release."""
    return (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def test_the_manifest_names_every_file_and_no_other():
    folder = shared_release()
    lying = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    record = manifest.read(folder)
    assert {file.path for file in record.files} == lying - {"manifest.json"}
    for file in record.files:
        assert manifest.digest_of(folder / file.path) == file.sha256
        assert (folder / file.path).stat().st_size == file.bytes


def test_tables_hold_the_rows_of_the_build():
    build, folder = shared_build(), shared_release()
    rows = tables.read(build.tables.prompts, schemas.PROMPTS)
    candidates = pl.read_parquet(folder / "candidates/train.parquet")
    assert candidates.select(schemas.PROMPTS.names).equals(rows)
    claims = tables.read(build.tables.claims, schemas.CLAIMS)
    joined = candidates.join(claims, on="claim_id", suffix="_there")
    assert len(joined) == len(rows)
    for name in ("row", "label", "gold_label", "claim"):
        assert (joined[name] == joined[f"{name}_there"]).all()
    for (model, arm), path in build.tables.train.items():
        released = pl.read_parquet(folder / f"{model}-{arm}/train.parquet")
        assert released.select(schemas.TRAIN.names).equals(tables.read(path, schemas.TRAIN))
        assert (released["completion"].str.strip_chars_start() == released.join(rows, on="prompt_id")["answer"]).all()


def test_every_dropped_row_is_there_with_its_reason():
    build = shared_build()
    dropped = pl.read_parquet(shared_release() / "dropped/train.parquet")
    assert dropped["dropped_id"].is_unique().all()
    by_stage = dict(dropped.group_by("stage").len().iter_rows())
    places = build.tables
    assert by_stage == {
        "claims": len(pl.read_parquet(places.dropped_rows)),
        "prompts": len(pl.read_parquet(places.not_sampled)),
        "probes": len(pl.read_parquet(places.unused_probes)),
        "select": sum(len(pl.read_parquet(path)) for path in places.dropped_prompts.values()),
    }


def test_held_out_rows_are_asked_like_training_rows_and_share_no_claim():
    folder = shared_release()
    train = pl.read_parquet(folder / f"{MODEL}-balanced/train.parquet")
    held_out = pl.read_parquet(folder / f"{MODEL}-balanced/held_out.parquet")
    assert len(held_out) > 0 and held_out.schema == train.schema
    assert set(held_out["template"]) <= set(train["template"])
    assert not set(held_out["prompt"]) & set(train["prompt"])
    agrees = (held_out["option_order"] == "agree_first") == (held_out["completion"] == " (A)")
    assert (agrees == held_out["truth"]).all()


def test_text_id_changes_with_a_text_and_with_nothing_else():
    from syco_data.release.tables import text_of_id, with_text_id

    rows = pl.read_parquet(shared_release() / "candidates/train.parquet").head(50)
    schema = SCHEMAS["released/candidates"]
    again = with_text_id(rows.with_columns(age=pl.col("age") + 1), schema)
    assert (again["text_id"] == rows["text_id"]).all()
    other = with_text_id(rows.with_columns(prompt=pl.col("prompt") + " "), schema)
    assert not set(other["text_id"]) & set(rows["text_id"])
    for name, alike in (("claim", True), ("prompt", False), ("stripped_prompt", True)):
        part = text_of_id(pl.col("text_id"), schema.name, name)
        assert (other.select(part).to_series() == rows.select(part).to_series()).all() == alike


def test_a_release_is_the_same_bytes_twice_and_on_other_threads(tmp_path):
    build = shared_build()
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.support.tables_for_tests import Made, small_settings\n"
        "from syco_data.release import release\n"
        "from syco_data.diff import diffing\n"
        "made = Made(Path(sys.argv[1]), small_settings())\n"
        "release.write_release(made.build, made.settings, Path(sys.argv[2]), diffing.bump)\n"
    )
    for threads in ("1", "3"):
        subprocess.run(
            [sys.executable, "-c", script, str(build.folder), str(tmp_path / threads)],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads},
            check=True,
        )
        assert manifest.identity(tmp_path / threads) == manifest.identity(shared_release())


def test_datasets_loads_every_config_and_the_cards_snippet_counts_right(tmp_path):
    folder = shared_release()
    record = manifest.read(folder)
    script = snippet(folder) + (
        "\nimport json\n"
        "from datasets import get_dataset_config_names\n"
        "loaded = {n: load_dataset(release, n) for n in get_dataset_config_names(release)}\n"
        "counts = {f'{n}/{s}': d.num_rows for n, splits in loaded.items() for s, d in splits.items()}\n"
        "features = {n: {c: str(f) for c, f in next(iter(d.values())).features.items()} for n, d in loaded.items()}\n"
        "row = loaded['candidates']['train'][0]\n"
        "print('\\n' + json.dumps([counts, features, row]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder, env={**OFFLINE, "HF_HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = result.stdout.splitlines()
    counts, features, row = json.loads(printed[-1])
    assert counts == {f"{file.table.config}/{file.table.split}": file.table.rows for file in record.tables}
    assert printed[0].startswith(str(record.table(f"{MODEL}-balanced", "train").table.rows))
    assert features["candidates"]["answer"] == "ClassLabel(names=['(A)', '(B)'])"
    assert features["candidates"]["prompt"] == "Value('string')"
    assert features["probes"]["options"] == "List(Value('string'))"
    assert features[f"verdicts-{MODEL}"]["margin"] == "Value('float64')"
    first = pl.read_parquet(folder / "candidates/train.parquet").row(0, named=True)
    assert row["prompt"] == first["prompt"] and row["answer"] == ["(A)", "(B)"].index(first["answer"])


def test_pandas_polars_and_duckdb_read_words():
    import duckdb
    import pandas

    path = shared_release() / "candidates/train.parquet"
    words = set(pl.read_parquet(path)["opinion"])
    assert words == {"agree", "disagree"}
    assert set(pandas.read_parquet(path)["opinion"]) == words
    relation = duckdb.execute("select opinion, count(*) from read_parquet(?) group by 1", [str(path)])
    assert {row[0] for row in relation.fetchall()} == words


def test_files_are_written_with_content_defined_chunks(tmp_path):
    """A row put in front moves no page border behind the next one: most compressed pages stay as they were."""
    from syco_data.release.tables import Place, write_table

    schema = SCHEMAS["released/dropped"]
    rows = pl.DataFrame(
        [(f"{i:032x}", "prompts", None, None, "sst2", None, f"{i * 7919:032x}", None, "not_sampled", None, None)
         for i in range(1, 200_000)],
        schema=schema.columns, orient="row",
    )  # fmt: skip
    more = pl.concat([rows.head(1).with_columns(dropped_id=pl.lit("0" * 32)), rows])
    for name, df in (("a", rows), ("b", more)):
        write_table(iter([df]), schema, Place(name, "train"), tmp_path, [])

    def pieces(name: str) -> set[bytes]:
        content = (tmp_path / name / "train.parquet").read_bytes()
        return {content[i : i + 64] for i in range(0, len(content) - 64)}

    first = (tmp_path / "a/train.parquet").read_bytes()
    sampled = [first[i : i + 64] for i in range(0, len(first) - 64, 4096)]
    there = pieces("b")
    shared = sum(piece in there for piece in sampled)
    assert shared > 0.5 * len(sampled)


def test_no_path_host_or_user_in_a_release():
    build, folder = shared_build(), shared_release()
    words = [str(build.folder), str(Path.home()), os.uname().nodename, str(Path.cwd())]
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in words if len(word) > 3 and word.encode() in content], path


def test_places_of_this_machine_are_left_out_of_the_settings():
    settings = small_settings(prompts={"template_folder": "/somewhere/mine"}, acquire={"directory": "/data/rows"})
    held = settings.model_copy(
        update={"models": {MODEL: settings.models[MODEL].model_copy(update={"source": "/models/mine"})}}
    )
    values = release.portable(held)
    assert "/somewhere" not in json.dumps(values) and "/data/rows" not in json.dumps(values)
    assert values["models"][MODEL]["source"] == "local folder"
    assert values["prompts"]["rows"] == settings.prompts.rows and "publish" not in values


def test_a_killed_or_failing_release_leaves_the_old_one(tmp_path):
    build = shared_build()
    target = tmp_path / "release"
    rebuilt(target, build)
    before = manifest.identity(target)
    torn = replace(build.build, reports=tmp_path / "nowhere")
    with pytest.raises(SycoError, match=r"checks\.json"):
        release.write_release(torn, build.settings, target, diffing.bump)
    assert manifest.identity(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]


class TestVersions:
    @pytest.mark.parametrize(
        ("change", "expected"), [("major", "2.0.0"), ("minor", "1.5.0"), ("patch", "1.4.10"), ("none", "1.4.9")]
    )
    def test_next_version(self, change, expected):
        assert release.next_version("1.4.9", change) == expected

    def test_the_first_version_is_one(self):
        record = manifest.read(shared_release())
        assert (record.version, record.change, record.previous) == ("1.0.0", "first", None)

    def test_nothing_changed_is_the_previous_release_byte_for_byte(self, tmp_path):
        result = rebuilt(tmp_path / "again", shared_build(), previous=str(shared_release()))
        assert result.version == "1.0.0"
        assert manifest.identity(tmp_path / "again") == manifest.identity(shared_release())

    def test_words_written_by_hand_alone_are_a_patch(self, tmp_path):
        card = (shared_release() / "README.md").read_text(encoding="utf-8")
        edited = card.replace(cards.NOTHING_WRITTEN, "Mind the tweets.")
        (tmp_path / "card.md").write_text(edited, encoding="utf-8")
        previous = str(shared_release())
        result = rebuilt(tmp_path / "release", shared_build(), previous=previous, card=str(tmp_path / "card.md"))
        assert (result.version, result.change) == ("1.0.1", "patch")
        assert "Mind the tweets." in (tmp_path / "release/README.md").read_text(encoding="utf-8")

    def test_a_previous_release_that_was_tampered_with_is_refused(self, tmp_path):
        folder = copy_of_release(tmp_path / "before")
        (folder / "notes.txt").write_text("mine", encoding="utf-8")
        with pytest.raises(SycoError, match=r"notes\.txt: not named by the manifest"):
            rebuilt(tmp_path / "release", shared_build(), previous=str(folder))

    def test_a_build_whose_checks_failed_is_not_released(self, tmp_path):
        build = shared_build()
        reports = tmp_path / "reports"
        shutil.copytree(build.build.reports, reports)
        result = json.loads((reports / "checks.json").read_text(encoding="utf-8"))
        (reports / "checks.json").write_text(json.dumps(result | {"passed": False}), encoding="utf-8")
        with pytest.raises(SycoError, match="the checks of this build failed"):
            release.write_release(
                replace(build.build, reports=reports), build.settings, tmp_path / "release", diffing.bump
            )

    @pytest.mark.parametrize("text", ['{"passed": true', '{"passed": NaN}', "\xff"])
    def test_a_damaged_report_of_the_checks_is_one_line(self, tmp_path, text):
        build = shared_build()
        shutil.copytree(build.build.reports, tmp_path / "reports")
        (tmp_path / "reports/checks.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(SycoError, match=r"checks\.json"):
            release.write_release(
                replace(build.build, reports=tmp_path / "reports"), build.settings, tmp_path / "release", diffing.bump
            )

    def test_more_rows_are_a_minor_change_and_the_card_says_so(self, tmp_path):
        larger = make(tmp_path / "data", small_settings(prompts={"rows": 2100}))
        plain_reports(larger.folder / "reports/checks")
        result = rebuilt(tmp_path / "release", larger, previous=str(shared_release()))
        assert (result.version, result.change) == ("1.1.0", "minor")
        assert result.previous.manifest == manifest.identity(shared_release())
        card = (tmp_path / "release/README.md").read_text(encoding="utf-8")
        assert "2,000 rows then, 2,100 rows now" in card and "`settings.prompts.rows`: 2000 then, 2100 now" in card

    def test_another_text_is_a_major_change(self, tmp_path):
        reworded = make(tmp_path / "data", small_settings(claims={"double_negatives": "published"}))
        plain_reports(reworded.folder / "reports/checks")
        result = rebuilt(tmp_path / "release", reworded, previous=str(shared_release()))
        assert (result.version, result.change) == ("2.0.0", "major")

    def test_a_version_of_ones_own_may_be_greater_and_never_lower(self, tmp_path):
        larger = make(tmp_path / "data", small_settings(prompts={"rows": 2050}))
        plain_reports(larger.folder / "reports/checks")
        previous = str(shared_release())
        assert rebuilt(tmp_path / "release", larger, previous=previous, version="3.0.0").version == "3.0.0"
        with pytest.raises(SycoError, match=r"1\.0\.5.*at least 1\.1\.0"):
            rebuilt(tmp_path / "other", larger, previous=previous, version="1.0.5")
        assert not (tmp_path / "other").exists()

    def test_a_previous_release_that_was_cloned_or_linked_comes_out_as_plain_files(self, tmp_path):
        blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / ("c" * 40)
        blobs.mkdir()
        for path in (path for path in shared_release().rglob("*") if path.is_file()):
            blob = blobs / manifest.digest_of(path)
            shutil.copyfile(path, blob)
            link = folder / path.relative_to(shared_release())
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
        (folder / ".git").mkdir()
        rebuilt(tmp_path / "again", shared_build(), previous=str(folder))
        result = [path for path in (tmp_path / "again").rglob("*") if not path.is_dir()]
        assert not any(path.is_symlink() for path in result) and not (tmp_path / "again/.git").exists()
        assert manifest.identity(tmp_path / "again") == manifest.identity(shared_release())


@pytest.mark.parametrize("name", ["thesis.tex", "candidates/mine.parquet"])
def test_a_release_is_not_written_over_files_of_somebody(tmp_path, name):
    target = copy_of_release(tmp_path / "release")
    (target / name).write_text("mine", encoding="utf-8")
    with pytest.raises(SycoError, match=f"holds {name}, which this project did not put there"):
        release.write_release(shared_build().build, shared_build().settings, target, diffing.bump)
    assert (target / name).read_text(encoding="utf-8") == "mine"
    assert [problem.path for problem in verification.verify(target).problems] == [name]


def test_the_old_release_stands_until_the_new_one_is_complete(tmp_path, monkeypatch):
    target = copy_of_release(tmp_path / "release")
    before = (target / "manifest.json").read_bytes()

    def fail(*_: object) -> None:
        assert (target / "manifest.json").read_bytes() == before
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(release, "_finish", fail)
    with pytest.raises(SycoError, match="the disk is full"):
        release.write_release(shared_build().build, shared_build().settings, target, diffing.bump)
    assert (target / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_names_that_differ_in_case_alone_are_refused_before_anything_is_written(tmp_path):
    """What is one folder on a disk that knows no upper case is what `verify` calls a file named twice."""
    finished = shared_build()
    for name, change in (
        ("TINY", {"verdicts": {**finished.tables.verdicts, "TINY": finished.tables.verdicts[MODEL]}}),
        (
            "Balanced",
            {"train": {**finished.tables.train, (MODEL, "Balanced"): finished.tables.train[MODEL, "balanced"]}},
        ),
    ):
        build = replace(finished.build, tables=replace(finished.tables, **change))
        with pytest.raises(SycoError, match=rf"{name}.* differ only in upper and lower case.*Rename"):
            release.write_release(build, finished.settings, tmp_path / "release", diffing.bump)
    assert not list(tmp_path.iterdir())


def test_a_release_whose_manifest_readers_would_refuse_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "LARGEST", 1_000)
    with pytest.raises(SycoError, match="this build cannot be released.*at most 1,000 are read"):
        rebuilt(tmp_path / "release", shared_build())
    assert not (tmp_path / "release").exists()


def test_a_release_whose_tables_readers_would_refuse_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(released, "_LITTLE", 1_000)
    monkeypatch.setattr(released, "_MOST_PACKED", 1)
    with pytest.raises(SycoError, match="this build cannot be released.*unfold.*shorter templates"):
        rebuilt(tmp_path / "release", shared_build())
    assert not (tmp_path / "release").exists()
