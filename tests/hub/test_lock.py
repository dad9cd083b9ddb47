import difflib
import typing
from pathlib import Path

import pytest
import yaml

from syco_data import settings
from syco_data.errors import SycoError
from syco_data.hub import lock
from syco_data.hub.lock import Locked
from syco_data.settings import Hub, revisions
from syco_data.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("default.yaml"))]
# Digits only, and digits around one "e", are numbers to some readers of YAML.
COMMITS = {
    f"sources.{key}.revision": commit
    for key, commit in {"sst2": "ab" * 20, "mnli": "12345678901234567890" * 2, "trec": "1e" + "7" * 38}.items()
}
SST2 = COMMITS["sources.sst2.revision"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_only_the_revisions_of_a_file_change(path):
    before = path.read_text(encoding="utf-8")
    after = lock.rewritten(before, COMMITS)
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    assert sum(line.startswith("+") for line in lines) == sum(line.startswith("-") for line in lines) == 3
    assert before.count("#") == after.count("#")
    expected = yaml.safe_load(before)
    for key, commit in COMMITS.items():
        expected["sources"][key.split(".")[1]]["revision"] = commit
    assert yaml.safe_load(after) == expected
    assert lock.rewritten(after, COMMITS) == after


def test_other_styles_of_writing_a_revision_are_edited_too():
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(values, default_flow_style=False)
    for style in (text, text.replace("revision: main", "revision: 'main'  # a comment")):
        after = lock.rewritten(style, COMMITS)
        assert settings.parse(yaml.safe_load(after)).sources["sst2"].revision == SST2
        assert after.count("# a comment") == style.count("# a comment")


def test_a_value_that_others_share_is_not_edited_behind_their_back(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    shared = text.replace("sst2: {revision: main", "sst2: {revision: &tip main").replace(
        "cola: {revision: main", "cola: {revision: *tip"
    )
    assert shared.count("tip") == 2
    params = tmp_path / "params.yaml"
    params.write_text(shared, encoding="utf-8")
    with pytest.raises(SycoError, match=r"cola.revision cannot be edited in place.*by hand: .*cola.revision: abab"):
        lock.write([Locked("sources.cola.revision", "main", "ab" * 20)], params)
    assert params.read_text(encoding="utf-8") == shared
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_writing_is_whole_and_leaves_nothing_else(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    lock.write([Locked(key, "main", commit) for key, commit in COMMITS.items()], params)
    assert settings.load(params).sources["trec"].revision == COMMITS["sources.trec.revision"]
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_value_that_comes_from_elsewhere_is_asked_for_in_its_own_place():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    merged = text.replace("sst2: {revision: main", "sst2: &first {revision: main").replace(
        "cola: {revision: main,", "cola: {<<: *first,"
    )
    with pytest.raises(SycoError, match=r"sources\.cola\.revision does not stand in its own place"):
        lock.rewritten(merged, {"sources.cola.revision": "ab" * 20})


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
    lock.write([Locked("sources.sst2.revision", "main", SST2)], params)
    new = f'sst2: {{revision: "{SST2}"'.encode()
    assert params.read_bytes() == before.replace(b"sst2: {revision: main", new) != before
    assert params.stat().st_mode & 0o777 == 0o604


def test_a_link_is_kept(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "params.yaml"
    real.write_bytes((ROOT / "params.yaml").read_bytes())
    link.symlink_to("real.yaml")
    lock.write([Locked("sources.sst2.revision", "main", SST2)], link)
    assert link.is_symlink() and settings.load(real).sources["sst2"].revision == SST2


def _params(folder):
    """params.yaml of a build that asks the Hub for everything that it can ask for."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["acquire"]["origin"] = values["probes"]["surveys"]["origin"] = values["instructions"]["origin"] = "hub"
    values["instructions"] |= {"hub_id": "owner/tasks", "revision": "main"}
    values["evaluate"]["capability"] |= {"tasks": ["bbh_3shot"]}
    record = {**values["models"]["reference"], "source": "owner/model"}
    values["models"] |= {"mine": record, "other": {**record, "source": "owner/other"}}
    values["build"]["models"] = ["mine"]
    values["sources"]["cola"]["licence"] = "exclude"
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return folder / "params.yaml"


USED = {
    "probes.surveys.revision", "instructions.revision", "models.mine.revision", "evaluate.capability.revisions.bbh",
    *(f"sources.{key}.revision" for key in SOURCES if key != "cola"),
}  # fmt: skip


def test_every_revision_that_a_build_asks_for_is_locked_and_no_other(tmp_path, monkeypatch):
    requests = []

    def commit_of(named, revision, retry):
        requests.append((named.kind, named.repository, revision))
        return f"{len(requests):040}"

    monkeypatch.setattr(lock, "commit_of", commit_of)
    params = _params(tmp_path)
    with pytest.raises(SycoError, match=r"sources\.sst2\.revision is main .*and 17 more: .*python -m syco_data lock$"):
        revisions.require_commits(settings.load(params))
    locked = lock.lock_all(params)
    assert {one.key for one in locked} == USED and all(one.changed for one in locked)
    assert len(requests) == len(set(requests)) < len(locked), "sources of one repository are asked for once"
    assert ("model", "owner/model", None) in requests and ("dataset", "SaylorTwift/bbh", "main") in requests
    now = settings.load(params)
    revisions.require_commits(now)
    assert now.models["other"].revision is None and now.sources["cola"].revision == "main"
    assert now.evaluate.capability.revisions.mmlu == "main"
    [other] = lock.lock_all(params, ["models.other"])
    assert other.key == "models.other.revision" and settings.load(params).models["other"].revision == other.after


def test_nothing_is_written_when_one_revision_is_not_there(tmp_path, monkeypatch):
    def commit_of(named, revision, retry):
        if named.kind == "model":
            raise SycoError("no such model")
        return "1" * 40

    monkeypatch.setattr(lock, "commit_of", commit_of)
    before = _params(tmp_path).read_bytes()
    with pytest.raises(SycoError, match="no such model"):
        lock.lock_all(tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_bytes() == before


def test_a_build_that_asks_the_hub_for_nothing_needs_no_commit():
    revisions.require_commits(settings.load(ROOT / "params.yaml"))
    assert revisions.used(settings.load(ROOT / "params.yaml")) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("./mine", r"models.mine.source: there is no folder './mine', and it is not a Hub id \(OWNER/NAME\)"),
        ("models/mine", "There is no folder models/mine here. Pin all of them: python"),
        (
            "models/smollm2",
            "There is no folder models/smollm2 here .make smollm2 makes it.. Pin all of them",
        ),
    ],
)
def test_a_folder_of_the_build_that_is_not_there_is_named(tmp_path, monkeypatch, source, words):
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["models"]["mine"] = {**values["models"]["reference"], "source": source}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SycoError, match="prompts.template_folder: there is no folder 'templates'. .* it may be empty"):
        revisions.require_commits(settings.parse(values))
    (tmp_path / "templates").mkdir()
    profesor = {**values["probes"]["held_out"], "templates": ["profesor"]}
    with pytest.raises(SycoError, match="probes.held_out.templates: there is no 'profesor'; did you mean 'professor'"):
        revisions.require_commits(settings.parse({**values, "probes": {**values["probes"], "held_out": profesor}}))
    revisions.require_commits(settings.parse(values))  # a model that is not built may be missing
    values["build"]["models"] = ["mine"]
    with pytest.raises(SycoError, match=words):
        revisions.require_commits(settings.parse(values))
    (tmp_path / source).mkdir(parents=True)
    revisions.require_commits(settings.parse(values))


def test_the_suites_are_those_of_the_installed_harness():
    lm_eval = pytest.importorskip("lm_eval")
    for suite, file in {
        "mmlu": "mmlu/default/_default_template_yaml",
        "bbh": "bbh/fewshot/_fewshot_template_yaml",
    }.items():
        text = (Path(lm_eval.__file__).parent / "tasks" / file).read_text(encoding="utf-8")
        assert f"dataset_path: {revisions.SUITES[suite]}\n" in text


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_the_hub_is_asked_for_commits_by_kind(hub, tmp_path, kind):
    api = hub.api()
    api.create_repo("alice/thing", repo_type=kind)
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    commit = api.upload_folder(repo_id="alice/thing", repo_type=kind, folder_path=tmp_path).oid
    retry = Hub(attempts=2, first_wait=0.01, longest_wait=0.01)
    named = revisions.Named("models.mine.revision", kind, "alice/thing", None)
    assert [lock.commit_of(named, revision, retry) for revision in (None, "main", commit)] == [commit] * 3
    with pytest.raises(SycoError, match=r"models\.mine\.revision: alice/thing has no revision 'v9'\. Correct models"):
        lock.commit_of(named, "v9", retry)
    with pytest.raises(SycoError, match=f"{kind} repository 'alice/none' is not there"):
        lock.commit_of(revisions.Named("instructions.revision", kind, "alice/none", None), "main", retry)


def test_the_tasks_in_the_settings_are_those_that_can_be_asked():
    from syco_data.evaluate.capability import TASKS
    from syco_data.settings.evaluate import Task

    assert list(typing.get_args(Task)) == list(TASKS)
    assert {task.suite for task in TASKS.values()} == set(revisions.SUITES)
