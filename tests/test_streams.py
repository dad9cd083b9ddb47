"""Whatever the terminal can show, and whoever stops reading: no command ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syco_data import streams

ROOT = Path(__file__).resolve().parents[1]


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict", "cp1252"])
def test_a_sign_that_cannot_be_shown_is_escaped_as_json_has_it(encoding: str) -> None:
    words = {"a": "· → 🙂 \udcff é"}
    shown = ascii(json.dumps(words, ensure_ascii=False))
    code = f"from syco_data import streams\nwith streams.safe(): print({shown})"
    result = run(code, PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.decode(encoding.split(":")[0])) == words


def test_a_choice_of_the_users_own_stays() -> None:
    result = run("from syco_data import streams\nwith streams.safe(): print('a·b')", PYTHONIOENCODING="ascii:replace")
    assert result.stdout == b"a?b\n"


@pytest.mark.parametrize("command", [["preview", "--n", "1"], ["--help"], ["profile", "list"]])
def test_commands_print_to_an_ascii_terminal(command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "syco_data", *command],
        cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0 and not result.stderr, result.stderr
    result.stdout.decode("ascii")


STAGE = "import stages\nstages.run(lambda settings: [print('· line', i) for i in range(100_000)])"


def test_a_reader_that_goes_away_is_not_an_error() -> None:
    command = "import sys; sys.argv = ['syco-data', 'profile', 'list']; from syco_data.__main__ import main; main()"
    for code in (STAGE, command):
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode in (1, streams.CLOSED)


def test_another_broken_pipe_is_not_hidden() -> None:
    with pytest.raises(BrokenPipeError), streams.safe():
        raise BrokenPipeError


def test_a_table_of_the_build_that_is_damaged_behind_its_footer_is_one_line(tmp_path: Path) -> None:
    """Tables are read lazily: what is wrong with their data shows long after they were opened."""
    import polars as pl

    from syco_data import schemas, tables

    rows = pl.DataFrame({"step": range(5000), **dict.fromkeys(("loss", "accuracy", "gradient_norm"), 0.5)})
    rows = rows.with_columns(learning_rate=pl.int_range(pl.len()).cast(pl.Float64))
    path = tmp_path / "t.parquet"
    tables.write(rows, schemas.TRAINING_LOG, path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 400 + content[404:])
    code = (
        "import stages; from pathlib import Path; from syco_data import schemas, tables\n"
        f"stages.run(lambda settings: tables.scan(Path({str(path)!r}), schemas.TRAINING_LOG).collect())"
    )
    result = run(code)
    assert result.returncode == 2 and result.stderr.startswith(b"error: a table is damaged: ")
    assert result.stderr.count(b"\n") == 1


def test_a_panic_is_one_line_and_any_other_error_is_shown_whole() -> None:
    code = "import polars as pl; from syco_data import streams\nwith streams.safe(): raise "
    result = run(code + "pl.exceptions.PanicException('range')")
    assert result.returncode == 2 and result.stderr == b"error: a table is damaged: range. Build it again: dvc repro\n"
    assert b"Traceback" in run(code + "pl.exceptions.ComputeError('an error of ours')").stderr
