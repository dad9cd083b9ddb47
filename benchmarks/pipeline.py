"""Claims and prompts at the published size: ours, the floor, and a row-at-a-time program with the same output.

    python -m benchmarks pipeline
    python -c 'from benchmarks import pipeline; pipeline.main("0.25")'           # all three at a quarter
    python -c 'from benchmarks import pipeline; pipeline.main("1.0", "0.25")'    # only the slow one at a quarter

The 1,736,834 inputs of the published pool are scaled up from whatever origin params.yaml names (every round
over a source's rows adds its number to the text). The floor builds the very same strings by bare polars
expressions and writes them, without ids, draws, duplicates, order or digests: the rows that stay and what was
drawn for each lie ready for it. Every contender has a process of its own; floor and ours take turns, and the
faster run of each counts, as other programs can only slow one. A row-at-a-time program that runs at another size
is compared with ours at that size.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import rowwise
from syco_data import schemas, settings, tables
from syco_data.acquire import acquire
from syco_data.claims import claims, wording
from syco_data.prompts import prompts, templates
from syco_data.sources import SOURCES

TEMPLATE = "professor"
TWICE = ("floor", "ours")
WRITTEN = {"claims": ("input", "claim"), "prompts": ("prompt", "stripped_prompt")}


@dataclass(frozen=True)
class Run:
    """One contender: seconds by the clock and of all processors, peak resident GB, digests of both tables."""

    kind: str
    seconds: float
    processor: float
    peak: float
    digest: str


def main(share: str = "1.0", rows_share: str | None = None) -> None:
    kinds = ("floor", "ours", "rows") if rows_share in (None, share) else ("floor", "ours")
    runs = _runs(float(share), kinds)
    slow = runs if "rows" in runs else _runs(float(rows_share), ("ours", "rows"))
    print(f"ours / floor: {runs['ours'].seconds / runs['floor'].seconds:.2f} (2 or less is the aim)")
    print(f"row-at-a-time / ours: {slow['rows'].seconds / slow['ours'].seconds:.2f} (5 or more is the aim)")
    print(f"row-at-a-time and ours, same output: {slow['ours'].digest == slow['rows'].digest}")


def _runs(share: float, kinds: tuple[str, ...]) -> dict[str, Run]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = _scale_up(folder, share)
        if "floor" in kinds:
            _apart("prepare", folder)
        turns = [_apart(kind, folder) for kind in (*kinds, *(kind for kind in kinds if kind in TWICE))]
        runs = {kind: min((run for run in turns if run.kind == kind), key=lambda run: run.seconds) for kind in kinds}
        _print(rows, runs)
        if "floor" in kinds:
            print(f"floor and ours, same strings: {_strings(folder / 'floor') == _strings(folder / 'ours')}")
    return runs


def _scale_up(folder: Path, share: float) -> int:
    params, total = settings.load(), 0
    for key, source in SOURCES.items():
        rows = acquire.acquire(source, params).rows.filter(pl.col("split") == source.train, pl.col("label") >= 0)
        size = max(1, int(source.unique_inputs * share))
        rounds = pl.concat([rows.with_columns(turn=pl.lit(turn)) for turn in range(size // len(rows) + 1)])
        last = source.text_columns[-1]
        text = pl.concat_str(pl.col(last), pl.lit(" "), pl.col("turn").cast(pl.String), pl.lit(f" {key}"))
        scaled = rounds.head(size).with_columns(text.alias(last), row=pl.int_range(pl.len())).drop("turn")
        tables.write(scaled, schemas.raw(source), folder / f"{key}.parquet")
        total += size
    return total


def _apart(kind: str, folder: Path) -> Run:
    """Runs one contender in a process of its own."""
    (folder / kind).mkdir(exist_ok=True)
    code = f"from benchmarks import pipeline; pipeline.contend({kind!r}, {str(folder)!r})"
    result = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    seconds, processor, peak, digest = result.stdout.split()
    return Run(kind, float(seconds), float(processor), float(peak), digest)


def contend(kind: str, folder: str) -> None:
    contenders = {"prepare": _prepare, "floor": _floor, "ours": _ours, "rows": rowwise.run}
    clock, processor = time.perf_counter(), time.process_time()
    digest = contenders[kind](Path(folder), Path(folder) / kind, one_template())
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(clock, processor, peak, digest)


def one_template() -> settings.Settings:
    """The settings of the project with the published structure as the only template: the floor builds one form."""
    params = settings.load()
    return params.model_copy(update={"prompts": params.prompts.model_copy(update={"templates": (TEMPLATE,)})})


def _ours(folder: Path, out: Path, params: settings.Settings) -> str:
    raw = _raw(folder)
    built = claims.build(raw, params.claims, params.seed)
    del raw
    first = tables.write(built.kept, schemas.CLAIMS, out / "claims.parquet")
    tables.write(built.dropped, schemas.DROPPED_ROWS, out / "dropped.parquet")
    pool = built.kept.select(prompts.claim_columns())
    del built
    result = prompts.build(pool, _every(params, len(pool)), params.seed)
    del pool
    with tables.writer(schemas.PROMPTS, out / "prompts.parquet") as written:
        for chunk in result.chunks():
            written.append(chunk)
    return f"{first}:{written.digest}"


def _raw(folder: Path) -> dict[str, pl.DataFrame]:
    return {key: tables.read(folder / f"{key}.parquet", schemas.raw(source)) for key, source in SOURCES.items()}


def _every(params: settings.Settings, size: int) -> settings.Prompts:
    """Settings under which each claim becomes a prompt."""
    return params.prompts.model_copy(update={"rows": size, "sampling": "proportional", "cap": None})


def _prepare(folder: Path, out: Path, params: settings.Settings) -> str:
    """What the floor starts from: each source's rows that stay, and all that was drawn, in the order of the rows."""
    raw = _raw(folder)
    kept = claims.build(raw, params.claims, params.seed).kept
    candidates = prompts.build(kept.select(prompts.claim_columns()), _every(params, len(kept)), params.seed).candidates
    options = pl.when(pl.col("option_order") == "agree_first")
    drawn = candidates.select(
        "claim_id", *schemas.PERSONA, "opinion",
        option_a=options.then(pl.lit("Agree")).otherwise(pl.lit("Disagree")),
        option_b=options.then(pl.lit("Disagree")).otherwise(pl.lit("Agree")),
    )  # fmt: skip
    statements = kept.select("claim_id", "source", "row", says=pl.col("claim").str.strip_prefix(pl.col("input")))
    parts = []
    for key, rows in raw.items():
        part = statements.filter(pl.col("source") == key).sort("row").join(drawn, on="claim_id", maintain_order="left")
        texts = part.select("row", "says").join(rows, on="row", maintain_order="left")
        texts.select(*SOURCES[key].text_columns, "says").write_parquet(out / f"{key}.parquet")
        parts.append(part.drop("claim_id", "source", "row", "says"))
    pl.concat(parts).write_parquet(out / "drawn.parquet")
    return "-"


def _floor(folder: Path, out: Path, _: settings.Settings) -> str:
    """Quoted inputs and sentences, then both prompts: written, in whatever order they come."""
    ready = folder / "prepare"
    sentences = pl.concat([_sentences(ready / f"{key}.parquet", SOURCES[key].text_columns) for key in SOURCES])
    sentences.sink_parquet(out / "claims.parquet", compression="zstd", compression_level=1)
    claim = pl.scan_parquet(out / "claims.parquet").select("claim")
    both = pl.concat([claim, pl.scan_parquet(ready / "drawn.parquet")], how="horizontal")
    both.select(
        prompt=_form(with_user=True).expression(),
        stripped_prompt=_form(with_user=False).expression(),
    ).sink_parquet(out / "prompts.parquet", compression="zstd", compression_level=1)
    return "-"


def _sentences(path: Path, text_columns: tuple[str, ...]) -> pl.LazyFrame:
    fields = [wording.clean(pl.col(name)) for name in text_columns]
    quoted = pl.scan_parquet(path, glob=False).select("says", input=wording.join(fields))
    return quoted.select("input", claim=pl.concat_str("input", "says"))


def _form(with_user: bool) -> templates.Parts:
    """The template as one form, with opinion and options as columns too."""
    names = (*templates.PERSONA_SLOTS, "claim", "opinion", "option_a", "option_b")
    text = rowwise.template(TEMPLATE).render(with_user=with_user, **{name: f"\0{name}\0" for name in names})
    return templates.Parts(tuple(text.split("\0")))


def _strings(folder: Path) -> list[int]:
    """A sum over each column of texts that tells of any other text, whatever the order."""
    sums = []
    for table, columns in WRITTEN.items():
        hashes = [pl.col(name).hash().sum() for name in columns]
        sums += pl.scan_parquet(folder / f"{table}.parquet").select(hashes).collect(engine="streaming").row(0)
    return sums


def _print(rows: int, runs: dict[str, Run]) -> None:
    table = Table(title=f"{rows:,} inputs to claims and prompts, written")
    for heading in ("contender", "seconds", "processor seconds", "peak GB", "times ours", "digest of both tables"):
        table.add_column(heading)
    for run in runs.values():
        times = f"{run.seconds / runs['ours'].seconds:.2f}"
        table.add_row(run.kind, f"{run.seconds:.1f}", f"{run.processor:.1f}", f"{run.peak:.2f}", times, run.digest[:24])
    Console().print(table)
