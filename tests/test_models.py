"""Model records: what is found, what is refused, and in which words. The Hub is a real server on loopback."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from syco_data import models
from syco_data.errors import SycoError
from syco_data.settings import Model, Retries
from tests import tiny_models

PATIENCE = Retries(attempts=2, first_wait=0.01, longest_wait=0.02)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("models") / "tiny", "byte_bpe", chat=True)


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def record(source, revision=None, style="auto"):
    return Model(source=str(source), revision=revision, prompt_style=style, dtype="float32")


def resolved(source, reference=Path("no-reference"), **changes):
    return models.resolve("mine", record(source, **changes), reference, PATIENCE)


def test_a_folder_is_known_by_the_digest_of_what_it_holds(folder):
    first = resolved(folder)
    assert (first.style, first.positions, first.folder) == ("chat", 1024, folder)
    assert resolved(folder) == first
    assert resolved(folder, style="plain").style == "plain"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}), encoding="utf-8")
    assert resolved(folder).commit != first.commit and resolved(folder).tokenizer == first.tokenizer
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    assert resolved(folder).tokenizer != first.tokenizer


def test_other_weights_are_another_model(original, tmp_path):
    other = tiny_models.make(tmp_path / "tiny", "byte_bpe", seed=1, chat=True)
    assert resolved(other).commit != resolved(original).commit


def test_the_embedded_model_lies_where_the_graph_puts_it(folder):
    assert resolved("embedded", reference=folder).folder == folder
    with pytest.raises(SycoError, match="not built .*dvc repro reference"):
        resolved("embedded")


def cut(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def sharded(folder):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def without_template(folder):
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("harm", "style", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "auto", "incomplete: there is no config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "auto", "incomplete: there is no tokenizer.json"),
        (lambda f: (f / "config.json").write_text("{"), "auto", "config.json is no valid JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "auto", "has no .*safetensors .none"),
        (pickled, "auto", "only pytorch_model.bin: safetensors are the one kind"),
        (cut, "auto", r"model.safetensors has [\d,]+ bytes, expected"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 50), "auto", "no safetensors file, or cut off"),
        (sharded, "auto", "incomplete: no model-00001-of-00002.safetensors"),
        (without_template, "chat", "prompt_style is chat, but the model has no chat template"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(folder, harm, style, said):
    harm(folder)
    with pytest.raises(SycoError, match=said) as caught:
        resolved(folder, style=style)
    assert caught.value.mend and "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["./no/such/folder", "./none", "../none", "name", "/abs/none", "a/b/c"])
def test_neither_a_folder_nor_a_hub_id(source):
    with pytest.raises(SycoError, match="no folder .* and it is no Hub id"):
        resolved(source)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12]])
def test_a_revision_that_can_move_is_refused(revision):
    with pytest.raises(SycoError, match=r"is no commit.*models lock mine"):
        resolved("owner/name", revision=revision)


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers what the Hub's API answers for one model; the repository's name chooses the fault."""

    def do_GET(self):
        for name, (status, error) in FAULTS.items():
            if f"/{name}" in self.path:
                return self._send(status, {"error": error or "x"}, error)
        if "/tree/" in self.path:
            return self._send(200, [], None)
        return self._send(200, {"id": "owner/fine", "modelId": "owner/fine", "sha": COMMIT, "siblings": []}, None)

    do_HEAD = do_GET

    def _send(self, status, body, code):
        content = json.dumps(body).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


FAULTS = {
    "missing": (404, "RepoNotFound"), "private": (401, "RepoNotFound"), "gated": (403, "GatedRepo"),
    "refused": (403, None), "rewound": (404, "RevisionNotFound"), "broken": (500, None),
}  # fmt: skip

ASK = """
import sys
from pathlib import Path
from syco_data import models
from syco_data.errors import SycoError
from tests.test_models import *
for name in sys.argv[1:]:
    for call in (
        lambda: models.latest_commit("mine", record(f"owner/{name}", revision="main"), PATIENCE),
        lambda: models.resolve("mine", record(f"owner/{name}", revision=COMMIT), Path("none"), PATIENCE),
    ):
        try:
            print(name, call())
        except SycoError as error:
            print(name, error)
"""


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """What a process that asks the loopback Hub is told for every kind of fault: two lines each."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = tmp_path_factory.mktemp("cache")
    variables = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(cache), "PATH": "",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_secretsecret",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ASK, *FAULTS, "fine"], capture_output=True, text=True, env=variables,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    server.shutdown()
    assert done.returncode == 0, done.stderr
    assert "hf_secret" not in done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, said = line.split(" ", 1)
        found.setdefault(name, []).append(said)
    return found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "no such model on the Hub or no right to see it (404)"),
        ("private", "no such model on the Hub or no right to see it (401)"),
        ("gated", "no access (403). Accept its terms on its Hub page, then: hf auth login"),
        ("refused", "no access (403)"),
        ("rewound", "there is no revision"),
        ("broken", "on the Hub: answer 500 x, also when tried again. Run the same command later"),
    ],
)
def test_every_answer_of_the_hub_is_one_line_that_says_what_to_do(answers, name, said):
    for line in answers[name]:
        assert said in line and line.startswith(f"model 'mine' (owner/{name})"), line
        assert "http://" not in line


def test_a_branch_is_resolved_to_its_commit(answers):
    assert answers["fine"][0] == COMMIT


def test_a_repository_without_a_model_is_one_line_too(answers):
    assert "is incomplete: there is no config.json" in answers["fine"][1]
