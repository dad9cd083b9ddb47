"""verify names what is wrong: missing, extra, changed, linked, tampered with, from the future, or a trick."""

import os
import subprocess
import sys

import polars as pl
import pytest

from syco_data.errors import SycoError
from syco_data.release import manifest, verification
from tests.support.hub.releases import edit
from tests.support.tables_for_tests import copy_of_release, shared_release

CANDIDATES = "candidates/train.parquet"


@pytest.fixture
def folder(tmp_path):
    return copy_of_release(tmp_path / "release")


def problems(folder) -> dict[str, str]:
    return {one.path: one.what for one in verification.verify(folder).problems}


def forge(folder, path: str, df: pl.DataFrame) -> None:
    """Writes other rows and makes the manifest agree with their bytes and their digests."""
    from syco_data.release.tables import SCHEMAS, Place, write_table

    before = manifest.read(folder)
    file = next(file for file in before.files if file.path == path)
    schema = SCHEMAS[file.table.schema_name]
    table = write_table(iter([df]), schema, Place(file.table.config, file.table.split), folder, [])

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == path)
        entry["table"] = table.model_dump(by_alias=True)
        entry["bytes"] = (folder / path).stat().st_size
        entry["sha256"] = manifest.digest_of(folder / path)

    edit(folder, change)


def test_a_sound_release_has_no_problem():
    result = verification.verify(shared_release())
    assert result.problems == () and result.rows == sum(file.table.rows for file in result.release.tables)


def test_what_is_not_a_release_says_how_to_get_one(tmp_path):
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(SycoError, match="(no folder|not a release).*dvc repro release.* pull"):
            verification.verify(place)


def test_missing_extra_longer_and_changed_files_are_named(folder):
    (folder / "reports/audit.json").unlink()
    (folder / "extra.txt").write_text("hello")
    with (folder / "README.md").open("a") as card:
        card.write("more")
    path = folder / CANDIDATES
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = problems(folder)
    assert set(result) == {"reports/audit.json", "extra.txt", "README.md", CANDIDATES}
    assert result["reports/audit.json"] == "missing" and "not named" in result["extra.txt"]
    assert "bytes" in result["README.md"] and "sha256" in result[CANDIDATES]
    with pytest.raises(SycoError, match=r"and 3 more.*verify"):
        verification.require(folder)


@pytest.mark.parametrize(
    ("path", "change", "check"),
    [
        ("tiny-balanced/held_out.parquet", pl.lit(" (A)").alias("completion"), "train_draws"),
        ("tiny-balanced/train.parquet", (~pl.col("truth")).alias("truth"), "train_draws"),
        ("tiny-balanced/train.parquet", pl.lit("0" * 32).alias("claim_id"), "train_draws"),
        ("probes/test.parquet", pl.lit(" (A)").alias("right"), "probe_answer"),
    ],
)
def test_forged_columns_are_found_though_every_digest_is_right(folder, path, change, check):
    forge(folder, path, pl.read_parquet(folder / path).with_columns(change))
    assert check in problems(folder)[path]


def test_dropped_rows_that_are_gone_are_missed(folder):
    forge(folder, "dropped/train.parquet", pl.read_parquet(folder / "dropped/train.parquet").clear())
    assert "nothing_lost" in problems(folder)["tiny-balanced/train.parquet"]


@pytest.mark.parametrize("kind", [pl.Binary, pl.Struct({"a": pl.Int64}), pl.Categorical, pl.Date, pl.Decimal(9, 2)])
def test_a_column_of_an_odd_type_is_a_problem_and_no_error(folder, kind):
    path = "verdicts-tiny/train.parquet"
    odd = pl.read_parquet(folder / path).with_columns(odd=pl.lit(None, dtype=kind))
    odd.write_parquet(folder / path)

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == path)
        entry["table"]["columns"]["odd"] = str(kind)
        entry["bytes"], entry["sha256"] = (folder / path).stat().st_size, manifest.digest_of(folder / path)

    edit(folder, change)
    assert "columns or key differ" in problems(folder)[path]


def test_what_the_hub_and_its_client_add_is_not_a_problem(folder):
    (folder / ".gitattributes").write_text("*.parquet filter=lfs")
    (folder / ".cache/huggingface/download").mkdir(parents=True)
    (folder / ".cache/huggingface/download/README.md.metadata").write_text("x")
    assert problems(folder) == {}


def test_links_are_never_followed(folder, tmp_path):
    outside = tmp_path / "outside.parquet"
    outside.write_bytes((folder / CANDIDATES).read_bytes())
    (folder / CANDIDATES).unlink()
    (folder / CANDIDATES).symlink_to(outside)
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    result = problems(folder)
    assert set(result) == {CANDIDATES, "elsewhere"} and all("link" in what for what in result.values())


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "./README.md",
        "a\\b",
        "manifest.json",
        "",
        "a/\x00",
        ".git/x",
    ],
)
def test_path_tricks_in_a_manifest_are_refused(folder, path):
    edit(folder, lambda values: values["files"][0].update(path=path))
    with pytest.raises(SycoError, match=r"files\.0\.path"):
        verification.verify(folder)


def test_a_file_named_twice_is_refused(folder):
    edit(folder, lambda values: values["files"].append({**values["files"][0], "path": "readme.MD"}))
    with pytest.raises(SycoError, match="twice"):
        verification.verify(folder)


def test_a_manifest_from_the_future_is_refused_by_its_number(folder):
    edit(folder, lambda values: values.update(schema=3, files="in another form"))
    with pytest.raises(SycoError, match=r"schema 3.*up to 2.*Install a newer one"):
        verification.verify(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": "1"}', b'{"schema": true}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_manifest_is_one_line(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(SycoError) as caught:
        verification.verify(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_no_manifest_and_no_folder(tmp_path):
    with pytest.raises(SycoError, match=r"no manifest\.json"):
        verification.verify(tmp_path)
    with pytest.raises(SycoError, match="no folder"):
        verification.verify(tmp_path / "none")


def test_a_manifest_that_is_a_link_is_refused(folder, tmp_path):
    moved = tmp_path / "elsewhere.json"
    (folder / "manifest.json").rename(moved)
    (folder / "manifest.json").symlink_to(moved)
    with pytest.raises(SycoError, match=r"manifest\.json is a link.*dvc unprotect"):
        verification.verify(folder)


def test_bytes_that_are_not_parquet_though_the_digest_is_right(folder):
    path = folder / CANDIDATES
    path.write_bytes(b"PAR1 nothing PAR1")

    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == CANDIDATES)
        entry.update(bytes=path.stat().st_size, sha256=manifest.digest_of(path))

    edit(folder, change)
    assert "no readable Parquet" in problems(folder)[CANDIDATES]


def test_a_content_digest_that_lies_about_right_bytes(folder):
    def change(values: dict) -> None:
        entry = next(entry for entry in values["files"] if entry["path"] == CANDIDATES)
        entry["table"].update(content="0" * 32, full_content="0" * 32)

    edit(folder, change)
    assert "content digest" in problems(folder)[CANDIDATES]


def test_a_forged_answer_is_found_by_the_checks(folder):
    """Whoever can change rows can change digests: the checks are what is left."""
    rows = pl.read_parquet(folder / CANDIDATES)
    turned = pl.when(pl.col("answer") == "(A)").then(pl.lit("(B)")).otherwise(pl.lit("(A)"))
    first = pl.int_range(pl.len()) == 0
    forge(folder, CANDIDATES, rows.with_columns(answer=pl.when(first).then(turned).otherwise("answer")))
    assert "check 'answer'" in problems(folder)[CANDIDATES] or "check" in "".join(problems(folder).values())
    assert any("'answer'" in one.what for one in verification.verify(folder).problems)


def test_a_forged_text_is_found_by_its_text_id(folder):
    path = "tiny-balanced/held_out.parquet"
    rows = pl.read_parquet(folder / path)
    first = pl.int_range(pl.len()) == 0
    forge(folder, path, rows.with_columns(prompt=pl.when(first).then(pl.lit("Human: hi")).otherwise("prompt")))
    assert "check 'text_id'" in problems(folder)[path]


def test_the_command_exits_with_one_and_names_the_file(folder):
    (folder / "a[red]b.txt").write_text("x")
    run = [sys.executable, "-m", "syco_data", "verify"]
    result = subprocess.run([*run, str(folder)], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert result.returncode == 1 and "a[red]b.txt" in result.stdout and "Traceback" not in result.stderr
    assert subprocess.run([*run, str(shared_release())], capture_output=True).returncode == 0
    missing = subprocess.run([*run, str(folder / "none")], capture_output=True, text=True)
    assert missing.returncode == 2 and len(missing.stderr.splitlines()) == 1
