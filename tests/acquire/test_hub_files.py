"""Downloads from an emulated Hub over real sockets: both transports, cut connections, refusals, pinned commits."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from syco_data import schemas, settings, tables
from syco_data.acquire import acquire, hub_files
from syco_data.errors import SycoError
from syco_data.hub import lock
from syco_data.settings import Hub
from syco_data.settings.revisions import Named
from syco_data.sources import SOURCES
from tests.support import repositories
from tests.support.hub.fixtures import OTHER, READER, ROOT, WRITER
from tests.support.hub.wire import Fault

RETRIES = Hub(attempts=3, first_wait=0.01, longest_wait=0.05)
OWNERS = sorted({source.hub_id.split("/")[0] for source in SOURCES.values()})
SST2, QQP, TREC = SOURCES["sst2"], SOURCES["qqp"], SOURCES["trec"]
LISTING = "GET /api/datasets/stanfordnlp/sst2"
FILES = "GET /_cdn/|GET /_xorb/|GET /_cas/"


@pytest.fixture(scope="module")
def hub_server(tmp_path_factory):
    """An emulated Hub whose writer owns the names of all upstream repositories."""
    data = tmp_path_factory.mktemp("hub") / "store"
    users = (f"{WRITER}:alice+{'+'.join(OWNERS)}:write", f"{READER}:carol:read", f"{OTHER}:bob:write")
    tokens = [f"--token={user}" for user in users]
    command = [sys.executable, "-m", "tests.support.hub", "--data", str(data), *tokens]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()  # a request that a test left hanging would hold up a polite end


def publish(hub, folder, source, pattern="data/{split}-00000-of-00001.parquet", branch=None, private=False):
    """Uploads a repository of synthetic rows; returns its commit."""
    repository = repositories.repository(folder / source.hub_id.replace("/", "__"), source, pattern)
    api = hub.api()
    api.create_repo(source.hub_id, repo_type="dataset", exist_ok=True, private=private)
    if branch:
        api.create_branch(source.hub_id, repo_type="dataset", branch=branch)
    commit = api.upload_folder(repo_id=source.hub_id, repo_type="dataset", folder_path=repository, revision=branch)
    return commit.oid


def commit_of(source, revision):
    """The commit that a revision stands for, asked of the Hub."""
    return lock.commit_of(Named("a revision", "dataset", source.hub_id, revision), revision, RETRIES)


def params(**revisions):
    """The project's params with origin `hub`, few retries, and the revisions of some sources."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["acquire"]["origin"], values["hub"] = "hub", RETRIES.model_dump()
    for key, revision in revisions.items():
        values["sources"][key]["revision"] = revision
    return values


def given(**revisions):
    return settings.parse(params(**revisions))


def project(tmp_path, **revisions):
    """A folder to run commands and stages in, with these settings."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params(**revisions)), encoding="utf-8")
    return folder


def stage(hub, folder, *keys, token=READER, **environment):
    """The environment and command of `python -m stages.acquire`, run as a process of its own."""
    variables = hub.environment(token, PYTHONPATH=str(ROOT), **environment)
    return {"args": [sys.executable, "-m", "stages.acquire", *keys], "cwd": folder, "env": variables, "text": True}


def expected_rows(source):
    texts = [*source.text_columns, source.label_column]
    return [
        repositories.upstream_rows(source, split, count).select(texts).rows()
        for split, count in repositories.splits(source).items()
    ]


def found_rows(source, rows):
    return [
        rows.filter(split=split).select(*source.text_columns, "label").rows() for split in repositories.splits(source)
    ]


@pytest.mark.parametrize("xet", ["0", "1"], ids=["xet", "plain HTTP"])
def test_a_pinned_source_comes_whole_over_both_transports(hub, tmp_path, xet):
    commit = publish(hub, tmp_path, SST2)
    folder = project(tmp_path, sst2=commit)
    hub.clear_log()
    result = subprocess.run(**stage(hub, folder, "sst2", HF_HUB_DISABLE_XET=xet), capture_output=True)
    assert result.returncode == 0, result.stderr
    rows = tables.read(folder / "data/raw/sst2/rows.parquet", schemas.raw(SST2))
    assert found_rows(SST2, rows) == expected_rows(SST2)
    record = json.loads((folder / "data/raw/sst2/provenance.json").read_text(encoding="utf-8"))
    assert (record["origin"], record["revision"]) == ("hub", commit)
    assert any(entry.path.startswith("/_xorb/" if xet == "0" else "/_cdn/") for entry in hub.log())


def test_shards_and_the_config_of_a_larger_repository(hub, tmp_path):
    publish(hub, tmp_path, SOURCES["mrpc"], "{config}/{split}-00000-of-00001.parquet")
    commit = publish(hub, tmp_path, QQP, "{config}/{split}-{index:05}-of-{count:05}.parquet")
    hub.clear_log()
    acquired = acquire.acquire(QQP, given(qqp=commit))
    assert found_rows(QQP, acquired.rows) == expected_rows(QQP)
    assert not any("mrpc" in entry.path for entry in hub.log())


def test_a_branch_of_the_hubs_own_conversion_is_resolved_and_read(hub, tmp_path):
    commit = publish(hub, tmp_path, TREC, "{config}/{split}/0000.parquet", branch="refs/convert/parquet")
    assert commit_of(TREC, "refs/convert/parquet") == commit
    assert found_rows(TREC, acquire.acquire(TREC, given(trec=commit)).rows) == expected_rows(TREC)


def test_a_pin_holds_when_upstream_moves_on(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2)
    before = acquire.acquire(SST2, given(sst2=commit))
    table = repositories.split_table(SST2, "train", 12, ["positive", "negative"])
    repositories.save(tmp_path / "stanfordnlp__sst2/data/train-00000-of-00001.parquet", table)
    hub.api().upload_folder(repo_id=SST2.hub_id, repo_type="dataset", folder_path=tmp_path / "stanfordnlp__sst2")
    assert acquire.acquire(SST2, given(sst2=commit)).rows.equals(before.rows)
    moved = commit_of(SST2, "main")
    assert moved != commit
    with pytest.raises(SycoError, match="label names differ .*found: positive, negative; expected: negative|neg"):
        acquire.acquire(SST2, given(sst2=moved))


def test_a_name_that_can_move_is_refused_before_anything_is_asked(hub):
    hub.clear_log()
    with pytest.raises(SycoError, match="revision 'main' is a name that can move.*python -m syco_data lock"):
        acquire.acquire(SST2, given())
    assert hub.log() == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_answers_that_may_pass_are_tried_again(hub, tmp_path, status):
    commit = publish(hub, tmp_path, SST2)
    hub.fail(Fault(match=LISTING, status=status, times=2))
    assert hub_files.fetch(SST2, commit, RETRIES).revision == commit
    hub.fail(Fault(match=LISTING, status=status, times=3))
    with pytest.raises(
        hub_files.Unreachable, match=rf"source 'sst2': .*: answer {status} .* again\. .*what has arrived is kept"
    ):
        hub_files.fetch(SST2, commit, RETRIES)


def test_a_pause_that_the_hub_asks_for_is_kept(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2)
    hub.fail(Fault(match=LISTING, status=429, headers={"Retry-After": "1"}))
    started = time.monotonic()
    hub_files.fetch(SST2, commit, RETRIES)
    assert time.monotonic() - started >= 1


def test_a_cut_connection_is_gone_on_with(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2)
    hub.fail(Fault(match=LISTING, lose_response=True), Fault(match="HEAD .*train", lose_response=True))
    assert found_rows(SST2, acquire.acquire(SST2, given(sst2=commit)).rows) == expected_rows(SST2)


def test_no_answer_at_all_is_one_line(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        hub_files.Unreachable, match="the connection failed .ConnectError.: 127.0.0.1:9: it refuses"
    ) as caught:
        hub_files.fetch(SST2, "main", RETRIES)
    assert "\n" not in str(caught.value)


REFUSALS = {
    "missing repository": ({"source": "rte"}, "there is no such data set, or it is private"),
    "missing revision": ({"revision": "0" * 40}, f"has no revision '{'0' * 40}'.*python -m syco_data lock"),
    "wrong token": ({"token": "hf_wrong"}, "the token in use is refused .401..*hf auth login"),
    "private, no token": ({"private": True, "token": None}, "no such data set, or it is private .401..*hf auth login"),
    "private, another's token": ({"private": True, "token": OTHER}, "no such data set, or it is private .404."),
    "forbidden": ({"fault": Fault(match=LISTING, status=403)}, "the token in use is refused .403."),
    "gated": (
        {"fault": Fault(match=LISTING, status=403, headers={"X-Error-Code": "GatedRepo"})},
        "is gated, and your account has no access.*hf auth login",
    ),
    "gone": ({"fault": Fault(match=LISTING, status=410)}, "answer 410"),
}


@pytest.mark.parametrize(("case", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_hub_refuses_is_one_line_without_the_token(hub, tmp_path, monkeypatch, case, message):
    commit = publish(hub, tmp_path, SST2, private=case.get("private", False))
    hub.fail(*filter(None, [case.get("fault")]))
    token, source = case.get("token", READER), SOURCES[case.get("source", "sst2")]
    monkeypatch.setenv("HF_TOKEN", token or "")
    with pytest.raises(SycoError) as caught:
        hub_files.fetch(source, case.get("revision", commit), RETRIES)
    line = str(caught.value)
    assert line.startswith(f"source '{source.key}': ") and re.search(message, line)
    assert "\n" not in line and (token is None or token not in line)


def test_a_stage_that_is_refused_ends_with_one_line_and_writes_nothing(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2, private=True)
    folder = project(tmp_path, sst2=commit)
    result = subprocess.run(**stage(hub, folder, "sst2", token=OTHER), capture_output=True)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode == 2 and line.startswith("error: source 'sst2': stanfordnlp/sst2 at http://127.0.0.1")
    assert "there is no such data set, or it is private (404)" in line and OTHER not in line
    assert not (folder / "data").exists()


def test_a_killed_download_leaves_no_half_file_and_keeps_finished_ones(hub, tmp_path):
    commit = publish(hub, tmp_path, QQP, "{config}/{split}-{index:05}-of-{count:05}.parquet")
    folder = project(tmp_path, qqp=commit)
    # The first large file comes through; the second hangs until the stage is killed.
    hub.fail(Fault(match="GET /_cdn/", skip=1, delay=600))
    hub.clear_log()
    running = subprocess.Popen(**stage(hub, folder, "qqp", HF_HUB_DISABLE_XET="1"), stderr=subprocess.DEVNULL)
    wait_for(lambda: len([entry for entry in hub.log() if entry.path.startswith("/_cdn/")]) == 2)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (folder / "data").exists()
    finished = downloaded(hub)
    assert len(finished) == 1
    hub.fail()
    hub.clear_log()
    result = subprocess.run(**stage(hub, folder, "qqp", HF_HUB_DISABLE_XET="1"), capture_output=True)
    assert result.returncode == 0, result.stderr
    assert len([entry for entry in hub.log() if entry.path.startswith("/_cdn/")]) == 3
    rows = tables.read(folder / "data/raw/qqp/rows.parquet", schemas.raw(QQP))
    assert found_rows(QQP, rows) == expected_rows(QQP)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def downloaded(hub):
    """The whole files in the client's cache."""
    return list((hub.home / "hub").rglob("snapshots/*/*/*.parquet"))


def test_a_download_cut_in_the_middle_is_resumed_within_the_run(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2)
    folder = project(tmp_path, sst2=commit)
    hub.fail(Fault(match="GET /_cdn/", cut_response=1000))
    hub.clear_log()
    result = subprocess.run(**stage(hub, folder, "sst2", HF_HUB_DISABLE_XET="1"), capture_output=True)
    assert result.returncode == 0, result.stderr
    assert any(entry.fault for entry in hub.log())
    rows = tables.read(folder / "data/raw/sst2/rows.parquet", schemas.raw(SST2))
    assert found_rows(SST2, rows) == expected_rows(SST2)


def test_a_changed_file_in_the_cache_is_noticed_and_fetched_again(hub, tmp_path):
    commit = publish(hub, tmp_path, SST2)
    fetched = hub_files.fetch(SST2, commit, RETRIES)
    path = fetched.splits[0].paths[0]
    whole = path.read_bytes()
    path.resolve().chmod(0o644)
    path.resolve().write_bytes(whole[:-50] + b"\0" * 50)
    again = hub_files.fetch(SST2, commit, RETRIES)
    assert again.splits[0].paths[0].read_bytes() == whole


def test_a_connection_that_has_died_is_given_up(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    commit = publish(hub, tmp_path, SST2)
    hub.fail(Fault(match=LISTING, delay=60, times=3))
    with pytest.raises(hub_files.Unreachable, match="no answer for 0.3 s .ReadTimeout."):
        hub_files.fetch(SST2, commit, RETRIES)
    assert hub_files.fetch(SST2, commit, RETRIES).revision == commit


@pytest.mark.parametrize(("xet", "payload"), [("0", "GET /_xorb/"), ("1", "GET /_cdn/")], ids=["xet", "plain HTTP"])
def test_a_payload_that_never_comes_is_one_line_and_no_file(hub, tmp_path, xet, payload):
    folder = project(tmp_path, sst2=publish(hub, tmp_path, SST2))
    hub.fail(Fault(match=payload, status=503, times=10_000))
    result = subprocess.run(**stage(hub, folder, "sst2", HF_HUB_DISABLE_XET=xet), capture_output=True)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: source 'sst2': ") and "Run the same command" in line and "kept" not in line
    assert not (folder / "data").exists() and downloaded(hub) == []
    hub.fail()
    assert subprocess.run(**stage(hub, folder, "sst2", HF_HUB_DISABLE_XET=xet)).returncode == 0


def test_what_the_client_downloads_into_a_folder_is_an_origin_with_a_known_commit(hub, tmp_path):
    commit = publish(hub, tmp_path / "made", SST2)
    root = tmp_path / "sources"
    hub.api().snapshot_download(SST2.hub_id, repo_type="dataset", local_dir=root / "stanfordnlp__sst2")
    values = params(sst2=commit)
    values["acquire"] |= {"origin": "directory", "directory": str(root)}
    acquired = acquire.acquire(SST2, settings.parse(values))
    assert acquired.revision == commit and found_rows(SST2, acquired.rows) == expected_rows(SST2)


def test_without_a_network_the_client_is_not_waited_for(hub, tmp_path):
    folder = project(tmp_path, sst2=publish(hub, tmp_path, SST2))
    result = subprocess.run(**stage(hub, folder, "sst2", HF_HUB_OFFLINE="1"), capture_output=True)
    assert result.returncode == 2 and "HF_HUB_OFFLINE is set" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
