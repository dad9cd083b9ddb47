"""Folders in which a release may lie: linked by DVC or the Hub's client, cloned by git, under any name."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syco_data.diff import diffing, endpoints
from syco_data.errors import SycoError
from syco_data.publish import uploads
from syco_data.release import links, manifest, verification
from tests.support.hub.releases import Small, edit

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES = "candidates/train.parquet"
GIT = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@b.c", "PYTHONPATH": str(ROOT)}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Small().write(tmp_path_factory.mktemp("small") / "release")


@pytest.fixture
def release(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "release"))


def run(folder: Path, *words: str) -> None:
    subprocess.run(words, cwd=folder, check=True, capture_output=True, env=GIT)


def dvc(folder: Path, *words: str) -> None:
    run(folder, sys.executable, "-m", "dvc", *words, "-q")


def syco(folder: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "syco_data", *map(str, words)],
        cwd=folder, env={**GIT, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def problems(folder: Path) -> dict[str, str]:
    return {one.path: one.what for one in verification.verify(folder).problems}


# Links


@pytest.fixture(params=["the project's cache", "a shared cache", "data on another disk"])
def linked(request: pytest.FixtureRequest, small: Path, tmp_path: Path) -> Path:
    """A project whose release is made of links into DVC's cache."""
    project = tmp_path / "project"
    project.mkdir()
    run(project, "git", "init", "-q")
    dvc(project, "init")
    dvc(project, "config", "cache.type", "symlink")
    if request.param == "a shared cache":
        dvc(project, "cache", "dir", "--local", str(tmp_path / "shared"))
    if request.param == "data on another disk":
        (tmp_path / "disk").mkdir()
        (project / "data").symlink_to(tmp_path / "disk")
        shutil.copytree(small, project / "data/release")
        dvc_cache = project / ".dvc/cache/files/md5"
        for number, path in enumerate(sorted(file for file in (tmp_path / "disk").rglob("*") if file.is_file())):
            cached = dvc_cache / f"{number:02x}" / path.name
            cached.parent.mkdir(parents=True)
            path.rename(cached)
            path.symlink_to(cached)
        return project
    shutil.copytree(small, project / "data/release")
    dvc(project, "add", "data/release")
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-q", "-m", "one")
    assert (project / "data/release" / CANDIDATES).is_symlink()
    return project


def test_links_into_the_cache_of_dvc_are_followed(linked: Path, small: Path) -> None:
    folder = linked / "data/release"
    assert problems(folder) == {}
    assert uploads.verified_release(folder).digest == manifest.identity(small)
    assert diffing.diff_releases(small, folder).same
    result = syco(linked, "verify", "data/release")
    assert result.returncode == 0 and "all verified" in result.stdout, result.stderr
    if (linked / "data/release.dvc").exists():
        side = endpoints.open_side("HEAD", linked.parent / "work", linked)
        assert diffing.compare(side, endpoints.folder_side(small), "rows").diff.same


def test_a_cache_that_lost_a_file_is_one_line(linked: Path) -> None:
    path = linked / "data/release" / CANDIDATES
    path.resolve().unlink()
    assert "dvc checkout" in problems(linked / "data/release")[CANDIDATES]
    with pytest.raises(SycoError, match="a link to a file that is not there"):
        endpoints.folder_side(linked / "data/release").locate(CANDIDATES)


@pytest.fixture
def snapshot(release: Path, tmp_path: Path) -> Path:
    """The same release as the Hub's client keeps it: links into blobs that are named by their digests."""
    home = tmp_path / "hub" / "datasets--alice--claims"
    folder = home / "snapshots" / ("c" * 40)
    (home / "blobs").mkdir(parents=True)
    for path in sorted(file for file in release.rglob("*") if file.is_file()):
        blob = home / "blobs" / manifest.digest_of(path)
        shutil.copyfile(path, blob)
        target = folder / path.relative_to(release)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(blob, target.parent))
    return folder


def test_a_snapshot_of_the_hubs_client_is_a_release(snapshot: Path, release: Path, tmp_path: Path) -> None:
    assert problems(snapshot) == {}
    assert diffing.diff_releases(snapshot, release).same
    (tmp_path / "named").symlink_to(snapshot)
    assert problems(tmp_path / "named") == {}


def test_damage_behind_a_link_is_found(snapshot: Path) -> None:
    blob = (snapshot / CANDIDATES).resolve()
    content = bytearray(blob.read_bytes())
    content[100] ^= 1
    blob.write_bytes(content)
    assert "sha256" in problems(snapshot)[CANDIDATES]


@pytest.mark.parametrize("place", ["outside", "another repository", "the folder above", "a pipe", "itself"])
def test_any_other_link_is_named_as_one(snapshot: Path, release: Path, tmp_path: Path, place: str) -> None:
    link = snapshot / CANDIDATES
    content = link.read_bytes()
    link.unlink()
    target = {
        "outside": tmp_path / "elsewhere.parquet",
        "another repository": tmp_path / "hub/datasets--bob--other/blobs/x",
        "the folder above": snapshot.parents[1] / "x",
        "a pipe": snapshot.parents[1] / "blobs/pipe",
        "itself": link,
    }[place]
    target.parent.mkdir(parents=True, exist_ok=True)
    if place == "a pipe":
        os.mkfifo(target)
    elif place != "itself":
        target.write_bytes(content)
    link.symlink_to(target)
    words = "not a plain file" if place == "a pipe" else "link"
    assert words in problems(snapshot)[CANDIDATES]
    with pytest.raises(SycoError, match=words):
        diffing.diff_releases(release, snapshot)


def test_a_linked_folder_is_refused(snapshot: Path) -> None:
    folder = snapshot / "candidates"
    folder.rename(snapshot.parents[1] / "blobs/candidates")
    folder.symlink_to(snapshot.parents[1] / "blobs/candidates")
    assert "a link, not a folder" in problems(snapshot)["candidates"]
    with pytest.raises(SycoError, match="is a link"):
        links.file(snapshot, CANDIDATES)


# What other programs leave


def test_a_git_clone_is_whole_and_what_git_and_others_left_is_named_apart(release: Path, tmp_path: Path) -> None:
    run(release, "git", "init", "-q")
    run(release, "git", "add", "-A")
    run(release, "git", "commit", "-q", "-m", "one")
    run(tmp_path, "git", "clone", "-q", str(release), "clone")
    clone = tmp_path / "clone"
    for path in (".DS_Store", "candidates/.DS_Store", "Thumbs.db", "desktop.ini", "._README.md", ".gitattributes",
                 ".cache/huggingface/download/x.metadata", ".ipynb_checkpoints/a.parquet", "candidates.dvc",
                 "__MACOSX/candidates/train.parquet"):  # fmt: skip
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text("x")
    result = syco(tmp_path, "verify", "clone")
    assert result.returncode == 0 and "all verified" in result.stdout, result.stderr
    assert ".git (git)" in result.stderr and "candidates/.DS_Store (macOS)" in result.stderr
    assert result.stderr.count("\n") == 1
    assert {one.path for one in verification.verify(clone).leftovers} == {
        ".git", ".DS_Store", "candidates/.DS_Store", "Thumbs.db", "desktop.ini", "._README.md", ".gitattributes",
        ".cache/huggingface", ".ipynb_checkpoints", "candidates.dvc", "__MACOSX",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["more.parquet", "candidates/more.parquet", ".hidden", "notes.txt", ".cache/x", "a.git"]
)
def test_a_file_that_somebody_could_read_as_data_is_still_wrong(release: Path, path: str) -> None:
    (release / path).parent.mkdir(exist_ok=True)
    (release / path).write_text("x")
    assert problems(release) == {path: "not named by the manifest"}


def test_what_the_manifest_names_is_not_a_leftover(release: Path) -> None:
    (release / "Thumbs.db").write_text("x")
    entry = {"path": "Thumbs.db", "bytes": 2, "sha256": "0" * 64, "table": None}
    edit(release, lambda values: values["files"].append(entry))
    assert "1 byte," in problems(release)["Thumbs.db"]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


def test_a_clone_without_its_large_files_says_git_lfs_pull(release: Path, small: Path, tmp_path: Path) -> None:
    (release / CANDIDATES).write_bytes(POINTER)
    result = syco(tmp_path, "verify", release)
    assert result.returncode == 1 and "Git LFS pointer" in result.stdout and "git lfs pull" in result.stderr
    for question in (
        lambda: diffing.diff_releases(small, release),
        lambda: verification.require(release),
        lambda: ((release / manifest.NAME).write_bytes(POINTER), manifest.read(release)),
    ):
        with pytest.raises(SycoError, match="Git LFS pointer.*git lfs pull"):
            question()


# Names that are patterns elsewhere


@pytest.mark.parametrize("name", ["q[1]", "a*b", "what?", "{a,b}", "[!x]", "**", "a=1", "c%20d", "é ü"])
def test_no_name_of_a_folder_is_a_pattern(small: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(small, tmp_path / name / "rel")
    assert problems(folder) == {}
    later = Small().later("2.0.0").write(tmp_path / name / "later")
    other = Small().later("2.0.0").write(tmp_path / "later")
    assert diffing.diff_releases(folder, later).configs == diffing.diff_releases(small, other).configs


READERS = ("read_parquet", "scan_parquet", "read_csv", "scan_csv", "read_ndjson", "scan_ndjson", "read_ipc", "scan_ipc",
           "read_parquet_schema", "read_parquet_metadata", "read_ipc_schema")  # fmt: skip
OPENERS = ("pq.ParquetFile", "pq.ParquetWriter", "pq.read_table", "pq.write_table")


def test_no_reader_of_the_product_expands_patterns_or_a_tilde() -> None:
    """polars takes a path for a pattern unless it is told otherwise, and reads schemas by patterns always; polars and
    pyarrow take a relative path that begins with a tilde for the home of a user."""
    for path in [*(ROOT / "syco_data").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            reads = name.startswith("pl.") and name.removeprefix("pl.") in READERS
            if reads or name in OPENERS:
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                read = ast.unparse(node.args[0])
                in_memory = read == "content" or read.startswith(("BytesIO(", "pa.BufferReader("))
                where = f"{path}:{node.lineno}: {ast.unparse(node)}"
                assert in_memory or read.endswith(".absolute()"), where
                assert in_memory or not reads or options.get("glob") == "False", where


def test_a_folder_named_by_a_tilde_is_that_folder(small: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("~", "~x"):
        shutil.copytree(small, name)
        assert problems(Path(name)) == {}
        assert diffing.diff_releases(name, small).same
    later = Small().later("2.0.0").write(tmp_path / "later")
    shutil.copytree(later, "~/later")
    assert diffing.diff_releases("~/later", "~").configs == diffing.diff_releases(later, small).configs
    assert not (tmp_path / "home").exists()
