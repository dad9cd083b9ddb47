"""The commands around filtration, as a user meets them: `filter --dry-run`, `scores`, `models`."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from syco_data import engines, files, schemas, settings, tables
from syco_data.__main__ import app
from syco_data.commands import speeds
from syco_data.engines import models, scoring
from syco_data.errors import CheckFailed, SycoError
from syco_data.filter import questions
from tests.filter.support import prompts
from tests.support import fake_engine, tiny_models

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.make(tmp_path_factory.mktemp("models") / "tiny", "byte_bpe")


@pytest.fixture
def project(tmp_path, monkeypatch, folder):
    """A project of one local model with ten prompts and a store, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    persona = {"name": "N", "age": 40, "school_1": "S", "school_2": "T", "template": "professor", "opinion": "agree"}
    rest = {"user_is_right": True, "option_order": "agree_first", "prompt": "p"}
    df = prompts(10).with_columns(**{name: pl.lit(value) for name, value in (persona | rest).items()})
    df = df.with_columns(pl.col("age").cast(pl.Int64))
    tables.write(df.select(schemas.PROMPTS.names), schemas.PROMPTS, Path("data/prompts/prompts.parquet"))
    claims = df.select("claim_id", "source", "input", "label", "label_kind", "polarity", "truth", claim="input",
                       row=pl.lit(0, pl.Int64), gold_label="label")  # fmt: skip
    tables.write(claims.select(schemas.CLAIMS.names), schemas.CLAIMS, Path("data/claims/claims.parquet"))
    run("models", "add", "tiny", str(folder))
    return tmp_path


def run(*words: str) -> str:
    """What a command prints; its error, if it has one."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def collect(count: int, monkeypatch) -> None:
    """Scores some of the prompts by the fake engine in the name of the real one."""
    params = settings.load()
    model = models.resolve("tiny", params.models["tiny"], Path("none"), params.hub)
    requests = questions.requests(questions.build(prompts(10), params.filter, model.style))
    engine = {**engines.modules(), params.engines.engine: Stand(engines.module(params.engines.engine))}
    with monkeypatch.context() as patch:
        patch.setattr(engines, "modules", lambda: engine)
        scoring.collect(requests[:count], model, params.engines)


class Stand:
    """The identity of a real engine and the answers of the fake one."""

    def __init__(self, real):
        self.identity, self.sorts_by_prefix, self.load = real.identity, real.sorts_by_prefix, fake_engine.load


def test_a_dry_run_counts_and_loads_nothing(project, monkeypatch):
    before = re.search(r"tiny\W+10\W+20\W+0\W+20\W+([\d,]+)\W", run("filter", "tiny", "--dry-run"))
    collect(8, monkeypatch)
    after = re.search(r"tiny\W+10\W+20\W+8\W+12\W+([\d,]+)\W", run("filter", "tiny", "--dry-run"))
    tokens = [int(match[1].replace(",", "")) for match in (before, after)]
    assert 20 * 30 < tokens[0] < 20 * 200 and 0.5 < tokens[1] / tokens[0] < 0.7, "12 of 20 texts"


def test_a_dry_run_gives_the_time_that_was_measured_here(project):
    assert "unknown before `models assess`" in run("filter", "tiny", "--dry-run")
    speeds.write(Path("data"), "tiny", [100.0, 180_000.0])
    assert "about 1:00:00" in run("filter", "tiny", "--dry-run"), "20 texts by the slowest way of asking"
    record = Path("data/reports/filter/tiny/speed.json")
    files.write_json(record, {"seconds": 30.0, "fresh": 10})
    assert "about 0:01:00" in run("filter", "tiny", "--dry-run"), "the stage's own speed counts"
    files.write_json(record, {"seconds": 0.0, "fresh": 0})
    assert "about 1:00:00" in run("filter", "tiny", "--dry-run"), "all came from the store then"
    files.write(record, "{")
    with pytest.raises(SycoError, match=r"speed\.json"):
        run("filter", "tiny", "--dry-run")
    assert speeds.time(0, None) == "none"


def test_scores_are_listed_verified_compacted_and_thrown_away(project, monkeypatch):
    collect(4, monkeypatch)
    collect(9, monkeypatch)
    listed = run("scores", "list")
    assert re.search(r"float32|auto", listed) and "(not in params.yaml)" in listed
    assert "2 files, 9 scores, all verified" in run("scores", "verify")
    assert "2 -> 1 file, 9 scores" in run("scores", "compact")
    chunk = next(Path(".scores").rglob("*-*.parquet"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(CheckFailed, match="1 of 1 file damaged"):
        run("scores", "verify")


def test_scores_are_listed_by_the_name_of_their_model(project, monkeypatch, folder):
    collect(4, monkeypatch)
    params = settings.load()
    model = models.resolve("tiny", params.models["tiny"], Path("none"), params.hub)
    files.write_json(Path("data/verdicts/tiny/model.json"), {"digest": model.commit})
    assert re.search(rf"^tiny +{model.commit[:8]} ", run("scores", "list"), re.M)
    assert "scores: no scores yet" in run("scores", "list", "--store", "other-scores")


def test_gc_asks_nobody_where_nobody_is(project, monkeypatch, folder):
    collect(4, monkeypatch)
    other = str(tiny_models.make(Path("other"), "word"))
    text = Path("params.yaml").read_text(encoding="utf-8").replace("source: reference", f"source: {other}")
    Path("params.yaml").write_text(text.replace(str(folder), other), encoding="utf-8")
    with pytest.raises(SycoError, match=r"nothing was removed: there is nobody to ask.*--yes"):
        run("scores", "gc")
    assert len(list(Path(".scores").iterdir())) == 1


def test_a_model_outside_of_the_build_is_refused_before_dvc_runs(project):
    with pytest.raises(SycoError, match="there is no 'tinny'; did you mean 'tiny'"):
        run("filter", "tinny")
    text = Path("params.yaml").read_text(encoding="utf-8").replace("[reference, tiny]", "[reference]")
    Path("params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SycoError, match="model 'tiny' is not in the build. Add it to build.models"):
        run("filter", "tiny")


def test_ctrl_c_lets_the_build_end_in_its_own_time(tmp_path):
    """Both programs get the signal; the one that builds writes its last words before the command ends."""
    inner = "import time\ntry:\n    print('on', flush=True); time.sleep(60)\n"
    inner += "except KeyboardInterrupt:\n    time.sleep(0.5); print('saved', flush=True)"
    outer = f"import sys\nfrom syco_data.commands import filter\nfilter._call([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", outer], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert out == "saved\n" and "KeyboardInterrupt" in errors


def test_gc_removes_what_no_model_of_the_params_needs(project, monkeypatch, folder):
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("source: reference", f"source: {folder}"), encoding="utf-8")
    collect(4, monkeypatch)
    assert "nothing to remove" in run("scores", "gc", "--yes")
    other = tiny_models.make(Path("other"), "word")
    Path("params.yaml").write_text(
        Path("params.yaml").read_text(encoding="utf-8").replace(str(folder), str(other)), encoding="utf-8"
    )
    assert "model " in run("scores", "gc", "--yes")
    assert list(Path(".scores").iterdir()) == []


def test_a_model_is_added_checked_and_refused_twice(project, folder):
    assert "tiny: complete; digest of weights and configuration" in run("models", "check", "tiny")
    assert "dtype auto (float32)" in run("models", "check", "tiny")
    assert re.search(r"^tiny .* plain|auto .* yes$", run("models", "list"), re.M)
    assert "tiny" in settings.load().build.models
    assert "# Decides by each model" in Path("params.yaml").read_text(encoding="utf-8"), "comments stay"
    with pytest.raises(SycoError, match="in params.yaml already"):
        run("models", "add", "tiny", str(folder))
    before = Path("params.yaml").read_text(encoding="utf-8")
    for words in (("bad name", str(folder)), ("mine", str(folder), "--dtype", "float7"), ("mine", "./nowhere")):
        with pytest.raises(SycoError):
            run("models", "add", *words)
    assert Path("params.yaml").read_text(encoding="utf-8") == before


def test_gpu_check_says_in_one_line_that_there_is_no_gpu():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    result = subprocess.run([sys.executable, "-m", "benchmarks.gpu_check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("gpu-check: no CUDA GPU here")
