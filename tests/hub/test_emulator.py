"""The emulated Hub behaves, for the real client, as the Hub does where publishing and pulling depend on it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from tests.support.hub.fixtures import OTHER, READER, RunningHub
from tests.support.hub.wire import Fault

REPO = "alice/shelf"
LARGE = np.random.default_rng(0).bytes(300_000)
CARD = b"---\nlicense: mit\n---\n# A shelf\n"

# Uploads and downloads once, and prints what came down; the transport follows from the environment.
ROUND_TRIP = """
import hashlib, json, sys
from pathlib import Path
from huggingface_hub import CommitOperationAdd, HfApi
api, repo, large = HfApi(), "alice/shelf", Path(sys.argv[1])
api.create_repo(repo, repo_type="dataset", private=True)
api.create_commit(repo, repo_type="dataset", commit_message="one", operations=[
    CommitOperationAdd("a/large.parquet", str(large)), CommitOperationAdd("small.txt", b"small")])
folder = Path(api.snapshot_download(repo, repo_type="dataset"))
print(json.dumps({p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
                  for p in folder.rglob("*") if p.is_file()}))
"""


def fill(hub: RunningHub, kind: str = "dataset", private: bool = False) -> str:
    """A repository with one commit of a card and a large file; its commit."""
    api = hub.api()
    api.create_repo(REPO, repo_type=kind, private=private)
    operations = [CommitOperationAdd("README.md", CARD), CommitOperationAdd("a/large.parquet", LARGE)]
    return api.create_commit(REPO, operations, commit_message="one", repo_type=kind).oid


@pytest.mark.parametrize("xet", ["on", "off"])
def test_both_transports_bring_the_bytes_there_and_back(hub: RunningHub, tmp_path: Path, xet: str) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    environment = hub.environment(HF_HUB_DISABLE_XET="0" if xet == "on" else "1")
    command = [sys.executable, "-c", ROUND_TRIP, str(tmp_path / "large")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    digests = json.loads(result.stdout)
    assert digests["a/large.parquet"] == hashlib.sha256(LARGE).hexdigest()
    assert digests["small.txt"] == hashlib.sha256(b"small").hexdigest()
    used = [entry.path for entry in hub.log() if entry.path.startswith(("/_cas/", "/_put/"))]
    assert used and all(path.startswith("/_cas/" if xet == "on" else "/_put/") for path in used)


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_trees_tags_and_history_are_gits_own(hub: RunningHub, kind: str) -> None:
    commit, api = fill(hub, kind), hub.api()
    entries = {entry.path: entry for entry in api.list_repo_tree(REPO, revision=commit, recursive=True, repo_type=kind)}
    assert entries["a/large.parquet"].lfs.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert entries["README.md"].blob_id == hashlib.sha1(b"blob %d\0" % len(CARD) + CARD).hexdigest()  # noqa: S324
    api.create_tag(REPO, tag="v1", revision=commit, repo_type=kind)
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_tag(REPO, tag="v1", revision=commit, repo_type=kind)
    assert refused.value.response.status_code == 409
    assert api.list_repo_refs(REPO, repo_type=kind).tags[0].target_commit == commit
    assert [each.title for each in api.list_repo_commits(REPO, repo_type=kind)] == ["one", "initial commit"]
    removal = [CommitOperationDelete("README.md")]
    api.create_commit(REPO, removal, commit_message="two", repo_type=kind, parent_commit=commit)
    assert "README.md" not in {file.path for file in api.list_repo_tree(REPO, repo_type=kind)}


def test_a_stale_parent_is_refused(hub: RunningHub) -> None:
    first = hub.api().create_commit
    commit = fill(hub)
    first(REPO, [CommitOperationAdd("b", b"b")], commit_message="two", repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as refused:
        first(REPO, [CommitOperationAdd("c", b"c")], commit_message="3", repo_type="dataset", parent_commit=commit)
    assert refused.value.response.status_code == 412


def test_rights_follow_the_token(hub: RunningHub) -> None:
    fill(hub, private=True)
    with pytest.raises(RepositoryNotFoundError):
        hub.api(OTHER).repo_info(REPO, repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as refused:
        hub.api(READER).create_tag(REPO, tag="v1", repo_type="dataset")
    assert refused.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as refused:
        hub.api("hf_nobody").repo_info(REPO, repo_type="dataset")
    assert refused.value.response.status_code == 401
    with pytest.raises(RevisionNotFoundError):
        hub.api().repo_info(REPO, repo_type="dataset", revision="v9")


def test_the_token_stays_with_its_host(hub: RunningHub) -> None:
    """Large files lie at another address, to which the client must not carry the token."""
    snapshot_download(REPO, repo_type="dataset", revision=fill(hub))
    elsewhere = [entry for entry in hub.log() if entry.path.startswith(("/_cdn/", "/_xorb/"))]
    assert elsewhere and not any(entry.authorised for entry in elsewhere)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/refs$", status=503),
        Fault("/refs$", cut_request=0),
        Fault("/refs$", cut_response=5),
        Fault("/refs$", lose_response=True),
    ],
)
def test_a_fault_hits_once_and_is_logged(hub: RunningHub, fault: Fault) -> None:
    import httpx2

    fill(hub)
    hub.clear_log()
    hub.fail(fault)
    with pytest.raises((HfHubHTTPError, httpx2.TransportError)):
        hub.api().list_repo_refs(REPO, repo_type="dataset")
    assert [entry.fault is not None for entry in hub.log()] == [True]
    assert hub.api().list_repo_refs(REPO, repo_type="dataset").branches[0].name == "main"


def test_datasets_loads_from_it(hub: RunningHub, tmp_path: Path) -> None:
    """`load_dataset` in a process of its own, as a reader of a card would call it."""
    import polars as pl

    pl.DataFrame({"text": ["x", "y"]}).write_parquet(tmp_path / "t.parquet")
    hub.api().create_repo(REPO, repo_type="dataset")
    operations = [CommitOperationAdd("data/train.parquet", str(tmp_path / "t.parquet"))]
    hub.api().create_commit(REPO, operations, commit_message="one", repo_type="dataset")
    code = "from datasets import load_dataset; print(load_dataset('alice/shelf')['train']['text'][:])"
    result = subprocess.run(
        [sys.executable, "-c", code], env=hub.environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "['x', 'y']"
