"""`python -m benchmarks checks`: all checks of a build of 100,000 and of 1.7 million prompts.

A whole build (claims, prompts, verdicts, three training sets, probes) is made by the project's own code from
scaled-up inputs. Each size is checked in a process of its own, as stage validate does it, from its start; memory
is its peak and that of the audit beside it. The parts are timed once more one after the other: checks and audits;
the import of Great Expectations; its validation and pages.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import schemas
from syco_data.sources import SOURCES

SIZES = (100_000, 1_700_000)
BEGUN = "SYCO_BENCHMARK_BEGUN"
WORDS = 20
"""Words of one text column of the scaled-up inputs."""


def main() -> None:
    table = Table(title="All checks of a build")
    for heading in ("prompts", "stage s", "peak MB", "checks", "checks alone s", "import of GX s", "GX and pages s"):
        table.add_column(heading, justify="right")
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="syco-bench-") as folder:
            _child("make", folder, size)
            whole, line = _child("check", folder, size), _child("parts", folder, size)
        spans = [f"{line[name]:.1f}" for name in ("checks", "import", "pages")]
        table.add_row(f"{size:,}", f"{whole['seconds']:.1f}", f"{whole['peak']:,.0f}", str(whole["number"]), *spans)
    Console().print(table)


def _child(step: str, folder: str, size: int) -> dict:
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.checks", step, folder, str(size)],
        env={**os.environ, "GX_ANALYTICS_ENABLED": "false", BEGUN: str(time.monotonic())},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def _settings(size: int):
    from tests.support.tables_for_tests import small_settings

    return small_settings(prompts={"rows": size, "sampling": "balanced"})


def make(folder: Path, size: int) -> dict:
    """A sound build with `size` prompts, written below `folder`."""
    from tests.support import tables_for_tests

    settings = _settings(size)
    per_source = size // len(settings.sources) + 2_000
    tables_for_tests.make(folder, settings, {key: _rows(key, per_source, settings) for key in settings.sources})
    return {}


def _rows(key: str, count: int, settings) -> pl.DataFrame:
    """Distinct rows in a source's own columns: numbered words, labels in turn, and the synthetic held-out split."""
    from syco_data.reference import sources as synthetic

    source = SOURCES[key]
    number = pl.int_range(count)
    filler = " ".join(f"word{i}" for i in range(WORDS))
    texts = {
        name: pl.format("{} {} {} {}", pl.lit(key), pl.lit(name), number, pl.lit(filler))
        for name in source.text_columns
    }
    split, label = pl.lit(source.train).repeat_by(count).explode(), number % len(source.labels)
    columns = {"split": split, "row": number, **texts, "label": label}
    many = pl.select(column.alias(name) for name, column in columns.items()).select(schemas.raw(source).names)
    acquire = settings.acquire
    held_out = synthetic.rows(source, source.held_out, acquire.synthetic_rows.held_out, settings.seed, acquire.noise)
    return pl.concat([many, held_out.select(many.columns)])


def check(folder: Path, size: int) -> dict:
    """Times stage validate on a build that lies there, from the start of this process."""
    from stages import validate
    from syco_data.validate import statistics
    from tests.support.tables_for_tests import Made

    settings = _settings(size)
    result = validate.check(Made(folder, settings).tables, settings, folder / "reports", folder / "docs")
    seconds = time.monotonic() - float(os.environ[BEGUN])
    _require(result)
    statistics.worker().shutdown()
    return {"seconds": seconds, "peak": _peak(), "number": len(result.findings)}


def parts(folder: Path, size: int) -> dict:
    """Times its parts one after the other."""
    from syco_data.prompts import templates
    from syco_data.validate import build_checks, expectations, validation
    from tests.support.tables_for_tests import Made

    settings = _settings(size)
    forms = {name: templates.load(name) for name in settings.prompts.templates}
    clock = [time.monotonic()]
    result = validation.check_build(Made(folder, settings).tables, forms, settings)
    clock.append(time.monotonic())
    import great_expectations  # noqa: F401

    clock.append(time.monotonic())
    expectations.write_pages(build_checks.named_tables(Made(folder, settings).tables), result, folder / "docs")
    clock.append(time.monotonic())
    spans = [after - before for before, after in pairwise(clock)]
    _require(result)
    return {"checks": spans[0], "import": spans[1], "pages": spans[2]}


def _require(checked) -> None:
    failed = [f"{one.check} of {one.table}" for one in checked.failed]
    if failed:
        sys.exit(f"the build is not sound: {', '.join(failed)}")


def _peak() -> float:
    """Peak memory in MB of this process and of the audit's beside it, as if both came at once."""
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used) / 1e3


if __name__ == "__main__":
    step, place, rows = sys.argv[1:]
    print(json.dumps({"make": make, "check": check, "parts": parts}[step](Path(place), int(rows))))
