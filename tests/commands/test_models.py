"""`models add`, `lock`, `check` and a stage that meets their results, against the emulated Hub."""

import difflib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from syco_data import settings
from syco_data.engines import architectures
from syco_data.errors import SycoError
from tests.commands.test_filter import run
from tests.support import tiny_models
from tests.support.hub.fixtures import OTHER, READER, ROOT, WRITER, RunningHub

REPO = "alice/tiny"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("models") / "tiny", "byte_bpe")


@pytest.fixture
def project(hub, original, tmp_path, monkeypatch):
    """A project in the current folder whose one model is a branch of a repository on the Hub."""
    hub.api().create_repo(REPO)
    upload(hub, original)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    record = f"models:\n  mine: # ours\n    source: {REPO}\n    revision: main # a branch\n"
    record += "    prompt_style: auto\n    dtype: float32\n"
    text = text.replace("models:\n  reference:", record + "  reference:").replace("[reference]", "[mine]")
    (tmp_path / "params.yaml").write_text(text.replace("attempts: 6", "attempts: 1"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def upload(hub: RunningHub, folder: Path, **changes) -> str:
    return hub.api().upload_folder(repo_id=REPO, folder_path=folder, **changes).oid


def stage(hub: RunningHub, project: Path, token: str | None = WRITER) -> list[str]:
    """What a stage says of the model, as `dvc repro` runs it: its commit, or the one line of its error."""
    command = [sys.executable, "-c", LOOK]
    environment = hub.environment(token, PYTHONPATH=str(ROOT))
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert "Traceback" not in result.stderr, result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")] or [result.stdout.strip()]


LOOK = """
import sys
from stages import run
from syco_data.settings import REFERENCE
from syco_data.engines import models
def main(settings):
    print(models.resolve("mine", settings.models["mine"], REFERENCE, settings.hub).commit)
run(main)
"""


def pin(revision: str | None) -> None:
    path = Path("params.yaml")
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["models"]["mine"]["revision"] = revision
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def test_a_branch_is_resolved_once_and_written_down(hub, project, original):
    first = hub.api().model_info(REPO).sha
    assert stage(hub, project) == [
        "error: model 'mine': revision 'main' of alice/tiny is not a commit (40 hex digits), so the model could change "
        "unnoticed. Pin it: python -m syco_data lock"
    ]
    before = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert run("models", "lock").split()[3:6] == ["models.mine", "main", first]
    after = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    assert len(changed) == 2 and changed[1].split() == ["+", "revision:", f'"{first}"', "#", "a", "branch"]
    moved = upload(hub, original, path_in_repo="copy")
    assert moved != first and stage(hub, project) == [first], "the branch moved, the build did not"
    assert run("models", "lock", "mine").split()[3:7] == ["models.mine", "(the", "same)", first]
    pin("main")
    run("models", "lock", "mine")
    assert settings.load().models["mine"].revision == moved


def test_naming_a_model_of_the_hub_fetches_no_weights(hub, project):
    """As `filter --dry-run` and `scores gc` do: the same identity, without the gigabytes."""
    pin(hub.api().model_info(REPO).sha)
    named = subprocess.run(
        [sys.executable, "-c", NAME], cwd=project, env=hub.environment(WRITER, PYTHONPATH=str(ROOT)),
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    identities = [line.split("] ")[1] for line in named]
    assert [line.split("] ")[0] for line in named] == ["[", "['model.safetensors'"]
    assert identities[0] == identities[1]


NAME = """
from pathlib import Path
from syco_data.engines import models; from syco_data import settings
chosen = settings.load()
for weights in (False, True):
    found = models.resolve("mine", chosen.models["mine"], Path("none"), chosen.hub, weights)
    there = sorted(path.name for path in found.folder.glob("*.safetensors"))
    print(there, found.commit, found.tokenizer, found.style, found.positions)
"""


def test_one_model_alone_is_built_where_that_is_asked_for(project, original):
    run("models", "add", "beside", str(original))
    assert settings.load().build.models == ("mine", "beside")
    run("models", "add", "alone", str(original), "--only")
    assert settings.load().build.models == ("alone",)
    assert "models: [alone]" in Path("params.yaml").read_text(encoding="utf-8")


def test_a_commit_of_digits_alone_stays_a_text(project):
    from syco_data.settings.editing import editing

    for commit in ("1" * 40, "1e" + "7" * 38):
        with editing() as params:
            params["models"]["mine"]["revision"] = commit
        assert settings.load().models["mine"].revision == commit


def test_a_tag_and_the_default_branch_are_pinned_too(hub, project, original):
    first = hub.api().model_info(REPO).sha
    hub.api().create_tag(REPO, tag="v1", revision=first)
    second = upload(hub, original, path_in_repo="copy")
    assert f"at commit {first}" in run("models", "add", "tagged", REPO, "--revision", "v1")
    assert f"at commit {second}" in run("models", "add", "newest", REPO)
    pinned = {name: record.revision for name, record in settings.load().models.items()}
    assert (pinned["tagged"], pinned["newest"]) == (first, second)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("models", "add", "x", "alice/none"), "no such model on the Hub or no right to see it (404)"),
        (("models", "add", "x", REPO, "--revision", "v9"), "there is no revision 'v9'. Correct it: models.x.revision"),
        (("models", "add", "x", "./nowhere"), "there is no folder './nowhere', and it is not a Hub id"),
        (("models", "add", "x", "."), "the folder . is incomplete: there is no config.json"),
        (("models", "lock", "none"), "there is no 'none'"),
    ],
)
def test_a_wrong_name_or_revision_is_one_line_and_changes_nothing(project, words, message):
    before = Path("params.yaml").read_text(encoding="utf-8")
    with pytest.raises(SycoError) as caught:
        run(*words)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert Path("params.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(("token", "code"), [(OTHER, 404), (None, 401), ("hf_nobody", 401)])
def test_no_right_to_see_a_model_is_one_line(hub, project, original, token, code):
    hub.api().create_repo("alice/hidden", private=True)
    commit = hub.api().upload_folder(repo_id="alice/hidden", folder_path=original).oid
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace(REPO, "alice/hidden"), encoding="utf-8")
    run("models", "lock")
    assert stage(hub, project, token) == [
        "error: model 'mine' (alice/hidden): no such folder here, and no such model on the Hub or no right to see it "
        f"({code}). Correct models.mine.source in params.yaml, or: hf auth login"
    ]
    assert stage(hub, project, READER) == [commit]


def test_a_commit_that_is_not_there_is_one_line(hub, project):
    pin("0" * 40)
    assert stage(hub, project) == [
        f"error: model 'mine' (alice/tiny): there is no revision '{'0' * 40}'. Correct it: models.mine.revision in "
        "params.yaml (null: the newest), then: python -m syco_data lock"
    ]


def test_no_network_is_one_line(hub, project, monkeypatch):
    run("models", "lock")
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for more, reason in (
        (nowhere, "127.0.0.1:9: it refuses connections"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ):
        monkeypatch.setattr(RunningHub, "environment", _with(more))
        (line,) = stage(hub, project)
        assert f"model 'mine' ({REPO}): no such folder here; on the Hub: " in line and reason in line


def _with(more):
    plain = RunningHub.environment
    return lambda self, token=WRITER, **rest: plain(self, token, **rest) | more


def test_an_incomplete_repository_is_one_line(hub, project):
    hub.api().delete_file("tokenizer.json", REPO)
    run("models", "lock")
    lines = stage(hub, project)
    assert len(lines) == 1 and "incomplete: there is no tokenizer.json" in lines[0]


def local(project: Path, original: Path, harm) -> Path:
    folder = Path(shutil.copytree(original, project / "local"))
    harm(folder)
    return folder


def without_the_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def of_a_newer_library(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"pre_tokenizer": {"type": "FutureSplit"}}
    path.write_text(json.dumps(content), encoding="utf-8")


def quantised(folder: Path) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"quantization_config": {"quant_method": "bitsandbytes"}}), encoding="utf-8")


EDITS = [
    (without_the_head, "lack lm_head.weight of LlamaForCausalLM"),
    (of_a_newer_library, "needs a newer tokenizers"),
    (quantised, "weights are quantised .bitsandbytes."),
    (
        lambda folder: (folder / "chat_template.jinja").write_text("{% for %}content"),
        "its chat template cannot be used",
    ),
]


@pytest.mark.parametrize(("harm", "message"), EDITS)
def test_a_folder_that_no_engine_could_use_is_neither_added_nor_called_complete(project, original, harm, message):
    before = Path("params.yaml").read_text(encoding="utf-8")
    folder = local(project, original, harm)
    with pytest.raises(SycoError, match=message):
        run("models", "add", "x", str(folder))
    assert Path("params.yaml").read_text(encoding="utf-8") == before
    run("models", "add", "x", str(original))
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["models"]["x"]["source"] = str(folder)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with pytest.raises(SycoError, match=message):
        run("models", "check", "x")


def test_without_the_libraries_of_models_a_check_says_what_it_leaves_out(project, original, monkeypatch):
    monkeypatch.setattr(architectures, "find_spec", lambda name: None)
    assert "Not checked: whether the tensors are its architecture's" in run("models", "add", "x", str(original))
    text = run("models", "check", "x")
    assert (
        "x: complete; digest of weights and configuration " in text
        and "answers follow" not in text
        and "pip install '.[models]'" in text
    )
