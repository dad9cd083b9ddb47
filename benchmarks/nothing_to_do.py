"""`python -m benchmarks nothing_to_do`: `dvc repro` of a build that is up to date, as it stands in this folder.

Beside it, from the same run: DVC's start alone, and the same repro with YAML read in Python instead of by libyaml.
Every line is the least of several processes. Nothing is built: in a folder that is not up to date it says so and
measures nothing.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
TIMES = 3
DVC = "from dvc.cli import main; sys.exit(main(sys.argv[1:]))"
LIBYAML, PYTHON = f"import sys; {DVC}", f"import sys; sys.modules['_ruamel_yaml'] = None; {DVC}"


class Seconds(NamedTuple):
    """Of one process: by the clock, and of all cores in user mode."""

    wall: float
    user: float


def main() -> None:
    if _dvc(LIBYAML, "status", "--quiet").returncode:
        print("not measured: the build is not up to date. Run: dvc repro")
        return
    ways = {
        "dvc --version": (LIBYAML, "--version"),
        "dvc repro": (LIBYAML, "repro"),
        "dvc repro, YAML read in Python": (PYTHON, "repro"),
    }
    # One of each in turn, so that a busy minute falls on all.
    runs = [{name: _seconds(*way) for name, way in ways.items()} for _ in range(TIMES)]
    table = Table("command", title="Nothing to do")
    for heading in ("seconds", "user seconds"):
        table.add_column(heading, justify="right")
    for name in ways:
        table.add_row(name, *(f"{min(values):.2f}" for values in zip(*(run[name] for run in runs), strict=True)))
    Console().print(table)


def _seconds(code: str, *arguments: str) -> Seconds:
    start, before = time.perf_counter(), os.times().children_user
    _dvc(code, *arguments).check_returncode()
    return Seconds(time.perf_counter() - start, os.times().children_user - before)


def _dvc(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)


if __name__ == "__main__":
    main()
