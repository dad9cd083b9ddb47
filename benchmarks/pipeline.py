"""Claims and prompts at the published size: ours, the floor, and a row-at-a-time program with the same output.

    python -m benchmarks pipeline
    python -c 'from benchmarks import pipeline; pipeline.main("0.25")'    # a quarter of it

The 1,736,834 inputs of the published pool are scaled up from whatever origin params.yaml names (every round
over a source's rows adds its number to the text). A share makes all three smaller. The floor builds
the very same strings by bare polars expressions, without ids, draws, duplicates or order, and writes them.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import acquire, claims, prompts, schemas, settings, tables, templates, wording
from syco_data.sources import SOURCES


def main(share: str = "1.0") -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = _scale_up(Path(folder), float(share))
        results = [_measured(kind, Path(folder)) for kind in ("floor", "ours", "rows")]
    _print(rows, results)


def _scale_up(folder: Path, share: float) -> int:
    chosen, total = settings.load(), 0
    for key, source in SOURCES.items():
        rows = acquire.acquire(source, chosen).rows.filter(pl.col("split") == source.train, pl.col("label") >= 0)
        wanted = max(1, int(source.unique_inputs * share))
        rounds = pl.concat([rows.with_columns(turn=pl.lit(turn)) for turn in range(wanted // len(rows) + 1)])
        last = source.text_columns[-1]
        text = pl.concat_str(pl.col(last), pl.lit(" "), pl.col("turn").cast(pl.String), pl.lit(f" {key}"))
        scaled = rounds.head(wanted).with_columns(text.alias(last), row=pl.int_range(pl.len())).drop("turn")
        tables.write(scaled, schemas.raw(source), folder / f"{key}.parquet")
        total += wanted
    return total


def _measured(kind: str, folder: Path) -> tuple[str, float, float, str]:
    """Runs one contender in a process of its own: seconds, peak resident GB, digests of what it wrote."""
    out = folder / kind
    out.mkdir()
    code = f"from benchmarks import pipeline; pipeline.contend({kind!r}, {str(folder)!r}, {str(out)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, gigabytes, digest = done.stdout.split()
    shutil.rmtree(out)
    return kind, float(seconds), float(gigabytes), digest


def contend(kind: str, folder: str, out: str) -> None:
    from benchmarks import rowwise

    contenders = {"floor": _floor, "ours": _ours, "rows": rowwise.run}
    start = time.perf_counter()
    digest = contenders[kind](Path(folder), Path(out), settings.load())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(seconds, peak, digest)


def _ours(folder: Path, out: Path, chosen: settings.Settings) -> str:
    raw = {key: tables.read(folder / f"{key}.parquet", schemas.raw(source)) for key, source in SOURCES.items()}
    built = claims.build(raw, chosen.claims, chosen.seed)
    del raw
    first = tables.write(built.kept, schemas.CLAIMS, out / "claims.parquet")
    tables.write(built.dropped, schemas.DROPPED_ROWS, out / "dropped.parquet")
    every = chosen.prompts.model_copy(update={"size": len(built.kept), "sampling": "proportional", "cap": None})
    pool = built.kept.select(prompts.claim_columns())
    del built
    made = prompts.build(pool, every, chosen.seed)
    del pool
    with tables.writer(schemas.PROMPTS, out / "prompts.parquet") as written:
        for chunk in made.chunks():
            written.append(chunk)
    return f"{first}:{written.digest}"


def _floor(folder: Path, out: Path, chosen: settings.Settings) -> str:
    """Strings of the same lengths: quoted inputs, sentences, both prompts; fixed persona, opinion and order."""
    template = templates.load(chosen.prompts.templates[0])
    lazy = pl.concat([_sentences(key, folder) for key in SOURCES])
    claimed = lazy.with_columns(claim=pl.concat_str("input", pl.lit("is not"), "words", separator=" "))
    claimed.sink_parquet(out / "claims.parquet", compression="zstd", compression_level=1)
    persona = {"name": "Jennifer Peterson", "age": 55, "school_1": "Brown University", "school_2": "Duke University"}
    both = pl.scan_parquet(out / "claims.parquet").with_columns(**{name: pl.lit(v) for name, v in persona.items()})
    both.select(
        prompt=template.full["agree", "agree_first"].expression(),
        stripped_prompt=template.stripped["agree_first"].expression(),
    ).sink_parquet(out / "prompts.parquet", compression="zstd", compression_level=1)
    return "-"


def _sentences(key: str, folder: Path) -> pl.LazyFrame:
    source = SOURCES[key]
    names = [label.wording for label in source.labels]
    words = pl.col("label").replace_strict(range(len(names)), names, return_dtype=pl.String)
    fields = [wording.clean(pl.col(name)) for name in source.text_columns]
    return pl.scan_parquet(folder / f"{key}.parquet", glob=False).select(input=wording.join(fields), words=words)


def _print(rows: int, results: list[tuple[str, float, float, str]]) -> None:
    seconds = {kind: value for kind, value, _, _ in results}
    table = Table(title=f"{rows:,} inputs to claims and prompts, written")
    for heading in ("contender", "seconds", "peak GB", "times the floor", "digest of both tables"):
        table.add_column(heading)
    for kind, value, peak, digest in results:
        table.add_row(kind, f"{value:.1f}", f"{peak:.2f}", f"{value / seconds['floor']:.2f}", digest[:24])
    Console().print(table)
    print(f"row-at-a-time / ours: {seconds['rows'] / seconds['ours']:.2f} (5 or more is the aim)")
    print(f"ours / floor: {seconds['ours'] / seconds['floor']:.2f} (2 or less is the aim)")
    print(f"same output: {results[1][3] == results[2][3]}")
