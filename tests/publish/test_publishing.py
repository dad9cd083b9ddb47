"""Publishing leaves exactly one commit and one right tag per version, or nothing new and one clear line."""

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from huggingface_hub import CommitOperationAdd

from syco_data import settings
from syco_data.errors import SycoError
from syco_data.hub.addresses import Address
from syco_data.hub.client import Remote
from syco_data.publish import card_check, plans, publishing, uploads
from syco_data.publish.publishing import Receipt, Target
from syco_data.release import cards
from tests.support.hub.fixtures import OTHER, READER, ROOT, WRITER, RunningHub
from tests.support.hub.releases import QUICK, Small
from tests.support.hub.wire import Fault

REPO = "alice/claims"
TARGET = Target(REPO, "dataset", private=True)
DATASET = {"repo_id": REPO, "repo_type": "dataset"}
PART = 12_000
"""Bytes; the larger tables of a small release need two or three parts."""
NO_HUB = "http://127.0.0.1:9"


def send(folder: Path, target: Target = TARGET) -> Receipt:
    return publishing.publish(uploads.verified_release(folder), target, QUICK)


def titles(hub: RunningHub) -> list[str]:
    return [commit.title for commit in hub.api().list_repo_commits(**DATASET)]


def tags(hub: RunningHub) -> dict[str, str]:
    return {tag.name: tag.target_commit for tag in hub.api().list_repo_refs(**DATASET).tags}


def refused(call, *words: str) -> None:
    """The call raises one line that holds these words, and no token."""
    with pytest.raises(SycoError) as error:
        call()
    line = str(error.value)
    assert "\n" not in line and "hf_k" not in line
    for word in words:
        assert word in line


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Small(seed=next(SEEDS)).write(tmp_path / "release")


SEEDS = itertools.count(10_000)
"""Rows that no other test has sent: the client remembers what it has uploaded."""


# One version, and the next


def test_a_new_repository_is_private_and_holds_exactly_the_release(hub: RunningHub, release: Path) -> None:
    receipt = send(release)
    info = hub.api().repo_info(**DATASET)
    assert info.private and info.sha == receipt.commit
    assert tags(hub) == {"v1.0.0": receipt.commit}
    assert titles(hub) == ["Version 1.0.0", "initial commit"]
    assert receipt.manifest == uploads.of_release(release).digest
    ours = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    assert {sibling.rfilename for sibling in info.siblings} == ours | {".gitattributes"}
    assert json.loads(receipt.to_json())["commit"] == receipt.commit


def test_the_same_version_again_writes_nothing(hub: RunningHub, release: Path) -> None:
    first = send(release)
    hub.clear_log()
    again = send(release)
    assert again == first and hub.writes() == [] and hub.log()
    page = f"{hub.url}/datasets/{REPO}/tree/v1.0.0"
    assert first.lines() == [f"{REPO} v1.0.0: published; commit {first.commit}, manifest {first.manifest}", page]
    assert again.lines()[0].startswith(f"{REPO} v1.0.0: already there, nothing written; commit ")
    assert again.to_json() == first.to_json()
    plan = publishing.dry_run(uploads.of_release(release), TARGET, QUICK)
    assert plan.lines()[1:] == ["  already there, nothing would be written"]


def test_the_next_version_is_one_more_commit(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    first = send(small.write(tmp_path / "1"))
    second = send(small.later("1.1.0").write(tmp_path / "2"))
    assert tags(hub) == {"v1.0.0": first.commit, "v1.1.0": second.commit}
    assert titles(hub) == ["Version 1.1.0", "Version 1.0.0", "initial commit"]
    hub.clear_log()
    assert send(tmp_path / "1") == first  # an old version, published again, stays where it is
    assert hub.writes() == []


def test_a_dry_run_shows_the_change_of_the_card_in_a_screenful():
    change = (*(f"+line {number}" for number in range(40)), "+" + "x" * 500)
    lines = plans.Plan(REPO, "1.0.0", "v1.0.0", "0" * 64, (plans.Operation("add", "README.md", 1),), change).lines()
    assert lines[2] == "  one commit, 1 operation, 1 byte"
    assert lines[3] == "  card: +line 0" and lines[-1] == "  card: ... and 17 more lines" and len(lines) <= 30
    [_, _, line] = plans.Plan(None, "1.0.0", "v1.0.0", "0" * 64, (), ("+\x1b[31m" + "x" * 500,)).lines()
    assert line.startswith("  card: +\\x1b[31mxxx") and line.endswith(" ...") and len(line) < 200


def test_files_that_a_version_no_longer_has_are_deleted(hub: RunningHub, release: Path) -> None:
    hub.api().create_repo(**DATASET, private=True)
    old = [CommitOperationAdd("old/rows.parquet", b"old"), CommitOperationAdd("notes.txt", b"old")]
    hub.api().create_commit(operations=old, commit_message="before", **DATASET)
    receipt = send(release)
    tree = Remote(REPO, "dataset", QUICK).tree(receipt.commit)
    assert "old/rows.parquet" not in tree and "notes.txt" not in tree and "manifest.json" in tree


def test_a_model_folder_goes_the_same_way(hub: RunningHub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tuned\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights" * 999)
    (folder / ".hidden").write_text("not this", encoding="utf-8")
    command = ["publish", str(folder), "--to", "alice/tuned", "--kind", "model", "--version", "1.0.0"]
    assert run(hub, *command).returncode == 0
    info = hub.api().model_info("alice/tuned", revision="v1.0.0")
    assert info.private
    assert {s.rfilename for s in info.siblings} == {".gitattributes", "README.md", "model.safetensors"}
    hub.clear_log()
    assert run(hub, *command).returncode == 0 and hub.writes() == []


# Refusals, before anything is written


def test_a_tag_with_other_content_is_refused(hub: RunningHub, tmp_path: Path) -> None:
    send(Small(seed=next(SEEDS)).write(tmp_path / "1"))
    hub.clear_log()
    refused(lambda: send(Small(seed=next(SEEDS)).write(tmp_path / "2")), "tag v1.0.0 exists with other content")
    assert hub.writes() == []


def test_a_public_repository_is_refused_where_a_private_one_is_meant(hub: RunningHub, release: Path) -> None:
    hub.api().create_repo(**DATASET, private=False)
    hub.clear_log()
    refused(lambda: send(release), "is public", "publish.private")
    assert hub.writes() == []
    assert send(release, Target(REPO, "dataset", private=False)).tag == "v1.0.0"


def test_words_written_on_the_hub_are_not_lost(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    card = (tmp_path / "1/README.md").read_text(encoding="utf-8").replace(small.words, "A word of warning.")
    edit = [CommitOperationAdd("README.md", card.encode())]
    hub.api().create_commit(operations=edit, commit_message="by hand", **DATASET)
    hub.clear_log()
    later = small.later("1.0.1")
    refused(lambda: send(later.write(tmp_path / "2")), "edited by hand", "release.card")
    assert hub.writes() == []
    kept = Small(later.version, later.seed, "A word of warning.").write(tmp_path / "3")
    assert send(kept).tag == "v1.0.1"


def test_a_tag_that_is_not_a_version_does_not_make_words_on_the_hub_ours(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    card = (tmp_path / "1/README.md").read_text(encoding="utf-8").replace(small.words, "A word of warning.")
    edit = [CommitOperationAdd("README.md", card.encode())]
    commit = hub.api().create_commit(operations=edit, commit_message="by hand", **DATASET)
    hub.api().create_tag(tag="reviewed", revision=commit.oid, **DATASET)
    hub.clear_log()
    refused(lambda: send(small.later("1.0.1").write(tmp_path / "2")), "edited by hand", "release.card")
    assert hub.writes() == []


def test_a_broken_card_is_refused_before_the_upload(hub: RunningHub, release: Path) -> None:
    card = release / "README.md"
    broken = card.read_text(encoding="utf-8").replace("license:", "license: [")
    card.write_text(broken, encoding="utf-8")
    upload = uploads.of_release(release)
    hub.api().create_repo(**DATASET, private=True)
    hub.clear_log()
    refused(lambda: publishing.publish(upload, TARGET, QUICK), "YAML")
    assert hub.writes() == []


def test_a_release_that_is_not_what_its_manifest_says_is_refused(hub: RunningHub, release: Path) -> None:
    (release / "tiny-balanced/train.parquet").write_bytes(b"not what it was")
    refused(lambda: send(release), "tiny-balanced/train.parquet", "Nothing was done")
    assert hub.log() == []


@pytest.mark.parametrize(
    "name",
    ["claims", "a/b/c", "alice/../bob", "alice/cl aims", "alice/claims@1", "-x/y", "alice/ü", "a/b.git", "a--b/c", ""],
)
def test_odd_names_are_refused_without_a_request(hub: RunningHub, release: Path, name: str) -> None:
    refused(lambda: send(release, Target(name, "dataset", private=True)), "OWNER/NAME")
    assert hub.log() == []


@pytest.mark.parametrize("text", ["alice/claims", "alice/claims@", "alice/claims@main", "alice/claims@1.0", "a@1.0.0"])
def test_addresses_name_an_exact_version(text: str) -> None:
    refused(lambda: Address.parse(text))


def test_addresses() -> None:
    assert Address.parse("alice/claims@v1.2.0") == Address.parse("alice/claims@1.2.0") == Address(REPO, "1.2.0")
    assert str(Address.parse("alice/claims@1.2.0")) == "alice/claims@1.2.0"
    assert Address.parse(f"alice/claims@{'a' * 40}").is_commit
    assert Address.looks_like("alice/claims@1.2.0") and not Address.looks_like("HEAD@{1}")


# Cards that somebody else wrote


def website(hub: RunningHub, card: str, kind: str = "dataset", repository: str = REPO) -> None:
    """A repository as somebody made it by hand."""
    hub.api().create_repo(repository, repo_type=kind, private=True)
    add = [CommitOperationAdd("README.md", card.encode())]
    hub.api().create_commit(repository, add, commit_message="by hand", repo_type=kind)


def edit_card(hub: RunningHub, change) -> None:
    """The card at the head, changed on the website."""
    path = hub.api().hf_hub_download(REPO, "README.md", repo_type="dataset", revision="main")
    add = [CommitOperationAdd("README.md", change(Path(path).read_text(encoding="utf-8")).encode())]
    hub.api().create_commit(REPO, add, commit_message="by hand", repo_type="dataset")


@pytest.mark.parametrize("kind", ["dataset", "model"])
@pytest.mark.parametrize("card", ["---\nlicense: other\n---\n", "---\r\nlicense: mit\r\n---\r\n\r\n<!-- To do -->\r\n"])
def test_a_repository_made_on_the_website_is_published_to(hub: RunningHub, release: Path, card: str, kind: str) -> None:
    website(hub, card, kind)
    upload = uploads.verified_release(release) if kind == "dataset" else uploads.of_folder(release, "1.0.0")
    target = Target(REPO, kind, private=True)
    assert publishing.dry_run(upload, target, QUICK).operations
    assert publishing.publish(upload, target, QUICK).tag == "v1.0.0"


def test_a_stub_of_push_to_hub_is_replaced(hub: RunningHub, release: Path) -> None:
    from datasets import Dataset

    Dataset.from_dict({"text": ["a", "b"]}).push_to_hub(REPO, private=True, token=WRITER)
    plan = publishing.dry_run(uploads.verified_release(release), TARGET, QUICK)
    assert {("delete", "data/train-00000-of-00001.parquet"), ("change", "README.md")} <= {
        (one.operation, one.path) for one in plan.operations
    }
    assert send(release).tag == "v1.0.0"


def refused_alike(release: Path, *words: str, target: Target = TARGET) -> str:
    """Publish and its dry run raise the same line."""
    lines = []
    for call in (publishing.dry_run, publishing.publish):
        with pytest.raises(SycoError) as error:
            call(uploads.verified_release(release), target, QUICK)
        lines.append(str(error.value))
    assert lines[0] == lines[1]
    assert all(word in lines[0] for word in words), lines[0]
    return lines[0]


def test_the_hint_about_a_card_with_words_can_be_followed(hub: RunningHub, tmp_path: Path) -> None:
    """To the letter: download it, put the words between the two lines that the hint shows, build with it, publish."""
    website(hub, "---\nlicense: other\n---\n# Our claims\n\nAsk before you\nuse them.\n")
    small = Small(seed=next(SEEDS))
    line = refused_alike(small.write(tmp_path / "1"), "edited by hand", "'Our claims'", "release.card")
    assert hub.api().list_repo_refs(**DATASET).tags == []
    begin, end = line.split("between the two lines '")[1].split("'")[0], line.split("' and '")[1].split("'")[0]
    card = hub.api().hf_hub_download(**DATASET, filename="README.md")
    body = Path(card).read_text(encoding="utf-8").split("---\n")[2]
    words = cards.hand_written(f"---\nlicense: other\n---\n{begin}\n{body}\n{end}\n")
    assert send(Small(seed=small.seed, words=words).write(tmp_path / "2")).tag == "v1.0.0"


def test_the_other_hint_can_be_followed_too(hub: RunningHub, release: Path) -> None:
    website(hub, "# Our claims\n")
    assert "delete README.md on the Hub" in refused_alike(release)
    hub.api().delete_file("README.md", **DATASET)
    assert send(release).tag == "v1.0.0"


@pytest.mark.parametrize("place", [cards.BEGIN, "# Version"])
def test_words_outside_the_fences_are_not_lost_either(hub: RunningHub, tmp_path: Path, place: str) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    edit_card(hub, lambda card: card.replace(place, f"A warning on top.\n\n{place}"))
    later = small.later("1.0.1")
    refused_alike(later.write(tmp_path / "2"), "A warning on top.", "edited by hand")
    kept = Small(later.version, later.seed, f"{small.words}\n\nA warning on top.").write(tmp_path / "3")
    assert send(kept).tag == "v1.0.1"


def test_a_card_that_only_a_build_wrote_is_replaced_though_no_tag_names_its_commit(
    hub: RunningHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    hub.api().delete_tag(tag="v1.0.0", **DATASET)
    assert send(Small("1.0.1", small.seed + 1, "Other words.").write(tmp_path / "2")).tag == "v1.0.1"
    edit_card(hub, lambda card: card.replace("license: other", "license: other\ntags:\n- claims"))
    assert send(Small("1.0.2", small.seed + 2, "Other words.").write(tmp_path / "3")).tag == "v1.0.2"
    assert "YAML head" in caplog.text


def test_an_unrelated_commit_makes_no_words_of_a_build(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    hub.api().create_commit(operations=[CommitOperationAdd("notes.txt", b"x")], commit_message="notes", **DATASET)
    assert send(Small("1.0.1", small.seed + 1, "Other words.").write(tmp_path / "2")).tag == "v1.0.1"


def test_files_that_no_version_brought_are_named_before_they_are_deleted(
    hub: RunningHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    website(hub, "---\nlicense: mit\n---\n")
    mine = [CommitOperationAdd(name, b"x") for name in ("my/thesis.txt", "notes.txt")]
    hub.api().create_commit(operations=mine, commit_message="mine", **DATASET)
    small = Small(seed=next(SEEDS))
    release, words = small.write(tmp_path / "1"), "and stay in the history: 2 (first: my/thesis.txt)"
    for call in (publishing.dry_run, publishing.publish):
        caplog.clear()
        call(uploads.of_release(release), TARGET, QUICK)
        assert words in caplog.text
    caplog.clear()
    edit_card(hub, lambda card: card.replace("license: other", "license: mit"))
    send(small.later("1.0.1").write(tmp_path / "2"))
    assert "no version has brought" not in caplog.text


def test_an_empty_listing_hides_no_words(hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    website(hub, "Ask before you use them.\n")
    listing, empty = Remote.tree, iter([True])
    monkeypatch.setattr(Remote, "tree", lambda *given: {} if next(empty, False) else listing(*given))
    refused(lambda: send(release), "edited by hand")


def test_a_large_card_on_the_hub_is_not_read(hub: RunningHub, release: Path) -> None:
    website(hub, "x" * (card_check.LARGEST + 1))
    refused_alike(release, f"README.md has {card_check.LARGEST + 1:,} bytes", "Delete README.md on the Hub")


def test_a_dry_run_says_what_publishing_says(hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    other = Small(seed=next(SEEDS)).write(tmp_path / "2")
    refused_alike(other, "tag v1.0.0 exists with other content")
    hub.api().create_repo("alice/open", repo_type="dataset", private=False)
    refused_alike(other, "is public", target=Target("alice/open", "dataset", private=True))
    refused_alike(other, "is private, and a public one was asked for", target=Target(REPO, "dataset", private=False))
    monkeypatch.delenv("HF_TOKEN")
    refused_alike(other, "no token was found")


def test_a_dry_run_of_the_command_ends_as_publish_does(hub: RunningHub, release: Path) -> None:
    website(hub, "Ask before you use them.\n")
    result = [run(hub, "publish", str(release), "--to", REPO, *more) for more in (("--dry-run",), ())]
    assert [one.returncode for one in result] == [2, 2]
    assert result[0].stderr.splitlines()[-1] == result[1].stderr.splitlines()[-1]


@pytest.mark.parametrize("head", ["a: [", "- a\n- b", "x"])
def test_a_model_card_whose_head_is_not_a_head_is_refused_before_anything_is_asked(
    hub: RunningHub, tmp_path: Path, head: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text(f"---\n{head}\n---\n# Tuned\n", encoding="utf-8")
    upload, target = uploads.of_folder(folder, "1.0.0"), Target("alice/tuned", "model", private=True)
    for call in (publishing.dry_run, publishing.publish):
        refused(lambda call=call: call(upload, target, QUICK), "README.md", "YAML")
    assert hub.log() == []


# Errors


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_every_request_may_fail_in_every_way(hub: RunningHub, tmp_path: Path, transport: str) -> None:
    """Each request of a publish, in turn: one fault of each kind is overcome; a lasting one is one clear line, and
    the next publish finishes what is left, without a second commit."""
    environment = hub.environment(HF_HUB_DISABLE_XET="1" if transport == "lfs" else "0")
    outcomes = matrix(environment, tmp_path / "work", ".")
    requests = {outcome["request"] for outcome in outcomes}
    assert any(("_put" if transport == "lfs" else "_cas") in request for request in requests)
    assert any("/commit/" in request for request in requests) and any("/tag/" in request for request in requests)
    check_outcomes(outcomes)
    assert len([outcome for outcome in outcomes if outcome["error"]]) >= 10


def test_every_request_of_an_upload_in_parts_may_fail_in_every_way(hub: RunningHub, tmp_path: Path) -> None:
    """Large files go over LFS in parts, and a request at the end makes one object of them."""
    hub.upload_in_parts(PART)
    environment = hub.environment(HF_HUB_DISABLE_XET="1")
    outcomes = matrix(environment, tmp_path / "work", "/_part/|/_complete/")
    requests = {outcome["request"] for outcome in outcomes}
    assert any("/_part/" in request for request in requests) and any("/_complete/" in request for request in requests)
    check_outcomes(outcomes)
    assert len([outcome for outcome in outcomes if outcome["error"]]) >= 3


def matrix(environment: dict[str, str], work: Path, requests: str) -> list[dict]:
    """The outcomes of `tests.support.hub.matrix`; the token is in nothing that it prints."""
    command = [sys.executable, "-m", "tests.support.hub.matrix", str(work), requests]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert WRITER not in result.stdout + result.stderr
    return json.loads(result.stdout)


def check_outcomes(outcomes: list[dict]) -> None:
    for outcome in outcomes:
        assert outcome["hit"], outcome
        assert outcome["commits"] == ["Version 1.0.0", "initial commit"], outcome
        assert outcome["tag_is_right"] and outcome["files_are_right"], outcome
        assert outcome["way"] == "for good" or outcome["error"] is None, outcome
        assert outcome["left_behind"] in ([], ["initial commit"], ["Version 1.0.0", "initial commit"]), outcome
        if outcome["error"]:
            assert "\n" not in outcome["error"] and REPO.split("/")[0] in outcome["error"], outcome


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 504])
@pytest.mark.parametrize("request_of", ["/commit/main$", "/tag/"])
def test_passing_answers_to_the_two_writes_are_overcome(
    hub: RunningHub, release: Path, status: int, request_of: str
) -> None:
    hub.fail(Fault(request_of, status=status, times=2))
    receipt = send(release)
    assert titles(hub) == ["Version 1.0.0", "initial commit"] and tags(hub) == {"v1.0.0": receipt.commit}


def test_a_commit_whose_answer_is_lost_at_the_last_try_is_recognised(hub: RunningHub, release: Path) -> None:
    hub.fail(Fault("/commit/main$", lose_response=True))
    once = settings.Hub(attempts=1, first_wait=0.01, longest_wait=0.01)
    receipt = publishing.publish(uploads.of_release(release), TARGET, once)
    assert tags(hub) == {"v1.0.0": receipt.commit} and titles(hub) == ["Version 1.0.0", "initial commit"]


def test_the_hub_is_not_asked_again_before_it_wants_to_be(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    monkeypatch.setattr("tenacity.nap.time.sleep", pauses.append)
    hub.fail(Fault("/refs$", status=429, headers={"Retry-After": "7"}))
    send(release)
    assert pauses == [7.0]


def test_what_was_uploaded_is_not_sent_again(hub: RunningHub, release: Path) -> None:
    hub.fail(Fault("/commit/main$", status=503, times=1_000))
    refused(lambda: send(release), "commit", "503")
    uploads = [entry for entry in hub.log() if "/xorbs/" in entry.path]
    assert len(uploads) == 1, "one upload in spite of several tries"
    hub.fail()
    hub.clear_log()
    send(release)
    assert not any("/xorbs/" in entry.path for entry in hub.log())


def test_a_commit_that_does_not_hold_what_was_sent_gets_no_tag(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Remote.commit
    monkeypatch.setattr(Remote, "commit", lambda self, operations, *rest: whole(self, operations[1:], *rest))
    refused(lambda: send(release), "does not hold what was sent", "v1.0.0 was not set")
    assert tags(hub) == {}


# Two at once


def at_once(*folders: Path) -> list[Receipt | SycoError]:
    """Publishes all folders at the same time; receipts or errors, in their order."""
    results: dict[int, Receipt | SycoError] = {}

    def one(index: int) -> None:
        try:
            results[index] = send(folders[index])
        except SycoError as error:
            results[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(folders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[index] for index in range(len(folders))]


def test_the_same_release_twice_at_once_is_one_commit(hub: RunningHub, release: Path) -> None:
    hub.fail(Fault("/commit/main$", delay=0.5, times=1))
    first, second = at_once(release, release)
    assert isinstance(first, Receipt) and first == second
    assert titles(hub) == ["Version 1.0.0", "initial commit"] and tags(hub) == {"v1.0.0": first.commit}


def test_two_releases_at_once_do_not_overwrite_each_other(hub: RunningHub, tmp_path: Path) -> None:
    """The first to reach its commit waits there, so the other one's commit comes in between."""
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    folders = [small.later("1.1.0").write(tmp_path / "2"), small.later("2.0.0").write(tmp_path / "3")]
    hub.fail(Fault("/commit/main$", delay=2.0))
    results = at_once(*folders)
    (process,) = (result for result in results if isinstance(result, Receipt))
    (failed,) = (result for result in results if isinstance(result, SycoError))
    assert "received commit" in str(failed) and process.commit in str(failed)
    assert titles(hub) == [f"Version {process.version}", "Version 1.0.0", "initial commit"]
    assert set(tags(hub)) == {"v1.0.0", process.tag}
    again = [send(folder) for folder in folders]
    assert set(tags(hub)) == {"v1.0.0", "v1.1.0", "v2.0.0"} and process in again


def test_a_publish_that_was_killed_is_finished_by_the_next(hub: RunningHub, release: Path) -> None:
    """kill -9 while the commit is under way: the Hub may or may not make that commit, perhaps later."""
    hub.fail(Fault("/commit/main$", delay=1.0))
    command = [sys.executable, "-m", "syco_data", "publish", str(release), "--to", REPO]
    with subprocess.Popen(command, env=hub.environment(), cwd=ROOT, stderr=subprocess.DEVNULL) as killed:
        while not any("/commit/" in entry.path for entry in hub.log()):
            assert killed.poll() is None, "it ended before its commit"
            time.sleep(0.02)
        killed.kill()
    receipt = send(release)
    time.sleep(1.2)  # by now the Hub has dealt with the request of the dead process
    assert send(release) == receipt
    assert titles(hub) == ["Version 1.0.0", "initial commit"] and tags(hub) == {"v1.0.0": receipt.commit}


# Tokens


def run(hub: RunningHub, *arguments: str, token: str | None = WRITER, **more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "syco_data", *arguments]
    environment = hub.environment(token, **more)
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "no token was found"),
        ("hf_kNobody0000", "does not accept the token"),
        (READER, "no right to do this"),
        (OTHER, "no right to do this"),
        ("hf_k\x07bell", "characters that no token has"),
        ("hf_kü", "characters that no token has"),
    ],
)
def test_a_token_that_does_not_do_is_one_line(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, words: str
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    refused(lambda: send(release), words, "hf auth login")
    assert hub.api().repo_exists(**DATASET) is False


def test_the_command_says_one_line_about_a_wrong_token(hub: RunningHub, release: Path) -> None:
    result = run(hub, "publish", str(release), "--to", REPO, "--verbose", token="hf_kNobody0000")
    assert result.returncode == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "does not accept the token" in errors[0]
    assert "Traceback" not in result.stderr and "hf_kNobody0000" not in result.stdout + result.stderr


def test_a_read_only_token_is_told_apart_where_the_repository_is_there(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.api().create_repo(**DATASET, private=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    refused(lambda: send(release), "commit: the token has no right to do this")


def test_the_token_comes_from_the_login_cache_too(
    hub: RunningHub, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    hub.home.mkdir(parents=True, exist_ok=True)
    (hub.home / "token").write_text(WRITER, encoding="utf-8")
    assert send(release).tag == "v1.0.0"


CRASH = """
import sys
from syco_data.release import cards; from syco_data.publish import uploads
from syco_data.__main__ import main
def broken(self, tree):
    raise KeyError("an error of our own")
uploads.Upload.differences = broken
main()
"""


def test_the_token_is_in_no_output_log_or_file(hub: RunningHub, tmp_path: Path) -> None:
    """A project of its own, built by DVC, verbose: nothing that is printed or written holds the token."""
    project = project_of(tmp_path / "project", REPO)
    environment = hub.environment(PYTHONPATH=str(ROOT), HF_DEBUG="1", HF_HUB_VERBOSITY="debug")
    dvc = [sys.executable, "-m", "dvc"]
    shown = [
        subprocess.run([*dvc, *part], cwd=project, env=environment, capture_output=True, text=True, check=False)
        for part in (["init", "--no-scm", "-q"], ["repro", "-v"])
    ]
    assert shown[-1].returncode == 0, shown[-1].stderr[-2000:]
    receipt = json.loads((project / "data/publish/receipt.json").read_text(encoding="utf-8"))
    assert receipt["repository"] == REPO and tags(hub) == {"v1.0.0": receipt["commit"]}
    release, elsewhere = str(project / "data/release"), str(tmp_path / "pulled")
    shown += [
        run(hub, "publish", release, "--to", "alice/second", "--verbose"),
        run(hub, "pull", f"{REPO}@1.0.0", "--to", elsewhere, "--verbose"),
        run(hub, "pull", f"{REPO}@9.0.0", "--to", elsewhere, "--verbose"),
        subprocess.run(
            [sys.executable, "-c", CRASH, "publish", release, "--to", REPO],
            env=hub.environment(), cwd=ROOT, capture_output=True, text=True, check=False,
        ),
    ]  # fmt: skip
    assert [result.returncode for result in shown[2:]] == [0, 0, 2, 1] and "Traceback" in shown[-1].stderr
    for result in shown:
        assert WRITER not in result.stdout + result.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if WRITER.encode() in path.read_bytes()] == []


def project_of(folder: Path, repository: str | None) -> Path:
    """A project with a finished release, whose one stage publishes it."""
    Small(seed=next(SEEDS)).write(folder / "data/release")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["publish"]["repository"] = repository
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    stage = {
        "cmd": f"{sys.executable} -m stages.publish",
        "deps": ["data/release"],
        "params": ["publish"],
        "outs": ["data/publish"],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"publish": stage}}), encoding="utf-8")
    return folder


# Dry runs


def test_without_a_repository_nothing_is_asked_and_the_receipt_is_the_same_each_time(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", None)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HF_ENDPOINT": NO_HUB, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "stages.publish"]
    receipts = []
    for _ in range(2):
        result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        receipts.append((project / "data/publish/receipt.json").read_bytes())
    assert receipts[0] == receipts[1]
    receipt = json.loads(receipts[0])
    assert receipt["dry_run"] is True and receipt["repository"] is None and receipt["tag"] == "v1.0.0"
    paths = {row["path"]: row["bytes"] for row in receipt["operations"]}
    there = {p.relative_to(project / "data/release").as_posix(): p.stat().st_size
             for p in (project / "data/release").rglob("*") if p.is_file()}  # fmt: skip
    assert paths == there and {row["operation"] for row in receipt["operations"]} == {"add"}
    assert "dry run" in result.stdout and "tiny-balanced/train.parquet" in result.stdout and "1.0.0" in result.stdout


def test_a_dry_run_shows_what_changes_since_the_version_before(tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    before, after = small.write(tmp_path / "1"), small.later("1.1.0").write(tmp_path / "2")
    params = settings.Publish(repository=None, private=True)
    plan = publishing.as_configured(after, params, before, QUICK)
    assert {operation.operation for operation in plan.operations} == {"change"}
    assert [line for line in plan.card if line[0] in "+-"] == ["-# Version 1.0.0", "+# Version 1.1.0"]


def test_a_dry_run_against_a_repository_reads_only(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    hub.clear_log()
    result = run(hub, "publish", str(small.later("1.1.0").write(tmp_path / "2")), "--to", REPO, "--dry-run")
    assert result.returncode == 0 and hub.writes() == [] and hub.log()
    assert "change" in result.stdout and "card: +# Version 1.1.0" in result.stdout


def test_a_dry_run_of_a_version_that_is_there_says_so(hub: RunningHub, tmp_path: Path) -> None:
    small = Small(seed=next(SEEDS))
    send(small.write(tmp_path / "1"))
    send(small.later("1.1.0").write(tmp_path / "2"))
    hub.api().delete_tag(tag="v1.1.0", **DATASET)
    for folder, words in (("1", "already there, nothing would be written"), ("2", "the tag alone would be set")):
        result = run(hub, "publish", str(tmp_path / folder), "--to", REPO, "--dry-run")
        assert result.returncode == 0 and words in result.stdout and "operations" not in result.stdout


def test_a_release_is_published_from_any_folder(hub: RunningHub, tmp_path: Path) -> None:
    release, elsewhere = Small(seed=next(SEEDS)).write(tmp_path / "1"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "syco_data", "publish", str(release), "--to", REPO]
    result = subprocess.run(
        command, env=hub.environment(WRITER), cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0 and "commit" in result.stdout, result.stderr
    assert [ref.name for ref in hub.api().list_repo_refs(**DATASET).tags] == ["v1.0.0"]
