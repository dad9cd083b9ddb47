"""Collecting scores: nothing twice, nothing lost by kills, full disks and damage."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from syco_data import engines
from syco_data.engines import scoring
from syco_data.engines import store as scores
from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from tests.support import fake_engine
from tests.support.fake_engine import MODEL, OPTIONS, engine_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    modules = {**engines.modules(), "fake": fake_engine}
    monkeypatch.setattr(engines, "modules", lambda: modules)


def texts(count: int, changed: int = 0) -> list[Request]:
    """`count` requests, of which the first `changed` have another text."""
    return [Request(f"question {number}{' new' * (number < changed)}", OPTIONS) for number in range(count)]


def asked(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def same(first: pl.DataFrame, second: pl.DataFrame) -> bool:
    return first.sort("key").equals(second.sort("key"))


def test_a_second_run_asks_nothing_and_starts_no_engine(tmp_path, monkeypatch):
    settings = engine_settings(tmp_path)
    first = scoring.collect(texts(130), MODEL, settings)
    assert (first.fresh, first.stored) == (130, 0)
    monkeypatch.setattr(fake_engine, "load", None)
    second = scoring.collect(texts(130), MODEL, settings)
    assert (second.fresh, second.stored) == (0, 130)
    assert same(first.scores, second.scores)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_a_number_is_refused_and_never_stored(tmp_path, monkeypatch, broken):
    settings, sound = engine_settings(tmp_path), fake_engine.logprob
    monkeypatch.setattr(
        fake_engine, "logprob", lambda ids, token: broken if b" 7 " in bytes(ids) else sound(ids, token)
    )
    requests = [Request(f"number {number} here", OPTIONS) for number in range(130)]
    with pytest.raises(SycoError, match=r"'fake' gives no number .* for 1 of 50 texts.*wider dtype"):
        scoring.collect(requests, MODEL, settings)
    monkeypatch.setattr(fake_engine, "logprob", sound)
    again = scoring.collect(requests, MODEL, settings)
    assert again.fresh >= 50
    assert again.scores["logprobs"].explode().is_finite().all()


def test_a_stored_score_that_is_not_a_number_counts_as_missing(tmp_path):
    settings = engine_settings(tmp_path)
    first = scoring.collect(texts(60), MODEL, settings)
    partition = scores.Partition(Path(settings.store), scoring.partition_key(MODEL, settings))
    for score_file in partition.score_files():
        score_file.path.unlink()
    spoilt = first.scores.with_row_index().with_columns(
        logprobs=pl.when(pl.col("index") == 3).then(pl.lit([float("nan"), -1.0])).otherwise("logprobs")
    )
    partition.add(spoilt.drop("index"))
    second = scoring.collect(texts(60), MODEL, settings)
    assert (second.fresh, second.stored) == (1, 59)
    assert same(first.scores, second.scores)


def test_the_time_of_loading_is_not_a_time_of_scoring(tmp_path, monkeypatch):
    clock = [0.0]

    def takes(seconds: float, call):
        def later(*args):
            clock[0] += seconds
            return call(*args)

        return later

    monkeypatch.setattr(scoring, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(fake_engine, "load", takes(100, fake_engine.FakeEngine))
    monkeypatch.setattr(fake_engine.FakeEngine, "logprobs", takes(7, fake_engine.FakeEngine.logprobs))
    assert scoring.collect(texts(80), MODEL, engine_settings(tmp_path)).seconds == 14, "two batches of 7 s"


def test_changing_one_percent_scores_one_percent(tmp_path, monkeypatch):
    settings, log = engine_settings(tmp_path / "store"), tmp_path / "log"
    scoring.collect(texts(1000), MODEL, settings)
    monkeypatch.setenv("SYCO_FAKE_LOG", str(log))
    again = scoring.collect(texts(1000, changed=10), MODEL, settings)
    assert (again.fresh, again.stored) == (10, 990)
    assert len(asked(log)) == 10


def test_equal_texts_cost_one_score(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("SYCO_FAKE_LOG", str(log))
    result = scoring.collect(texts(40) * 5, MODEL, engine_settings(tmp_path / "store"))
    assert len(result.scores) == len(asked(log)) == 40


def test_another_model_or_tokenizer_shares_nothing(tmp_path):
    settings = engine_settings(tmp_path)
    scoring.collect(texts(20), MODEL, settings)
    for other in (replace(MODEL, commit="d" * 40), replace(MODEL, tokenizer="other"), replace(MODEL, style="chat")):
        assert scoring.collect(texts(20), other, settings).fresh == 20


def test_a_larger_limit_scores_what_was_too_long_and_a_smaller_one_forgets(tmp_path):
    longer = [*texts(30), Request("x" * 200, OPTIONS)]
    actual = {}
    for limit in (100, 300, 100, 300):
        result = scoring.collect(longer, MODEL, engine_settings(tmp_path, max_length=limit))
        actual.setdefault(limit, []).append((result.scores["logprobs"].null_count(), result.fresh))
    assert actual == {100: [(1, 31), (1, 0)], 300: [(0, 1), (0, 0)]}


def test_batches_are_the_same_whatever_is_stored(tmp_path, monkeypatch):
    """A run that was cut off goes on with the batches that an uninterrupted one would have had."""
    whole = scoring.pending(texts(200), MODEL, engine_settings(tmp_path / "one"))
    settings = engine_settings(tmp_path / "two")
    with engines.open(MODEL, settings) as engine:
        started = scoring.saved(scoring.pending(texts(200), MODEL, settings), engine)
        next(started)
        started.close()
    rest = scoring.pending(texts(200), MODEL, settings)
    assert rest.batches == whole.batches[1:]


def test_a_batch_of_a_large_model_is_small(tmp_path, monkeypatch):
    """Some seconds of work on the device, whatever the model; at least one text."""
    todo = lambda: scoring.pending(texts(200), MODEL, engine_settings(tmp_path))  # noqa: E731
    assert [len(batch) for batch in todo().batches] == [50] * 4
    tokens = len("question 100") // 4 + 1
    for share, size in ((10, 10), (0.1, 1)):
        monkeypatch.setattr(
            scoring.model_files, "parameters", lambda _, share=share: scoring.WORK["cpu"] / tokens / share
        )
        assert len(todo().batches[0]) == size


SCRIPT = """
import sys
from pathlib import Path
from tests.support import fake_engine; from tests.engines import test_scoring as test_collecting
fake_engine.install()
from syco_data.engines import scoring as collecting
done = collecting.collect(test_collecting.texts(400), fake_engine.MODEL, fake_engine.engine_settings(Path(sys.argv[1])))
print(done.stored, done.fresh)
"""


def run(store: Path, log: Path, pause: float = 0.0) -> subprocess.Popen:
    variables = {**os.environ, "SYCO_FAKE_LOG": str(log), "SYCO_FAKE_PAUSE": str(pause)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(store)], env=variables, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_kills_at_several_points_lose_the_batch_in_flight_and_nothing_else(tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    for after in (1, 120, 260):  # texts asked when the process is killed
        process = run(store, log, pause=0.4)
        while len(asked(log)) < after and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL
    last = run(store, log)
    out, errors = last.communicate()
    assert last.returncode == 0, errors
    stored, fresh = map(int, out.split())
    assert stored >= 150 and stored + fresh == 400, "whole batches of 50 were kept"
    repeated = len(asked(log)) - len(set(asked(log)))
    assert repeated <= 3 * 50, "each kill costs one batch at most"
    undisturbed = scoring.collect(texts(400), MODEL, engine_settings(tmp_path / "other"))
    resumed = scoring.collect(texts(400), MODEL, engine_settings(store))
    assert resumed.fresh == 0 and same(resumed.scores, undisturbed.scores)


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
"""


def test_a_full_disk_stops_with_one_line_and_the_next_run_goes_on(tmp_path):
    store = tmp_path / "store"
    settings = engine_settings(store)
    scoring.collect(texts(400)[:100], MODEL, settings)
    variables = {**os.environ, "SYCO_FAKE_PAUSE": "0"}
    full = subprocess.run(
        [sys.executable, "-c", FULL + SCRIPT, str(store)], env=variables, cwd=ROOT, capture_output=True, text=True
    )
    assert full.returncode != 0
    assert "score store" in full.stderr and "it goes on from there" in full.stderr
    after = scoring.collect(texts(400), MODEL, settings)
    assert after.stored >= 100 and len(after.scores) == 400


def test_a_damaged_file_alone_is_scored_again(tmp_path, monkeypatch):
    settings, log = engine_settings(tmp_path / "store"), tmp_path / "log"
    first = scoring.collect(texts(200), MODEL, settings)
    partition = scoring.pending(texts(1), MODEL, settings).partition
    partition.score_files()[1].path.write_bytes(b"torn")
    monkeypatch.setenv("SYCO_FAKE_LOG", str(log))
    again = scoring.collect(texts(200), MODEL, settings)
    assert (again.stored, again.fresh, len(asked(log))) == (150, 50, 50)
    assert same(first.scores, again.scores)


def test_the_engine_is_closed_when_saving_fails(tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(fake_engine, "load", lambda *a: held.append(fake_engine.FakeEngine(*a)) or held[0])
    (tmp_path / "store").write_text("a file stands where the folder should be", encoding="utf-8")
    with pytest.raises(Exception, match="score store"):
        scoring.collect(texts(10), MODEL, engine_settings(tmp_path / "store"))
    assert held[0].closed


STAGE = """
import sys
from pathlib import Path
from tests.support import fake_engine; from tests.engines import test_scoring as test_collecting
fake_engine.install()
from syco_data.engines import scoring as collecting; from syco_data import schemas, tables
done = collecting.collect(test_collecting.texts(200), fake_engine.MODEL, fake_engine.engine_settings(Path(".scores")))
tables.write(done.scores, schemas.SCORES, Path("out/scores.parquet"))
"""


def test_dvc_repro_after_a_kill_goes_on_and_gives_what_an_uninterrupted_one_gives(tmp_path):
    """DVC itself is killed with its stage, in mid-run; its next `repro` finds every finished batch."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "SYCO_FAKE_PAUSE": "0.4"}
    outputs = []
    for name in ("killed", "undisturbed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "stage.py").write_text(STAGE, encoding="utf-8")
        stage = {"stages": {"score": {"cmd": f"{sys.executable} stage.py", "deps": ["stage.py"], "outs": ["out"]}}}
        (folder / "dvc.yaml").write_text(json.dumps(stage), encoding="utf-8")
        dvc = [sys.executable, "-m", "dvc"]
        subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=folder, env=variables, check=True)
        if name == "killed":
            process = subprocess.Popen([*dvc, "repro"], cwd=folder, env=variables, start_new_session=True)
            while not list(folder.glob(".scores/*/50-*.parquet")) and process.poll() is None:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert not (folder / "out").exists()
        subprocess.run([*dvc, "repro", "-q"], cwd=folder, env=variables, check=True)
        outputs.append((folder / "out" / "scores.parquet").read_bytes())
    assert outputs[0] == outputs[1]


def test_ctrl_c_says_how_many_scores_are_kept(tmp_path, monkeypatch):
    settings, score = engine_settings(tmp_path), fake_engine.FakeEngine.logprobs
    batches = iter([None, None, KeyboardInterrupt])

    def until(engine, queries):
        if (end := next(batches)) is not None:
            raise end
        return score(engine, queries)

    monkeypatch.setattr(fake_engine.FakeEngine, "logprobs", until)
    with pytest.raises(KeyboardInterrupt) as caught:
        scoring.collect(texts(130), MODEL, settings)
    assert caught.value.__notes__ == [f"100 of 130 missing scores are kept in {tmp_path}"]
    assert scoring.pending(texts(130), MODEL, settings).missing == 30
