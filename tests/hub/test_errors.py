"""A Hub that is silent, slow, full of nonsense or quotes the token: a limit of time, one line, and no secret."""

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub.utils import _http

from syco_data import __main__, load_release
from syco_data.acquire import hub_files
from syco_data.engines import models
from syco_data.errors import SycoError
from syco_data.hub import limits, retries, session, snapshots
from syco_data.hub.addresses import Address
from syco_data.hub.client import Remote
from syco_data.publish import publishing, pulling, uploads
from syco_data.publish.publishing import Target
from syco_data.settings import Hub, Model
from syco_data.sources import SOURCES
from tests.support.hub.fixtures import ROOT, WRITER, RunningHub
from tests.support.hub.matrix import BODIES, SHAPES
from tests.support.hub.releases import QUICK, Small
from tests.support.hub.wire import Fault

REPO, ONE = "alice/claims", Address("alice/claims", "1.0.0")
TARGET = Target(REPO, "dataset", private=True)
SHORT = Hub(attempts=2, first_wait=0.01, longest_wait=0.01, no_answer=0.3, total=1.5)
ONCE = QUICK.model_copy(update={"attempts": 1})
COMMIT = "0" * 40
PAYLOAD = "GET /_cdn/|GET /_xorb/|GET /_cas/"
SEEDS = itertools.count(40_000)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return Small(seed=next(SEEDS)).write(tmp_path / "release")


@pytest.fixture
def published(hub: RunningHub, release: Path) -> Path:
    publishing.publish(uploads.of_release(release), TARGET, QUICK)
    hub.clear_log()
    return release


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own pauses are as long as they are."""
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.01))))


def refused(call, *words: str, within: float = 30) -> str:
    began = time.monotonic()
    with pytest.raises(SycoError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and all(word in line for word in words), line
    assert time.monotonic() - began < within
    return line


def command(hub: RunningHub, *arguments: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess:
    environment = hub.environment(**{"PYTHONPATH": str(ROOT), **more})
    words = [sys.executable, "-m", "syco_data", *arguments]
    return subprocess.run(words, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


SEVERAL = """
import json, os, sys
from syco_data import __main__, redaction, streams
for words in json.loads(sys.argv[1]):
    sys.argv = ["syco-data", *words]
    with streams.safe(), redaction.guarded():
        print("ended with", __main__._code(), flush=True)
os._exit(0)
"""


def commands(hub: RunningHub, *lines: tuple[str, ...], **more: str) -> subprocess.CompletedProcess:
    """Commands one after another in one process, as starting one takes a while."""
    environment = hub.environment(**{"PYTHONPATH": str(ROOT), **more})
    words = [sys.executable, "-c", SEVERAL, json.dumps(lines)]
    return subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)


# Time


READS = {
    "pull": lambda folder, retry: pulling.pull(ONE, folder, retry),
    "load_release": lambda folder, retry: load_release(REPO, "1.0.0", retry=retry),
    "sources": lambda folder, retry: hub_files.fetch(SOURCES["sst2"], "main", retry),
    "models add": lambda folder, retry: models.latest_commit("m", model(), retry),
    "models": lambda folder, retry: models.resolve("m", model(), folder, retry),
    "surveys": lambda folder, retry: snapshots.fetch(wanted(), retry),
}


def model() -> Model:
    return Model(source="alice/model", revision=COMMIT, prompt_style="plain", dtype="float32")


def wanted() -> snapshots.Wanted:
    return snapshots.Wanted("probes.surveys", "alice/surveys", COMMIT, ("*",))


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_hub_that_takes_a_request_and_never_answers_is_one_line(hub: RunningHub, tmp_path: Path, read) -> None:
    hub.fail(Fault(".", delay=60, times=100))
    line = refused(lambda: read(tmp_path / "to", SHORT), "no answer for 0.3 s (ReadTimeout)", within=8)
    assert "kept" not in line


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_hub_that_answers_byte_by_byte_ends_at_the_total_limit(hub: RunningHub, tmp_path: Path, read) -> None:
    hub.fail(Fault(".", body=" " * 100, drip=0.1, times=100))
    refused(lambda: read(tmp_path / "to", SHORT), "the time limit of 1.5 s is over", "--time-limit", within=8)


@pytest.mark.parametrize("request_", ["refs", "tree", "resolve", PAYLOAD])
def test_a_pull_that_hangs_in_the_middle_is_one_line(
    hub: RunningHub, published: Path, tmp_path: Path, request_: str
) -> None:
    hub.fail(Fault(request_, delay=60, times=100))
    refused(lambda: pulling.pull(ONE, tmp_path / "to", SHORT), REPO, within=10)
    hub.fail()
    assert pulling.pull(ONE, tmp_path / "to", QUICK).files == 8


def test_what_has_arrived_is_told_when_the_time_is_over(hub: RunningHub, published: Path, tmp_path: Path) -> None:
    hub.fail(Fault(PAYLOAD, delay=60, times=100))
    retry = SHORT.model_copy(update={"no_answer": 60.0})
    line = refused(lambda: pulling.pull(ONE, tmp_path / "to", retry), "the time limit of 1.5 s is over", within=8)
    assert "; here by now: " in line and " complete file" in line


@pytest.mark.parametrize(
    "request_", ["GET /api/datasets/alice/claims$", "preupload", "write-token", "/commit/", "/tag/"]
)
def test_a_publish_that_hangs_is_one_line(hub: RunningHub, release: Path, request_: str, monkeypatch) -> None:
    monkeypatch.setattr(limits, "LAST_LOOK", 2.0)
    hub.fail(Fault(request_, delay=60, times=100))
    refused(lambda: publishing.publish(uploads.of_release(release), TARGET, SHORT), REPO, within=15)
    hub.fail()
    assert publishing.publish(uploads.of_release(release), TARGET, QUICK).tag == "v1.0.0"


def test_a_call_that_lasts_is_spoken_of_now_and_then(monkeypatch, caplog) -> None:
    monkeypatch.setattr(limits, "FIRST_WORD", 0.1)
    assert limits.call(lambda: time.sleep(0.9) or 5, "download x", limits.Deadline(9)) == 5
    words = [record.getMessage() for record in caplog.records]
    assert words[0] == "waiting for the Hub: download x (0 s of 9 s)" and len(words) == 4  # after 0.1, 0.2, 0.4, 0.8 s


def test_bytes_that_come_slowly_are_not_silence(hub: RunningHub, published: Path, tmp_path: Path) -> None:
    retry = SHORT.model_copy(update={"total": 60.0})
    hub.fail(Fault("/refs", drip=0.02))
    began = time.monotonic()
    assert pulling.pull(ONE, tmp_path / "to", retry).files == 8
    assert time.monotonic() - began > 2 * SHORT.no_answer


def test_the_commands_limit_holds_for_all_of_its_calls_together(hub: RunningHub) -> None:
    with limits.within(1.0):
        remote, other = Remote(REPO, "dataset", QUICK), Remote(REPO, "model", SHORT)
        assert remote.deadline is other.deadline and remote.deadline.total == 1.0
        time.sleep(1.05)
        refused(other.state, "the time limit of 1 s is over", within=1)
    assert Remote(REPO, "dataset", QUICK).deadline.total == QUICK.total


def test_what_an_earlier_call_left_behind_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook or a test may run a command after a call that was given up."""
    waiting = threading.Event()
    with pytest.raises(limits.OutOfTime):
        limits.call(waiting.wait, "wait", limits.Deadline(0.1))
    monkeypatch.setattr(limits.os, "_exit", lambda code: pytest.fail("the process was ended"))
    monkeypatch.setattr(sys, "argv", ["syco-data", "sources", "list"])
    try:
        with pytest.raises(SystemExit):
            __main__.main()
    finally:
        waiting.set()


def test_a_limit_that_is_over_lets_no_call_begin() -> None:
    calls = []
    with pytest.raises(limits.OutOfTime):
        limits.call(lambda: calls.append(1), "ask", limits.Deadline(0.0))
    assert not calls


def test_the_option_ends_a_command_and_its_threads(hub: RunningHub, published: Path, tmp_path: Path) -> None:
    hub.fail(Fault(PAYLOAD, delay=60, times=100))
    began = time.monotonic()
    result = command(hub, "pull", str(ONE), "--to", str(tmp_path / "to"), "--time-limit", "2")
    assert time.monotonic() - began < 20 and result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ") and "the time limit of 2 s is over; here by now: " in line
    hub.fail(Fault("/tree/", delay=60, times=100))
    result = command(hub, "diff", str(ONE), str(published), "--time-limit", "1")
    assert result.returncode == 2 and "the time limit of 1 s is over" in result.stderr


@pytest.mark.parametrize(
    "words", [("sources", "lock", "sst2"), ("sources", "check", "sst2"), ("models", "add", "x", "a/b")]
)
def test_commands_of_a_project_take_the_option(hub: RunningHub, tmp_path: Path, words: tuple[str, ...]) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["acquire"]["origin"] = "hub"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    hub.fail(Fault(".", delay=60, times=100))
    result = command(hub, *words, "--time-limit", "1", cwd=tmp_path)
    assert result.returncode == 2 and "the time limit of 1 s is over" in result.stderr.strip().splitlines()[-1], (
        result.stderr
    )


@pytest.mark.parametrize("value", ["1000000000", "9" * 6000, "Fri, 31 Dec 9998 23:59:59 GMT"])
@pytest.mark.parametrize("request_", ["/refs", "/resolve/"])
def test_a_pause_longer_than_the_limit_is_not_made(
    hub: RunningHub, published: Path, tmp_path: Path, value: str, request_: str
) -> None:
    hub.fail(Fault(request_, status=503, headers={"Retry-After": value}, times=100))
    refused(lambda: pulling.pull(ONE, tmp_path / "to", QUICK), "the Hub asks to be left alone for", within=10)


@pytest.mark.parametrize("value", ["²", "-5", "soon", "1e9", "Fri, 99 Foo 2020", ", ,"])
@pytest.mark.parametrize("request_", ["/refs", "GET .*/resolve/.*README"])
def test_a_pause_that_is_nonsense_is_none(
    hub: RunningHub, published: Path, tmp_path: Path, value: str, request_: str
) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1"), "RateLimit": f'"api";r=0;t={"9" * 6000}'}
    hub.fail(Fault(request_, status=503, headers=headers))
    assert pulling.pull(ONE, tmp_path / "to", QUICK).files == 8


def test_nobody_there_is_told_in_moments(hub: RunningHub, monkeypatch) -> None:
    from huggingface_hub import constants

    policy = QUICK.model_copy(update={"attempts": 6, "first_wait": 5.0, "longest_wait": 60.0})
    for url, reason in (("http://127.0.0.1:9", "it refuses"), ("http://no-such-host.invalid", "no host of that name")):
        monkeypatch.setattr(constants, "ENDPOINT", url)
        refused(Remote(REPO, "dataset", policy).state, url.removeprefix("http://"), reason, "HF_ENDPOINT", within=6)


PROXIES = {
    "SOCKS": ({"ALL_PROXY": "socks5://u:secretpass@127.0.0.1:9"}, "ALL_PROXY names a SOCKS proxy", "httpx2[socks]"),
    "small letters": ({"https_proxy": "socks5h://127.0.0.1:9"}, "https_proxy names a SOCKS", "httpx2[socks]"),
    "scheme": ({"ALL_PROXY": "socks://u:secretpass@127.0.0.1:9"}, "ALL_PROXY is not an address of a proxy"),
    "brackets": ({"HTTPS_PROXY": "http://u:secretpass@[::1"}, "HTTPS_PROXY is not an address of a proxy"),
    "nobody": ({"HTTP_PROXY": "http://u:secretpass@127.0.0.1:9"}, "the proxy of HTTP_PROXY: it refuses connections"),
    "no file": ({"SSL_CERT_FILE": "/nowhere.pem"}, "SSL_CERT_FILE: /nowhere.pem is not there"),
    "no folder": ({"SSL_CERT_DIR": "/nowhere"}, "SSL_CERT_DIR: /nowhere is not there"),
    "no certificates": ({"SSL_CERT_FILE": str(ROOT / "params.yaml")}, "params.yaml holds no certificates"),
    "no Hub": ({"HF_ENDPOINT": "huggingface"}, "HF_ENDPOINT is not an address of a Hub"),
}


@pytest.mark.parametrize(("environment", "words"), [(one[0], one[1:]) for one in PROXIES.values()], ids=PROXIES)
def test_a_way_to_the_hub_that_cannot_be_is_named(
    hub: RunningHub, tmp_path: Path, monkeypatch, capsys, environment: dict[str, str], words: tuple[str, ...]
) -> None:
    from huggingface_hub import close_session, constants

    for name, value in {"NO_PROXY": "", "no_proxy": "", "SSL_CERT_FILE": "", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", environment.get("HF_ENDPOINT", hub.url))
    monkeypatch.setattr(sys, "argv", ["syco-data", "pull", str(ONE), "--to", str(tmp_path / "to")])
    began = time.monotonic()
    close_session()  # the client keeps the way that it has
    with pytest.raises(SystemExit) as end:
        __main__.main()
    close_session()
    shown = capsys.readouterr()
    assert end.value.code == 2 and "Traceback" not in shown.err and time.monotonic() - began < 15
    line = shown.err.strip().splitlines()[-1]
    assert all(word in line for word in words), line
    assert "secretpass" not in shown.out + shown.err


@pytest.mark.parametrize("read", ["pull", "surveys"])
def test_a_cache_that_cannot_be_written_is_named(hub: RunningHub, published: Path, tmp_path: Path, read: str) -> None:
    home = str(published / "manifest.json")
    if read == "pull":
        result = command(hub, "pull", str(ONE), "--to", str(tmp_path / "to"), HF_HOME=home, HF_HUB_DISABLE_XET="0")
    else:
        commit = Remote(REPO, "dataset", QUICK).existing().head
        ask = f"""
from syco_data.hub import snapshots
from tests.support.hub.releases import QUICK
snapshots.fetch(snapshots.Wanted("surveys", {REPO!r}, {commit!r}, ("*",)), QUICK)"""
        environment = hub.environment(PYTHONPATH=str(ROOT), HF_HOME=home)
        result = subprocess.run(
            [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=False
        )
    line = result.stderr.strip().splitlines()[-1]
    assert f"{home}/" in line and "cannot be written" in line and "Set HF_HOME to a folder" in line, result.stderr


def test_a_certificate_that_is_not_trusted_is_not_asked_for_again() -> None:
    import ssl

    import httpx2

    try:
        raise httpx2.ConnectError("handshake") from ssl.SSLCertVerificationError("self-signed")
    except httpx2.ConnectError as error:
        assert not retries.may_pass(error)


# Answers of another form


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_every_answer_of_a_publish_may_be_nonsense(hub: RunningHub, tmp_path: Path, transport: str) -> None:
    command = [sys.executable, "-m", "tests.support.hub.matrix", str(tmp_path), ".", "shapes"]
    for outcome in outcomes(hub, command, transport):
        assert outcome["hit"] and outcome["commits"] == ["Version 1.0.0", "initial commit"], outcome
        assert outcome["tag_is_right"] and outcome["files_are_right"], outcome
        if outcome["error"] and outcome["way"].startswith("503"):
            raise AssertionError(outcome)  # such an answer is tried again


@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_every_answer_of_a_pull_may_be_nonsense(
    hub: RunningHub, published: Path, tmp_path: Path, transport: str
) -> None:
    for outcome in outcomes(
        hub, [sys.executable, "-m", "tests.support.hub.pull_matrix", str(tmp_path), "shapes"], transport
    ):
        assert outcome["hit"] and outcome["whole"], outcome
        assert outcome["looked_finished"] == (outcome["error"] is None), outcome
        assert outcome["error"] is None or not outcome["way"].startswith("503"), outcome


def outcomes(hub: RunningHub, command: list[str], transport: str) -> list[dict]:
    environment = hub.environment(HF_HUB_DISABLE_XET="1" if transport == "lfs" else "0")
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["sources", "models add", "models", "surveys"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_reads_of_a_build_end_in_one_line(hub: RunningHub, tmp_path: Path, name: str, shape: dict) -> None:
    hub.fail(Fault(".", times=1000, **shape))
    refused(lambda: READS[name](tmp_path / "to", ONCE))


@pytest.mark.parametrize("name", ["string", "null", "list", "number", "page"])
def test_a_passing_answer_is_tried_again_whatever_its_body(hub: RunningHub, published: Path, tmp_path, name) -> None:
    """The client stumbles over such a body, and its status is lost on the way."""
    for request_ in ("GET /api/datasets/alice/claims$", "/refs", "/tree/"):
        hub.fail(Fault(request_, status=503, body=BODIES[name]))
        assert pulling.pull(ONE, tmp_path / request_.strip("/$").replace("/", "_"), QUICK).files == 8


def test_an_error_of_ours_is_not_taken_for_the_hubs(hub: RunningHub) -> None:
    remote = Remote(REPO, "dataset", QUICK)
    with pytest.raises(KeyError, match="ours"):
        remote.attempt("look up", lambda: {}["ours"])
    refused(lambda: remote.attempt("look up", lambda: remote.ask("look up", lambda: {}["theirs"])), "not understood")


@pytest.mark.parametrize(
    "tree",
    [
        [{"type": "file", "path": "a", "oid": "1", "size": -5}],
        [{"type": "file", "path": "a", "oid": "1", "size": "5"}],
        [{"type": "file", "path": 7, "oid": "1", "size": 5}],
        [
            {
                "type": "file",
                "path": "a",
                "oid": "1",
                "size": 5,
                "lfs": {"size": 5, "oid": "no digest", "pointerSize": 1},
            }
        ],
    ],
)
def test_a_listing_of_another_form_is_not_believed(hub: RunningHub, published: Path, tree: list[dict]) -> None:
    hub.fail(Fault("/tree/", body=json.dumps(tree), times=100))
    refused(lambda: Remote(REPO, "dataset", ONCE).tree(COMMIT), "list files: the Hub answered in a form")


@pytest.mark.parametrize("commit", ["main", "abc", "A" * 40, "../../x", 5, None])
def test_a_commit_of_another_form_is_not_believed(hub: RunningHub, published: Path, tmp_path: Path, commit) -> None:
    info = {"id": REPO, "sha": commit, "private": True, "siblings": []}
    hub.fail(Fault(".", body=json.dumps(info), times=1000))
    refused(Remote(REPO, "dataset", ONCE).state, "not understood")
    refused(lambda: hub_files.fetch(SOURCES["sst2"], "main", ONCE), "not understood")
    refused(lambda: models.latest_commit("m", model(), ONCE), "not understood")


@pytest.mark.parametrize("status", [200, 302, 503])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_answer_without_end_does_not_fill_the_memory(hub, tmp_path: Path, read, status: int, monkeypatch) -> None:
    monkeypatch.setattr(session, "LARGEST_ANSWER", 1000)
    body = json.dumps({"sha": COMMIT, "id": REPO, "private": True, "siblings": [], "more": "x" * 2000})
    hub.fail(Fault(".", status=status, body=body, headers={"Location": f"{hub.url}/x"}, times=100))
    refused(lambda: read(tmp_path / "to", ONCE), "answered in a form that is not understood")


def test_redirects_in_a_loop_are_one_line(hub: RunningHub, published: Path) -> None:
    hub.fail(Fault(".", status=302, headers={"Location": f"{hub.url}/api/datasets/{REPO}"}, times=1000))
    refused(Remote(REPO, "dataset", ONCE).state, "look up: ", within=10)


# Secrets


ODD = ("hf_abc.SECRETpart99x", "api_org_Zz81kqPwLm", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.s1gN-atUre")


@pytest.mark.parametrize(("token", "status"), list(zip((*ODD, *ODD[:2]), [400, 401, 403, 409, 503], strict=True)))
def test_a_hub_that_quotes_the_token_does_not_make_us_print_it(
    hub: RunningHub, release: Path, tmp_path: Path, token: str, status: int
) -> None:
    text = f"Invalid token '{token}' (Bearer%20{token})"
    headers = {"X-Error-Message": text, "X-HF-Warning": f"auth; {text}", "X-Request-Id": token}
    hub.fail(Fault(".", status=status, body=json.dumps({"error": text}), headers=headers, times=1000))
    to = str(tmp_path / "to")
    lines = (("publish", str(release), "--to", REPO, "--verbose"), ("pull", str(ONE), "--to", to, "--verbose"))
    result = commands(hub, *[(*words, "--time-limit", "2") for words in lines], HF_TOKEN=token, HF_DEBUG="1")
    shown = result.stdout + result.stderr
    assert result.stdout.count("ended with 2") == 2 and "Traceback" not in shown
    for at in range(len(token) - 7):
        assert token[at : at + 8] not in shown, shown[-2000:]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def test_a_traceback_of_a_library_call_holds_no_token(hub: RunningHub, monkeypatch, caplog) -> None:
    import traceback

    monkeypatch.setenv("HF_TOKEN", ODD[0])
    body = json.dumps({"error": f"no {ODD[0]}"})
    hub.fail(Fault(".", status=503, body=body, headers={"X-HF-Warning": f"x; {ODD[0]}"}, times=100))
    with caplog.at_level(logging.DEBUG), pytest.raises(SycoError) as caught:
        load_release(REPO, "1.0.0", retry=ONCE)
    shown = "".join(traceback.format_exception(caught.value))
    assert "SECRETpart" not in shown and "HfHubHTTPError" in shown


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("kind", ["bytes", "folder", "pipe", "large", "letters"])
def test_a_login_cache_that_is_none_is_named(hub: RunningHub, tmp_path: Path, monkeypatch, kind: str, read) -> None:
    cache = hub.home / "token"
    hub.home.mkdir()
    makers = {
        "bytes": lambda: cache.write_bytes(b"\xff\xfehf_\x80"), "folder": cache.mkdir, "pipe": lambda: os.mkfifo(cache),
        "large": lambda: cache.write_text("hf_x" * 50_000), "letters": lambda: cache.write_text("hf_abcé12345"),
    }  # fmt: skip
    makers[kind]()
    monkeypatch.delenv("HF_TOKEN")
    what = "the token holds characters that no token has" if kind == "letters" else str(cache)
    refused(lambda: read(tmp_path / "to", SHORT), what, "HF_TOKEN")
    assert hub.log() == []


def test_a_token_that_somebody_else_gives_may_fail_to_come(hub: RunningHub, monkeypatch) -> None:
    def refuse() -> str:
        raise OSError("no identity")

    monkeypatch.setattr("huggingface_hub.get_token", refuse)
    refused(lambda: Remote(REPO, "dataset", SHORT), "no token can be had", "HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: time.sleep(9))
    refused(lambda: Remote(REPO, "dataset", SHORT), "the time limit of 1.5 s is over", within=4)


def test_a_token_typed_as_a_name_is_neither_sent_nor_printed(hub: RunningHub, release: Path) -> None:
    hub.clear_log()
    names = (f"alice/{WRITER}", f"{WRITER}/claims", "alice/hf_aB3dE6gH9kL2", WRITER)
    ways = (("publish", str(release), "--to"), ("models", "add", "x"))
    result = commands(hub, *[(*words, name) for name in names for words in ways])
    shown = result.stdout + result.stderr
    assert result.stdout.splitlines() == ["ended with 2"] * 8 and len(result.stderr.splitlines()) == 8
    assert not any(name in shown for name in names) and WRITER not in shown and "aB3dE6" not in shown, shown
    assert hub.log() == []
