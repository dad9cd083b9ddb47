"""`results`: what evaluation left, as a table to paste."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from syco_data.__main__ import app
from syco_data.errors import SycoError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/reports/evaluate/mine"
    folder.mkdir(parents=True)
    for arm, rate in (("balanced", 0.25), ("base", 0.5)):
        rates = {"held_out": {"accuracy": {"rate": rate, "low": rate - 0.1, "high": rate + 0.125}}}
        (folder / f"{arm}.json").write_text(json.dumps(rates))
    (folder / "odd.json").write_text("{}")

    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["arms"]["odd"] = values["arms"]["balanced"]
    values["build"]["arms"] = ["balanced", "odd"]
    values["models"] |= {"mine": values["models"]["reference"], "yours": values["models"]["reference"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    return folder


def run(*words):
    done = CliRunner().invoke(app, ["results", *words])
    if done.exception:
        raise done.exception
    return done.stdout.splitlines()


def test_the_untuned_model_comes_first_and_an_arm_without_the_probe_has_a_dash(evaluated):
    assert run("mine", "--figure", "held_out.accuracy") == [
        "| arm | held_out.accuracy |",
        "| --- | ---: |",
        "| base | 50.0 (40.0\u201362.5) |",
        "| balanced | 25.0 (15.0\u201337.5) |",
        "| odd | \u2013 |",
    ]


def test_an_arm_of_an_earlier_build_is_no_arm(evaluated):
    (evaluated / "published.json").write_text((evaluated / "base.json").read_text())
    assert [line.split()[1] for line in run("mine", "--figure", "held_out.accuracy")[2:]] == ["base", "balanced", "odd"]
    with pytest.raises(SycoError, match="arm there is no 'published'"):
        run("mine", "--figure", "held_out.accuracy", "--arm", "published")


@pytest.mark.parametrize("content", [b'{"held_out": {"acc', b"[]", b"\xff\xfe"])
def test_a_torn_file_is_one_line(evaluated, content):
    (evaluated / "balanced.json").write_bytes(content)
    with pytest.raises(SycoError, match=r"mine/balanced\.json cannot be read: .*dvc repro evaluate"):
        run("mine")


def test_arms_stand_in_the_order_asked_for(evaluated):
    lines = run("mine", "--figure", "held_out.accuracy", "--arm", "balanced", "--arm", "base")
    assert [line.split()[1] for line in lines[2:]] == ["balanced", "base"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["mine", "--figure", "held_out.acuracy"], "did you mean 'held_out.accuracy'"),
        (["mine", "--figure", "held_out.accuracy", "--arm", "balance"], "did you mean 'balanced'"),
        (["yours"], "dvc repro evaluate"),
        (["mime"], "model there is no 'mime'; did you mean 'mine'"),
    ],
)
def test_names_that_are_not_there(evaluated, words, says):
    with pytest.raises(SycoError, match=says):
        run(*words)
