"""Sides of a comparison: folders, versions on the Hub, git revisions; and what each says of bad input."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syco_data.diff import diffing, endpoints
from syco_data.errors import SycoError
from syco_data.publish import publishing, uploads
from syco_data.publish.publishing import Target
from syco_data.release import manifest
from tests.support import planted
from tests.support.hub.fixtures import ROOT, RunningHub
from tests.support.hub.releases import QUICK, Small
from tests.support.planted import PLANTS

REPO = "alice/claims"
RELEASE = endpoints.RELEASE
SEEDS = itertools.count(1)


def changed(name: str, claims: int = 3) -> planted.World:
    plant = next(plant for plant in PLANTS if plant.name == name)
    return plant.sow(planted.world(), planted.world().claims[:claims])


def refused(a: object, b: object, *words: str, level: str = "rows") -> None:
    with pytest.raises(SycoError) as error:
        diffing.diff_releases(a, b, level)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return planted.world().save(tmp_path / "a")


# Folders


def test_a_name_that_is_nothing_says_what_could_be_given(release: Path) -> None:
    refused(release, "no-such-thing", "neither a folder", "git revision", "syco_data diff")
    refused(release, "--upload-pack=x", "git revision")
    refused(release, "", "git revision")


def test_a_folder_without_a_manifest_is_not_a_release(release: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(release, tmp_path / "empty", "empty", "manifest.json")


def test_a_manifest_of_the_future_is_refused(release: Path, tmp_path: Path) -> None:
    other = shutil.copytree(release, tmp_path / "b")
    values = json.loads((other / manifest.NAME).read_text())
    (other / manifest.NAME).write_text(json.dumps({**values, "schema": 3}))
    refused(release, other, "schema 3", "pip install --upgrade")


@pytest.mark.parametrize(
    "path", ["../a/candidates/train.parquet", "/etc/passwd", "candidates/../../x.parquet", ".git/x"]
)
def test_a_manifest_cannot_lead_out_of_its_folder(release: Path, tmp_path: Path, path: str) -> None:
    other = shutil.copytree(release, tmp_path / "b")
    text = (other / manifest.NAME).read_text()
    (other / manifest.NAME).write_text(text.replace('"candidates/train.parquet"', json.dumps(path)))
    refused(release, other, "damaged", "plain path")


def test_a_link_in_a_release_is_refused(release: Path, tmp_path: Path) -> None:
    for name in ("candidates", "candidates/train.parquet"):
        other = shutil.copytree(release, tmp_path / next(f"b{i}" for i in SEEDS))
        place = other / name
        place.rename(tmp_path / f"moved{place.name}")
        place.symlink_to(tmp_path / f"moved{place.name}")
        refused(release, other, "is a link")


def test_damaged_missing_and_changed_files_are_named(release: Path, tmp_path: Path) -> None:
    file = "candidates/train.parquet"
    cut = shutil.copytree(release, tmp_path / "cut")
    (cut / file).write_bytes((cut / file).read_bytes()[:-100])
    refused(release, cut, file, "verify")
    gone = shutil.copytree(release, tmp_path / "gone")
    (gone / file).unlink()
    refused(release, gone, file, "missing")
    flipped = shutil.copytree(release, tmp_path / "flipped")
    content = bytearray((flipped / file).read_bytes())
    content[100] ^= 1
    (flipped / file).write_bytes(bytes(content))
    refused(flipped, release, file, "not the file that its manifest names")


def test_a_damaged_table_that_its_manifest_vouches_for_is_one_line(release: Path, tmp_path: Path) -> None:
    other = shutil.copytree(release, tmp_path / "b")
    path = other / "candidates/train.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:200] + b"\x00" * (len(content) - 200))
    values = json.loads((other / manifest.NAME).read_text())
    for file in values["files"]:
        if file["path"] == "candidates/train.parquet":
            file["sha256"] = manifest.digest_of(path)
    (other / manifest.NAME).write_text(json.dumps(values))
    refused(release, other, "candidates/train is not a whole Parquet file")


def test_an_id_that_occurs_twice_is_named(release: Path, tmp_path: Path) -> None:
    import polars as pl

    world = planted.world()
    place = next(iter(world.tables))
    first = world.tables[place].head(1).with_columns(prompt_id=pl.lit("f" * 32))
    doubled = world.with_table(place, pl.concat([world.tables[place], first])).save(tmp_path / "b")
    refused(release, doubled, "candidates/train holds claim_id", "twice")


# The command


def command(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "syco_data", "diff", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140", **environment}, check=False,
    )  # fmt: skip


def test_exit_codes_and_outputs(release: Path, tmp_path: Path) -> None:
    same = command(release, release)
    assert (same.returncode, same.stderr) == (0, "") and "the same" in same.stdout
    other = changed("not sampled").save(tmp_path / "b")
    page, rows = tmp_path / "out/page.html", tmp_path / "rows.parquet"
    differ = command(release, other, "--json", "--html", page, "--rows", rows)
    assert differ.returncode == 1
    answer = json.loads(differ.stdout)
    assert answer["schema"] == 1 and not answer["same"] and answer["change"] == "minor"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(planted.rows_of(rows)) == sum(sum(c["rows"] for c in config["causes"]) for config in answer["configs"])
    shown = command(release, other)
    assert shown.returncode == 1 and "sampling" in shown.stdout and "prompts.rows: 60 -> 40" in shown.stdout
    alone = command(release, other, "--level", "files", "--md")
    assert alone.returncode == 1 and alone.stdout.startswith("### Data:")


def test_wrong_use_is_one_line_and_exit_code_2(release: Path, tmp_path: Path) -> None:
    for arguments in (
        (release, tmp_path / "none"),
        (release, release, "--level", "deep"),
        (release, release, "--json", "--md"),
        (release, release, "--rows", tmp_path / "x.parquet", "--level", "files"),
        (release, release, "--html", release / "manifest.json" / "x.html"),
        (release, release, "--html", "."),
        (release, release, "--html", "/"),
        (release, release, "--rows", "."),
        (release, release, "--rows", release / "manifest.json" / "y.parquet"),
        (release, release, "--rows", "/proc/zz/y.parquet"),
    ):
        result = command(*arguments)
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "x.parquet").exists()


# The Hub


@pytest.fixture
def versions(hub: RunningHub, tmp_path: Path) -> RunningHub:
    """Two versions of a sound release on the emulated Hub; no row is in both."""
    first = Small(seed=7)
    for small in (first, first.later("2.0.0")):
        folder = small.write(tmp_path / small.version)
        publishing.publish(uploads.of_release(folder), Target(REPO, "dataset", private=True), QUICK)
    hub.clear_log()
    return hub


def test_two_versions_on_the_hub(versions: RunningHub, tmp_path: Path) -> None:
    diff = diffing.diff_releases(f"{REPO}@1.0.0", f"{REPO}@2.0.0")
    for place in ("1.0.0", "2.0.0"):
        assert diffing.diff_releases(tmp_path / place, f"{REPO}@{place}").same
    folders = diffing.diff_releases(tmp_path / "1.0.0", tmp_path / "2.0.0")
    assert diff.configs == folders.configs and not diff.same
    assert diff.configs[0].counts.differing > 0
    assert not versions.writes()


def test_manifests_alone_download_no_table(versions: RunningHub) -> None:
    diff = diffing.diff_releases(f"{REPO}@1.0.0", f"{REPO}@2.0.0", level="files")
    assert not diff.same and {config.config for config in diff.configs if config.change == "changed"} >= {"candidates"}
    paths = [entry.path for entry in versions.log()]
    assert any("manifest.json" in path for path in paths)
    assert not any(".parquet" in path or "xet" in path or "/objects" in path for path in paths), paths


def test_versions_that_are_not_there(versions: RunningHub, release: Path) -> None:
    refused(release, f"{REPO}@9.9.9", "no version 9.9.9", "1.0.0")
    refused(release, f"{REPO}@latest", "not a version of a release")
    refused(release, "alice/other@1.0.0", "alice/other")


# Git revisions


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two commits, whose releases are outs of a DVC stage."""
    folder = tmp_path_factory.mktemp("project")

    def run(*words: str) -> None:
        subprocess.run(words, cwd=folder, check=True, capture_output=True, env=GIT)

    run("git", "init", "-q")
    run(sys.executable, "-m", "dvc", "init", "-q")
    run(sys.executable, "-m", "dvc", "remote", "add", "-d", "store", str(folder.parent / "remote"))
    copy = "import shutil; shutil.copytree('made', 'data/release')"
    stage = {"cmd": f'{sys.executable} -c "{copy}"', "deps": ["made"], "outs": ["data/release"]}
    (folder / "dvc.yaml").write_text(json.dumps({"stages": {"release": stage}}))
    (folder / ".gitignore").write_text("made/\n")
    for tag, world in (("one", planted.world()), ("two", changed("persona"))):
        shutil.rmtree(folder / "made", ignore_errors=True)
        world.save(folder / "made")
        run(sys.executable, "-m", "dvc", "repro", "-q")
        run("git", "add", "-A")
        run("git", "commit", "-q", "-m", tag)
        run("git", "tag", tag)
    run(sys.executable, "-m", "dvc", "push", "-q", "--all-commits")
    return folder


GIT = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@b.c", "PYTHONPATH": str(ROOT)}  # fmt: skip


def from_project(project: Path, a: str, b: str, folder: Path) -> diffing.Comparison:
    sides = [endpoints.open_side(name, folder, project) for name in (a, b)]
    return diffing.compare(*sides, "rows")


def test_two_git_revisions(project: Path, tmp_path: Path) -> None:
    diff = from_project(project, "one", "HEAD", tmp_path).diff
    assert diff.configs[0].counts.changed == 3
    assert {cause.cause for config in diff.configs for cause in config.causes} == {"persona"}
    assert from_project(project, "two", str(project / "data/release"), tmp_path / "again").diff.same
    result = command("HEAD~1", "data/release", cwd=project)
    assert result.returncode == 1 and "persona" in result.stdout


def test_a_revision_without_a_release_says_so(project: Path, tmp_path: Path) -> None:
    env = {**GIT, "GIT_INDEX_FILE": str(tmp_path / "index")}

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=project, check=True, capture_output=True, text=True, env=env
        ).stdout.strip()

    (tmp_path / "nothing").write_text("")
    blob = git("hash-object", "-w", str(tmp_path / "nothing"))
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},nothing")
    commit = git("commit-tree", git("write-tree"), "-m", "bare")
    with pytest.raises(SycoError, match="has no data/release"):
        endpoints.open_side(commit, tmp_path, project)


@pytest.fixture(scope="module")
def inner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project as a folder of a greater repository."""
    whole = tmp_path_factory.mktemp("mono")
    place = shutil.copytree(project, whole / "part/project", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"], ["tag", "one"]):
        subprocess.run(["git", *words], cwd=whole, check=True, capture_output=True, env=GIT)
    return place


def test_a_project_in_a_subfolder_of_a_repository(inner: Path, tmp_path: Path) -> None:
    for number, place in enumerate((inner, inner / "data")):
        sides = [endpoints.open_side("HEAD", tmp_path / str(number), place), endpoints.folder_side(inner / RELEASE)]
        assert diffing.compare(*sides, "rows").diff.same
    result = command("HEAD", "data/release", cwd=inner)
    assert result.returncode == 0 and "the same" in result.stdout, result.stderr


def test_two_names_of_one_commit_are_fetched_apart(project: Path) -> None:
    """Both sides are read at once: neither may take the other's half written file."""
    with contextlib.chdir(project), diffing.opened("HEAD", "two") as (one, other):
        places = [{side.locate(file.path) for file in side.manifest.files} for side in (one, other)]
        assert not places[0] & places[1]
        assert diffing.compare(one, other, "rows").diff.same


def test_a_project_below_the_folder_of_dvc(project: Path, tmp_path: Path) -> None:
    """`.dvc` lies at the top of the repository, the project and its release in a folder of it."""
    place = tmp_path / "around/part [1]/project"
    shutil.copytree(project, place, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for name in (".dvc", ".dvcignore"):
        shutil.move(place / name, tmp_path / "around" / name)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path / "around", check=True, capture_output=True, env=GIT)
    for number, start in enumerate((place, place / "data")):
        side = endpoints.open_side("HEAD", tmp_path / f"work{number}", start)
        assert diffing.compare(side, endpoints.folder_side(place / RELEASE), "rows").diff.same


def test_a_worktree_and_a_submodule(project: Path, inner: Path, tmp_path: Path) -> None:
    tree = tmp_path / "worktree"
    subprocess.run(["git", "worktree", "add", "-q", str(tree), "HEAD"], cwd=project, check=True, env=GIT)
    around = tmp_path / "around"
    around.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=around, check=True, env=GIT)
    add = ["git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.parents[1]), "module"]
    subprocess.run(add, cwd=around, check=True, env=GIT)
    for number, place in enumerate((tree, around / "module/part/project")):
        work = tmp_path / f"work{number}"
        assert endpoints.open_side("HEAD", work, place).identity == manifest.identity(inner / RELEASE)
    subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=project, check=True, env=GIT)


def test_variables_of_a_hook_and_another_owner(project: Path, tmp_path: Path) -> None:
    """A hook's variables name another repository; git's refusal is reported instead of 'no git revision'."""
    (tmp_path / "other").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "other", check=True, env=GIT)
    result = command("HEAD", "data/release", cwd=project, GIT_DIR=str(tmp_path / "other/.git"))
    assert result.returncode == 0, result.stderr
    if os.geteuid() == 0:
        copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, 1234, 1234, follow_symlinks=False)
        result = command("HEAD", "data/release", cwd=copy, HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1")
        assert result.returncode == 2 and result.stderr.count("\n") == 1
        assert "dubious ownership" in result.stderr and "git config --global --add safe.directory" in result.stderr


def test_a_missing_cache_names_the_pull_that_fixes_it(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    shutil.rmtree(copy / ".dvc/cache")
    # The remote still has it: no pull is needed.
    assert from_project(copy, "one", "two", tmp_path / "w1").diff.configs[0].counts.changed == 3
    shutil.rmtree(copy / ".dvc/cache", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "dvc", "remote", "remove", "store", "-q"], cwd=copy, check=True, env=GIT)
    with pytest.raises(SycoError) as error:
        from_project(copy, "one", "two", tmp_path / "w2")
    assert "dvc pull data/release" in str(error.value) and "one" in str(error.value) and "\n" not in str(error.value)
    result = command("one", "two", cwd=copy)
    assert result.returncode == 2 and "dvc pull" in result.stderr and result.stderr.count("\n") == 1


def test_one_missing_object_of_the_cache_is_named(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    subprocess.run([sys.executable, "-m", "dvc", "remote", "remove", "store", "-q"], cwd=copy, check=True, env=GIT)
    size = (project / "data/release/candidates/train.parquet").stat().st_size
    for path in (copy / ".dvc/cache").rglob("*"):
        if path.is_file() and path.stat().st_size == size:
            path.unlink()
    with pytest.raises(SycoError) as error:
        from_project(copy, "one", "two", tmp_path / "w")
    assert "candidates/train.parquet" in str(error.value) and "dvc pull data/release" in str(error.value)


def test_a_fresh_clone_without_a_remote_names_the_pull(project: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", str(project), str(tmp_path / "clone")], check=True, env=GIT)
    subprocess.run(
        [sys.executable, "-m", "dvc", "remote", "remove", "store", "-q"], cwd=tmp_path / "clone", check=True, env=GIT
    )
    result = command("one", "two", cwd=tmp_path / "clone")
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert "'one'" in result.stderr and "data/release" in result.stderr and "dvc pull data/release" in result.stderr
