"""`results`: what evaluation left, as a table to paste."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from syco_data import schemas, tables
from syco_data.__main__ import app
from syco_data.errors import SycoError
from syco_data.evaluate.results import HEADLINES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/answers/mine"
    for arm, rate in (("balanced", 0.25), ("base", 0.5)):
        write(folder, arm, [("accuracy", "all", rate), ("accuracy", "label_kind=other", rate / 2)])
    write(folder, "odd", [])
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["arms"]["odd"] = values["arms"]["balanced"]
    values["build"]["arms"] = ["balanced", "odd"]
    values["models"] |= {"mine": values["models"]["reference"], "yours": values["models"]["reference"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    return folder


def write(folder: Path, arm: str, rates: list[tuple[str, str, float]]) -> None:
    rows = [
        {"model": "mine", "arm": arm, "probe": "held_out", "metric": metric, "slice": part, "rate": rate,
         "low": rate - 0.1, "high": rate + 0.125, "rows": 9, "clusters": 9, "method": "wilson"}
        for metric, part, rate in rates
    ]  # fmt: skip
    tables.write(pl.DataFrame(rows, schema=schemas.METRICS.columns), schemas.METRICS, folder / arm / "metrics.parquet")


def run(*words):
    result = CliRunner().invoke(app, ["results", *words])
    if result.exception:
        raise result.exception
    return result.stdout.splitlines()


def test_the_untuned_model_comes_first_and_an_arm_without_the_probe_has_a_dash(evaluated):
    assert run("mine", "--figure", "held_out.accuracy") == [
        "| arm | held_out.accuracy |",
        "| --- | ---: |",
        "| base | 50.0 (40.0\u201362.5) |",
        "| balanced | 25.0 (15.0\u201337.5) |",
        "| odd | \u2013 |",
    ]


def test_an_arm_of_an_earlier_build_is_not_an_arm(evaluated):
    write(evaluated, "published", [("accuracy", "all", 0.5)])
    assert [line.split()[1] for line in run("mine", "--figure", "held_out.accuracy")[2:]] == ["base", "balanced", "odd"]
    with pytest.raises(SycoError, match="arm: there is no 'published'"):
        run("mine", "--figure", "held_out.accuracy", "--arm", "published")


def test_a_damaged_table_is_one_line(evaluated):
    (evaluated / "balanced/metrics.parquet").write_bytes(b"PAR1")
    with pytest.raises(SycoError, match=r"mine/balanced/metrics\.parquet"):
        run("mine", "--figure", "held_out.accuracy")


def test_any_part_of_the_probes_is_a_figure_and_a_headline_has_a_name(evaluated):
    for name in ("held_out.accuracy:label_kind=other", "accuracy_wrong_labels"):
        assert run("mine", "--figure", name, "--arm", "base")[2:] == ["| base | 25.0 (15.0\u201337.5) |"]


def test_the_headlines_are_shown_where_no_figure_is_named(evaluated):
    head, _, base, *_ = run("mine")
    assert head == f"| arm | {' | '.join(HEADLINES)} |"
    known = base.split(" | ")[1 + list(HEADLINES).index("accuracy_wrong_labels")]
    assert known == "25.0 (15.0\u201337.5)" and base.count("\u2013 |") == len(HEADLINES) - 1


def test_arms_stand_in_the_order_asked_for(evaluated):
    lines = run("mine", "--figure", "held_out.accuracy", "--arm", "balanced", "--arm", "base")
    assert [line.split()[1] for line in lines[2:]] == ["balanced", "base"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "--figure", "held_out.acuracy"], "did you mean 'held_out.accuracy'"),
        (["mine", "--figure", "held_out.accuracy", "--arm", "balance"], "did you mean 'balanced'"),
        (["yours"], "dvc repro evaluate"),
        (["mime"], "model: there is no 'mime'; did you mean 'mine'"),
    ],
)
def test_names_that_are_not_there(evaluated, words, message):
    with pytest.raises(SycoError, match=message):
        run(*words)
