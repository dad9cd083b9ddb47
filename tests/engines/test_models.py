"""Model records: what is found, what is refused, and in which words. The Hub is a real server on loopback."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from syco_data.engines import architectures, model_files, models
from syco_data.errors import SycoError
from syco_data.settings import Hub, Model
from tests.support import tiny_models

POLICY = Hub(attempts=2, first_wait=0.01, longest_wait=0.02)
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
    return models.resolve("mine", record(source, **changes), reference, POLICY)


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


def test_the_reference_model_lies_where_the_graph_puts_it(folder):
    assert resolved("reference", reference=folder).folder == folder
    with pytest.raises(SycoError, match="not built .*dvc repro reference"):
        resolved("reference")


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
    ("harm", "style", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "auto", "incomplete: there is no config.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "auto", "incomplete: there is no tokenizer.json"),
        (lambda f: (f / "config.json").write_text("{"), "auto", "config.json is not valid JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "auto", "has no .*safetensors .none"),
        (pickled, "auto", "only pytorch_model.bin: safetensors are the one kind"),
        (cut, "auto", r"model.safetensors has [\d,]+ bytes, expected"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 50), "auto", "not a safetensors file, or cut off"),
        (sharded, "auto", "incomplete: no model-00001-of-00002.safetensors"),
        (without_template, "chat", "prompt_style is chat, but the model has no chat template"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(folder, harm, style, message):
    harm(folder)
    with pytest.raises(SycoError, match=message) as caught:
        resolved(folder, style=style)
    assert caught.value.hint and "\n" not in str(caught.value)


def header(content: object) -> Callable[[Path], None]:
    """Weights that are nothing but a header, which says how long it is."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda folder: (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)


def tensor(**changes: object) -> dict:
    return {"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} | changes}


HEADERS = {
    "a list": [], "null": None, "a text": "text", "a number": 5, "nothing": {}, "metadata alone": {"__metadata__": {}},
    "deep": b"[" * 100_000, "no JSON": b"{,}", "no UTF-8": b"{\xff}", "an entry of nonsense": {"a": 5},
    "no shape": {"a": {"dtype": "F32", "data_offsets": [0, 0]}}, "a type that nobody knows": tensor(dtype="F33"),
    "a type of nonsense": tensor(dtype=["F32"]), "a shape of nonsense": tensor(shape="x"),
    "a negative shape": tensor(shape=[-1, 0]), "a shape of yes": tensor(shape=[True], data_offsets=[0, 4]),
    "negative offsets": tensor(data_offsets=[-4, 0], shape=[1]), "offsets of text": tensor(data_offsets=["0", "0"]),
    "one offset": tensor(data_offsets=[0]), "offsets backwards": tensor(data_offsets=[4, 0]),
    "more than the shape": tensor(shape=[2], data_offsets=[0, 4]),
    "beyond the file": tensor(shape=[9], data_offsets=[0, 36]),
    "a hole": tensor(data_offsets=[8, 8]), "many dimensions": tensor(shape=[1] * 10_000),
    "a huge shape": tensor(shape=[10**30, 0]),
    "two in one place": tensor(shape=[1], data_offsets=[0, 4]) | {"b": tensor(shape=[1], data_offsets=[0, 4])["a"]},
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", HEADERS)
def test_weights_with_an_odd_header_are_one_line(folder, kind):
    header(HEADERS[kind])(folder)
    with pytest.raises(SycoError, match=r"^model 'mine': model.safetensors") as caught:
        resolved(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [2**63, 10**9, 100, 0])
def test_a_header_that_says_to_be_longer_than_its_file_is_one_line(folder, size):
    (folder / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
    with pytest.raises(SycoError, match="model.safetensors is not a safetensors file"):
        resolved(folder)


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return harm


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"  # noqa: E501
NAMES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name", [*NAMES, "model.safetensors.index.json", "other.safetensors", "special_tokens_map.json"]
)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (os.mkfifo, "is not a regular file"),
        (Path.mkdir, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "is a link to a file that is not there"),
        (lambda path: path.symlink_to(path), "is a link to a file that is not there"),
        (lambda path: path.write_text(POINTER, encoding="utf-8"), "is a Git LFS pointer.*Run `git lfs pull` in"),
    ],
)
def test_what_is_not_a_file_in_a_model_folder_is_one_line(folder, name, kind, message):
    replaced(name, kind)(folder)
    with pytest.raises(SycoError, match=f"^model 'mine': {name} {message}"):
        resolved(folder)


def indexed(value: object) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors.index.json").write_text(
        value if isinstance(value, str) else json.dumps(value), encoding="utf-8"
    )


MAP = "weight_map of model.safetensors.index.json is not a mapping of tensors to files"
INDEXES = [
    ([], "index.json holds no mapping"), (None, "index.json holds no mapping"), ("{", "index.json is not valid JSON"),
    ("[" * 100_000, "is nested more than"), ('{"a":' * 40 + "1" + "}" * 40, "is nested more than 32 levels deep"),
    ({}, MAP), ({"weight_map": []}, MAP), ({"weight_map": None}, MAP), ({"weight_map": "x"}, MAP),
    ({"weight_map": {}}, MAP),
    ({"weight_map": {"a": 5, "b": "model.safetensors"}}, MAP), ({"weight_map": {"a": ["model.safetensors"]}}, MAP),
    ({"weight_map": {"a": "../model.safetensors"}}, "names '../model.safetensors', which is not a file of this folder"),
    ({"weight_map": {"a": "/etc/passwd"}}, "names '/etc/passwd', which is not a file"),
    ({"weight_map": {"a": "more/model.safetensors"}}, "which is not a file of this folder"),
    ({"weight_map": {"a": "."}}, "which is not a file"), ({"weight_map": {"a": ""}}, "which is not a file"),
    ({"weight_map": {"a": "model.safetensors"}}, "model.safetensors lacks tensor 'a', which model.safetensors.index"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "message"), INDEXES)
def test_an_odd_index_is_one_line(folder, value, message):
    indexed(value)(folder)
    with pytest.raises(SycoError, match=message):
        resolved(folder)


def shards(folder: Path) -> dict[str, str]:
    """The weights in two files with their index, as large models have them."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, files = sorted(weights), ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    where = {name: files[index % 2] for index, name in enumerate(names)}
    for file in files:
        save_file({name: weights[name] for name in names if where[name] == file}, folder / file)
    indexed({"weight_map": where})(folder)
    return where


def test_weights_in_parts_are_read_as_their_index_says(folder):
    where = shards(folder)
    assert set(model_files.tensors("m", folder)) == set(where)
    architectures.check("m", folder)
    (folder / "consolidated.safetensors").write_bytes(b"never read")
    architectures.check("m", folder)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda f: (f / "model-00002-of-00002.safetensors").unlink(),
            "incomplete: no model-00002-of-00002.safetensors",
        ),
        (lambda f: (f / "model.safetensors.index.json").unlink(), "neither model.safetensors nor named by an index"),
        (
            lambda f: shutil.copy(f / "model-00001-of-00002.safetensors", f / "model-00002-of-00002.safetensors"),
            "is in both model-00001-of-00002.safetensors and model-00002-of-00002.safetensors",
        ),
        (
            lambda f: shutil.copy(f / "model-00001-of-00002.safetensors", f / "model.safetensors"),
            "model.safetensors lies beside model.safetensors.index.json, which names other files",
        ),
    ],
)
def test_weights_in_parts_that_do_not_fit_together_are_one_line(folder, harm, message):
    shards(folder)
    harm(folder)
    with pytest.raises(SycoError, match=message):
        resolved(folder)


def configured(**entries: object) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | entries), encoding="utf-8")

    return harm


LENGTHS = ["1024", [1024], {"a": 1}, True, 0, -1, 1.5, 10**30]
REFUSED = [
    *((configured(max_position_embeddings=value), "max_position_embeddings of config.json is") for value in LENGTHS),
    (configured(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}), "sed .bitsandbytes."),
    (configured(quantization_config={"quant_method": "gptq", "bits": 4}), "quantised .gptq.: only floating-point"),
    (configured(quantization_config={"quant_method": "awq"}), "its weights are quantised .awq."),
    (configured(quantization_config={}), "weights are quantised .quantization_config."),
    (configured(text_config={"quantization_config": {"quant_method": "fp8"}}), "its weights are quantised .fp8."),
    (configured(compression_config={"format": "x"}), "its weights are quantised .compression_config."),
    (configured(_attn_implementation="evil/kernels:x"), "asks for the kernel 'evil/kernels:x'.*code of others"),
    (configured(attn_implementation="evil/kernels@main:x"), "asks for the kernel 'evil/kernels@main:x'"),
    (configured(_attn_implementation_internal="paged|evil/x"), "asks for the kernel"),
    (configured(text_config={"_attn_implementation": "evil/x"}), "asks for the kernel 'evil/x'"),
    (configured(attn_implementation={"": "evil/x"}), "asks for the kernel 'evil/x'"),
    (configured(experts_implementation="evil/x"), "asks for the kernel 'evil/x'"),
    (configured(transformers_weights="other.safetensors"), "names a weight file of its own"),
    (lambda f: (f / "config.json").write_text('{"a":' * 100_000), "config.json is nested more than 32 levels deep"),
    (lambda f: (f / "config.json").write_text('{"a":' * 50 + "1" + "}" * 50), "is nested more than 32 levels"),
    (lambda f: (f / "config.json").write_text("[]"), "config.json holds no mapping"),
    (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{\x00}\x00"), "config.json is not valid JSON"),
    (lambda f: (f / "config.json").write_text('{"a": ' + "1" * 5000 + "}"), "config.json is not valid JSON"),
    (lambda f: (f / "tokenizer_config.json").write_text("[]"), "tokenizer_config.json holds no mapping"),
    (lambda f: (f / "generation_config.json").write_text("{"), "generation_config.json is not valid JSON"),
    (lambda f: (f / "adapter_config.json").write_text("{}"), "holds a PEFT adapter .*merge_and_unload"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "message"), REFUSED)
def test_what_a_configuration_may_not_say_is_one_line(folder, harm, message):
    harm(folder)
    with pytest.raises(SycoError, match=message) as caught:
        resolved(folder)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_an_adapter_alone_is_named_as_such(folder):
    for path in folder.iterdir():
        path.unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/name"}', encoding="utf-8")
    (folder / "adapter_model.safetensors").touch()
    with pytest.raises(SycoError, match="holds a PEFT adapter"):
        resolved(folder)


@pytest.mark.parametrize("entries", [{"quantization_config": None}, {"time_step_limit": [0.0, float("inf")]}, {"a": 1}])
def test_what_configurations_of_real_models_hold_is_accepted(folder, entries):
    configured(**entries)(folder)
    assert resolved(folder).positions == 1024
    configured(max_position_embeddings=None)(folder)
    assert resolved(folder).positions is None


@pytest.mark.parametrize("source", ["./no/such/folder", "./none", "../none", "name", "/abs/none", "a/b/c", "~nobody/x"])
def test_neither_a_folder_nor_a_hub_id(source):
    with pytest.raises(SycoError, match="no folder .* and it is not a Hub id"):
        resolved(source)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12]])
def test_a_revision_that_can_move_is_refused(revision):
    with pytest.raises(SycoError, match=r"is not a commit.*python -m syco_data lock"):
        resolved("owner/name", revision=revision)


class LocalHub(http.server.BaseHTTPRequestHandler):
    """Answers what the Hub's API answers for one model; the repository's name chooses the error."""

    def do_GET(self):
        for name, (status, error) in ERRORS.items():
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


ERRORS = {
    "missing": (404, "RepoNotFound"), "private": (401, "RepoNotFound"), "gated": (403, "GatedRepo"),
    "refused": (403, None), "rewound": (404, "RevisionNotFound"), "broken": (500, None),
}  # fmt: skip

ASK = """
import sys
from pathlib import Path
from syco_data.engines import models
from syco_data.errors import SycoError
from tests.engines.test_models import *
for name in sys.argv[1:]:
    for call in (
        lambda: models.latest_commit("mine", record(f"owner/{name}", revision="main"), POLICY),
        lambda: models.resolve("mine", record(f"owner/{name}", revision=COMMIT), Path("none"), POLICY),
    ):
        try:
            print(name, call())
        except SycoError as error:
            print(name, error)
"""


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """What a process that asks the loopback Hub is told for every kind of error: two lines each."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LocalHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = tmp_path_factory.mktemp("cache")
    variables = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(cache), "PATH": "",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_secretsecret",
    }  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", ASK, *ERRORS, "fine"], capture_output=True, text=True, env=variables,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    server.shutdown()
    assert result.returncode == 0, result.stderr
    assert "hf_secret" not in result.stdout + result.stderr
    messages: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        name, message = line.split(" ", 1)
        messages.setdefault(name, []).append(message)
    return messages


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no such model on the Hub or no right to see it (404)"),
        ("private", "no such model on the Hub or no right to see it (401)"),
        ("gated", "no access (403). Accept its terms on its Hub page, then: hf auth login"),
        ("refused", "no access (403)"),
        ("rewound", "there is no revision"),
        ("broken", "on the Hub: answer 500 x, also when tried again. Run the same command later"),
    ],
)
def test_every_answer_of_the_hub_is_one_line_that_says_what_to_do(answers, name, message):
    for line in answers[name]:
        assert message in line and line.startswith(f"model 'mine' (owner/{name})"), line
        assert "http://" not in line


def test_a_branch_is_resolved_to_its_commit(answers):
    assert answers["fine"][0] == COMMIT


def test_a_repository_without_a_model_is_one_line_too(answers):
    assert "is incomplete: there is no config.json" in answers["fine"][1]
