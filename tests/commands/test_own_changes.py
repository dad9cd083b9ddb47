"""`profile use`, `profile diff`, `profile list`: what a user changed in params.yaml is seen and survives."""

import shutil
from pathlib import Path

import pytest
import yaml

from syco_data.commands import own_changes
from syco_data.commands.own_changes import ABSENT, Change
from syco_data.errors import SycoError
from tests.commands.test_filter import run

ROOT = Path(__file__).resolve().parents[2]
RECORD = "  mine: # ours\n    source: ./my\n    revision: null\n    prompt_style: auto\n    dtype: auto\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles" / "default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(*pairs: tuple[str, str]) -> str:
    path = Path("params.yaml")
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    return text


def values() -> dict:
    return yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))


def test_a_model_of_ones_own_and_other_changes_are_kept_and_listed(project):
    edit(
        ("\nmodels:\n", f"\nmodels:\n{RECORD}"),
        ("models: [reference]", "models: [reference, mine]"),
        ("seed: 0", "seed: 7"),
    )
    text = run("profile", "use", "paper")
    assert "holds profile 'paper' and keeps 3 changes of your own" in text
    assert all(
        part in text for part in ("seed", "build.models  [llama_8b, mine]", "[llama_8b]", "models.mine", "--discard")
    )
    now = values()
    assert (now["seed"], now["build"]["models"], now["prompts"]["rows"]) == (7, ["llama_8b", "mine"], 100000)
    assert now["models"]["mine"]["source"] == "./my" and "llama_8b" in now["models"]
    assert "mine: # ours" in Path("params.yaml").read_text(encoding="utf-8"), "comments stay"


def test_there_and_back_again_leaves_every_byte_but_the_ends_of_changed_lines(project):
    before = edit(("seed: 0", "# Of my own.\nseed: 7 # lucky"), ("\nmodels:\n", f"\nmodels:\n{RECORD}"))
    run("profile", "use", "lora-8b")
    assert Path("params.yaml").read_text(encoding="utf-8") != before
    run("profile", "use", "default")
    assert Path("params.yaml").read_text(encoding="utf-8") == before


def test_discard_gives_the_profile_alone(project):
    edit(("seed: 0", "seed: 7"))
    assert "your own" not in run("profile", "use", "default", "--discard")
    assert Path("params.yaml").read_bytes() == (project / "profiles/default.yaml").read_bytes()


def test_a_model_that_replaced_all_others_stays_alone(project):
    edit(("\nmodels:\n", f"\nmodels:\n{RECORD}"), ("models: [reference]", "models: [mine]"))
    run("profile", "use", "paper")
    assert values()["build"]["models"] == ["mine"]


def test_an_arm_that_was_added_and_a_source_that_was_removed_are_carried(project):
    edit(
        ("  cola: {revision: main, licence: allow}\n", ""),
        ("arms: [balanced, published, unfiltered]", "arms: [balanced, own]"),
        ("\narms: #", "\narms:\n  own: {label_kinds: [gold], filtered: true, balanced: true}\n  #"),
    )
    run("profile", "use", "ablations")
    now = values()
    assert "cola" not in now["sources"] and "own" in now["arms"] and "steps_015" in now["build"]["arms"]
    assert now["build"]["arms"][-1] == "own" and "published" not in now["build"]["arms"]


def test_a_pin_of_a_model_that_only_the_old_profile_has_is_not_lost(project):
    run("profile", "use", "paper")
    branch = "Llama-3.1-8B-Instruct\n    revision: "
    edit((f"{branch}main", f'{branch}"{"1" * 40}"'))
    run("profile", "use", "default")
    assert values()["models"]["llama_8b"]["revision"] == "1" * 40
    run("profile", "use", "paper")
    assert values()["models"]["llama_8b"]["revision"] == "1" * 40


def test_changes_that_do_not_go_with_the_profile_are_one_line_and_nothing_is_written(project):
    edit(("rows: 4000", "rows: -4"))
    before = Path("params.yaml").read_bytes()
    with pytest.raises(SycoError, match=r"'real' and your own changes \(prompts\.rows\).* --discard") as refused:
        run("profile", "use", "real")
    assert "\n" not in str(refused.value) and Path("params.yaml").read_bytes() == before


def test_the_profile_in_use_has_a_star(project):
    assert "*  default" in run("profile", "list")
    run("profile", "use", "real")
    edit(("seed: 0", "seed: 7"))
    text = run("profile", "list")
    assert "*  real" in text and text.count("*") == 2 and "1 change of your own" in text


def test_a_file_without_the_mark_is_known_by_its_values(project):
    run("profile", "use", "paper")
    edit(("# Profile in use: paper\n", ""), ("seed: 0", "seed: 7"))
    assert "*  paper" in run("profile", "list")
    assert "params.yaml against profile 'paper' (in use): 1 change\n" in run("profile", "diff")
    run("profile", "use", "real")
    assert "# Profile in use: real" in Path("params.yaml").read_text(encoding="utf-8")
    assert (values()["seed"], values()["finetune"]["steps"]) == (7, 60)


def test_diff_shows_what_differs_from_the_profile_in_use_or_another(project):
    assert "params.yaml has the values of profile 'default' (in use)" in run("profile", "diff")
    edit(("seed: 0", "seed: 7"))
    assert run("profile", "diff").split()[-3:] == ["seed", "7", "0"]
    other = run("profile", "diff", "real")
    assert "acquire.origin  synthetic    directory" in other and "prompts.rows" in other
    with pytest.raises(SycoError, match="did you mean 'paper'"):
        run("profile", "diff", "papper")


def test_marks_of_params_and_profile_say_default():
    for name in ("params.yaml", "profiles/default.yaml"):
        assert "# Profile in use: default\n" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "other", "both"),
    [
        (["a"], ["a", "b"], ["c"], ["c", "b"]),
        (["a", "b"], ["a"], ["b", "c"], ["c"]),
        (["a"], ["b"], ["c"], ["b"]),
        (["a"], ["a", "b"], ["b"], ["b"]),
        (["a"], [], ["c"], []),
    ],
)
def test_lists_of_names(before, after, other, both):
    values = {"names": list(other)}
    own_changes.put(Change(("names",), before, after), values, {"names": after})
    assert values == {"names": both}


def test_values_are_compared_with_their_types():
    assert [change.key for change in own_changes.between({"a": 1, "b": {"c": True}}, {"a": 1.0, "b": {"c": 1}})] == [
        "a",
        "b.c",
    ]
    assert [own_changes.shown(value) for value in (ABSENT, None, "a b", [1, "x"], {"k": True})] == [
        "(none)", "null", "a b", "[1, x]", "{k: true}"
    ]  # fmt: skip
