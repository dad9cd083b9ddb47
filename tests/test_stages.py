"""What every stage has in common: one line about what it did, and one line where Ctrl-C ends it."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import stages
from stages import Summary

ROOT = Path(__file__).parents[1]


def test_the_line_of_a_stage_counts_rows_in_and_out_and_drops_by_reason():
    reasons = pl.Series("reason", ["duplicate"] * 1900 + ["unlabelled"] * 2 + ["conflict"] * 2)
    line = Summary("10,200 rows", "9,907 claims", reasons).line("claims", 0.61)
    assert line == "claims: 10,200 rows in, 9,907 claims; dropped duplicate 1,900, conflict 2, unlabelled 2; 0.6 s"
    assert Summary("1 row", "1 claim", reasons.clear()).line("claims", 0.0) == "claims: 1 row in, 1 claim; 0.0 s"
    assert Summary(None, "nothing to train").line("reference", 2.0) == "reference: nothing to train; 2.0 s"


def test_a_stage_prints_its_line_with_its_item_to_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stages/select.py", "reference", "balanced"])
    with pytest.raises(SystemExit) as end:
        stages.run(lambda settings, *item: Summary("4 prompts", f"2 rows of {'/'.join(item)}"))
    shown = capsys.readouterr()
    assert end.value.code == 0 and not shown.out
    assert shown.err.startswith("select reference balanced: 4 prompts in, 2 rows of reference/balanced; ")


def test_every_stage_returns_its_line():
    for path in (ROOT / "stages").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert ("    run(main)\n" in text) == ("-> Summary:" in text), path.name


def stop(code: str) -> subprocess.CompletedProcess:
    """A stage of this code, which sends itself what Ctrl-C sends."""
    begin = "import os, signal, time\nimport stages\nfrom syco_data.progress import keeping\n"
    signal = "def stop(): os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
    return subprocess.run([sys.executable, "-c", begin + signal + code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("stages.run(lambda _: stop())", "every finished stage is kept, this one begins again"),
        ("stop()  # while the script imports", "every finished stage is kept, this one begins again"),
        ("def main(_):\n  with keeping(lambda: '3 of 4 scores are kept'): stop()\nstages.run(main)",
         "3 of 4 scores are kept"),
    ],
)  # fmt: skip
def test_ctrl_c_is_one_line_that_says_what_is_kept_and_how_to_go_on(code, kept):
    result = stop(code)
    assert result.returncode == 130 and not result.stdout
    assert result.stderr == f"-c: interrupted; {kept}. To go on: dvc repro\n"


def test_ctrl_c_ends_processes_that_the_stage_started_and_waits_for_none():
    code = """
import multiprocessing
def main(_):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    print(child.pid, flush=True)
    stop()
stages.run(main)
"""
    result = stop(code)
    assert result.returncode == 130 and result.stderr.count("\n") == 1
    assert not Path(f"/proc/{result.stdout.strip()}/exe").exists()
