"""`python -m benchmarks diff`: two releases of 1.7 million candidates, compared row by row.

Beside it, from the same run and on the same files: bare polars anti-joins in both directions of every table, once on
whole rows (which answer what differs, without saying how or why) and once on ids alone (which see rows come and go,
and no change). Every line is a process of its own; memory is its peak.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import draws
from syco_data.prompts import prompts, templates
from syco_data.prompts.prompts import ROWS_PER_CHUNK
from syco_data.release import configs, manifest
from syco_data.release import tables as released
from syco_data.release.manifest import Environment, File, Git, Manifest
from syco_data.release.schemas import RELEASED_CANDIDATES, RELEASED_DROPPED, RELEASED_TRAIN
from syco_data.release.tables import Place
from syco_data.schemas import VERDICTS, Schema
from syco_data.settings import Prompts
from syco_data.sources import SOURCES

ROWS = 1_700_000
WORDS = 40
"""Words of an input, about the mean of the published sources."""
MODEL, ARM = "tiny", "balanced"
# Parts of 1,000 claims that version B changes: not sampled, another persona, another template, another verdict.
NOT_SAMPLED, PERSONA, TEMPLATE, VERDICT = range(0, 10), range(10, 20), range(20, 25), range(25, 35)
SETTINGS = Prompts(rows=1, sampling="proportional", cap=None, templates=("professor",), template_folder="templates")


def main(rows: int = ROWS) -> None:
    with tempfile.TemporaryDirectory(prefix="syco-bench-") as folder:
        a, b = Path(folder) / "a", Path(folder) / "b"
        drawn = _candidates(rows)
        _release(drawn, a, "1.0.0", changed=False)
        _release(drawn, b, "2.0.0", changed=True)
        del drawn
        size = sum(path.stat().st_size for path in a.rglob("*.parquet")) / 1e6
        result = {name: _measured(name, a, b) for name in WAYS}
    table = Table(title=f"Two releases of {rows:,} candidates ({size:,.0f} MB of Parquet each)")
    for heading in ("way", "seconds", "seconds of all cores", "peak MB", "rows found"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for name, line in result.items():
        table.add_row(
            name, f"{line['seconds']:.1f}", f"{line['work']:.1f}", f"{line['peak']:,.0f}", f"{line['found']:,}"
        )
    console = Console()
    console.print(table)
    for name in (WHOLE, IDS):
        console.print(f"diff takes {result[OURS]['seconds'] / result[name]['seconds']:.2f} times {name}")


def _candidates(rows: int) -> pl.DataFrame:
    """Every column of the candidates but the rendered texts, from draws alone."""
    keys, words = list(SOURCES), [f"word{i}" for i in range(5_000)]
    ids = pl.select(claim_id=draws.content_ids(pl.lit("benchmark"), pl.int_range(rows).cast(pl.String)))
    parts = []
    for chunk in ids.iter_slices(ROWS_PER_CHUNK):
        chance = [draws.draw(chunk["claim_id"], 0, f"words {i}") for i in range(-(-WORDS // draws.STREAMS))]
        picked = [chance[i // draws.STREAMS].choice(i % draws.STREAMS, words) for i in range(WORDS)]
        text = pl.concat_str([pl.lit('"'), pl.concat_str(picked, separator=" "), pl.lit('"')])
        chance = draws.draw(chunk["claim_id"], 0, "claims")
        parts.append(
            chunk.with_columns(
                source=chance.choice(0, keys), label_kind=chance.choice(1, ("gold", "other")),
                polarity=chance.choice(2, ("is", "is not")), gold_label=pl.Series(chance.below(3, 2)),
                row=pl.Series(chance.below(4, 500_000)), input=text,
            )
        )  # fmt: skip
    claims = pl.concat(parts).with_columns(
        label=pl.when(pl.col("label_kind") == "gold").then("gold_label").otherwise(1 - pl.col("gold_label")),
        truth=(pl.col("label_kind") == "gold") == (pl.col("polarity") == "is"),
    )
    claims = claims.with_columns(claim=pl.concat_str("input", "polarity", pl.lit("Entailment"), separator=" ")).drop(
        "input"
    )
    built = prompts.build(claims, SETTINGS.model_copy(update={"rows": rows}), 0).candidates
    return built.join(claims.select("claim_id", "row", "gold_label"), on="claim_id", how="left")


def _release(drawn: pl.DataFrame, folder: Path, version: str, changed: bool) -> None:
    """Candidates, verdicts, one training set and the dropped rows of a version."""
    part = (
        pl.Series(draws.draw(drawn["claim_id"], 0, "changes").below(0, 1_000))
        if changed
        else pl.repeat(999, len(drawn), eager=True)
    )
    drawn = drawn.with_columns(part=part)
    out = drawn.filter(pl.col("part").is_in(list(NOT_SAMPLED)))
    kept = drawn.filter(~pl.col("part").is_in(list(NOT_SAMPLED))).with_columns(
        name=pl.when(pl.col("part").is_in(list(PERSONA))).then(pl.lit("Ada Byron")).otherwise("name"),
        template=pl.when(pl.col("part").is_in(list(TEMPLATE))).then(pl.lit("editor")).otherwise("template"),
    )
    kept = prompts.identify(kept).sort("prompt_id")
    knows = pl.Series(draws.draw(kept["claim_id"], 0, "knows").fraction(0) < 0.7)
    kept = kept.with_columns(known=knows ^ pl.col("part").is_in(list(VERDICT)))
    train = kept.filter("known").with_columns(completion=pl.concat_str(pl.lit(" "), "answer"))
    tables = [
        _table(folder, configs.CANDIDATES, RELEASED_CANDIDATES, _rendered(kept, RELEASED_CANDIDATES)),
        _table(folder, Place(f"verdicts-{MODEL}", "train"), VERDICTS, iter([_verdicts(kept)])),
        _table(folder, Place(f"{MODEL}-{ARM}", "train"), RELEASED_TRAIN, _rendered(train, RELEASED_TRAIN)),
        _table(folder, configs.DROPPED, RELEASED_DROPPED, iter([_dropped(out, kept.filter(~pl.col("known")))])),
    ]
    record = Manifest(
        schema=manifest.SCHEMA, version=version, change="first", previous=None, text="full", files=tables,
        settings={"seed": 0, "prompts": {"rows": len(kept)}, "arms": {ARM: {"filtered": True}}},
        sources={key: {"content_digest": "0" * 32, "release": "allow"} for key in SOURCES},
        models={MODEL: {"source": "reference", "digest": ("1" if changed else "0") * 32}}, templates={},
        environment=Environment(python="3", system="Linux", machine="x86_64", packages={}),
        git=Git(commit=None, dirty=None),
    )  # fmt: skip
    (folder / manifest.NAME).write_text(record.to_json(), encoding="utf-8")


def _rendered(rows: pl.DataFrame, schema: Schema) -> Iterator[pl.DataFrame]:
    forms = {name: templates.load(name) for name in ("professor", "editor")}
    for part in rows.iter_slices(ROWS_PER_CHUNK):
        yield released.with_text_id(templates.render(part, forms).sort("prompt_id"), schema).select(schema.names)


def _verdicts(rows: pl.DataFrame) -> pl.DataFrame:
    chance = draws.draw(rows["claim_id"], 0, "scores")
    values = {
        name: pl.Series(-chance.fraction(i)) for i, name in enumerate(n for n in VERDICTS.names if "logprob_" in n)
    }
    return rows.select(
        "prompt_id", **values, choice="answer", margin=values["logprob_a"], correct="known", swapped_choice="answer",
        swapped_margin=values["logprob_b"], swapped_correct="known", known="known",
        label_logprobs=pl.lit(None, VERDICTS.columns["label_logprobs"]), calibrated_margin=pl.lit(None, pl.Float64),
        reason=pl.when(~pl.col("known")).then(pl.lit("unknown")),
    ).select(VERDICTS.names)  # fmt: skip


def _dropped(out: pl.DataFrame, unknown: pl.DataFrame) -> pl.DataFrame:
    tags = {"stage": "select", "model": MODEL, "arm": ARM, "reason": "unknown"}
    left = [
        out.select("claim_id", "source", stage=pl.lit("prompts"), reason=pl.lit("not_sampled")),
        unknown.select("prompt_id", "source", **{name: pl.lit(value) for name, value in tags.items()}),
    ]
    rows = pl.concat(left, how="diagonal")
    ids = draws.content_ids("stage", pl.coalesce("claim_id", "prompt_id"))
    absent = [name for name in RELEASED_DROPPED.names if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, dtype=RELEASED_DROPPED.columns[name]).alias(name) for name in absent)
    return rows.with_columns(dropped_id=ids).sort("dropped_id").select(RELEASED_DROPPED.names)


def _table(folder: Path, place: Place, schema: Schema, chunks: Iterator[pl.DataFrame]) -> File:
    table = released.write_table(chunks, schema, place, folder, [])
    path = folder / place.path
    return File(path=place.path, bytes=path.stat().st_size, sha256=manifest.digest_of(path), table=table)


def ours(a: Path, b: Path) -> int:
    from syco_data.diff import diffing

    diff = diffing.diff_releases(a, b)
    return sum(config.counts.differing for config in diff.configs)


def files_alone(a: Path, b: Path) -> int:
    from syco_data.diff import diffing

    return len(diffing.diff_releases(a, b, level="files").files)


def whole_rows(a: Path, b: Path) -> int:
    return _anti_joins(a, b, lambda names, key: names)


def ids_alone(a: Path, b: Path) -> int:
    return _anti_joins(a, b, lambda names, key: ["claim_id"] if "row" in names and "prompt" in names else key)


def _anti_joins(a: Path, b: Path, on: Callable[[list[str], list[str]], list[str]]) -> int:
    """Rows that the other side does not have, over all tables and both directions."""
    total = 0
    for file in manifest.read(a).tables:
        sides = [pl.scan_parquet(folder / file.path) for folder in (a, b)]
        names = on(list(file.table.columns), file.table.key)
        for one, other in (sides, sides[::-1]):
            joined = one.select(names).join(other.select(names), on=names, how="anti", nulls_equal=True)
            total += joined.select(pl.len()).collect(engine="streaming").item()
    return total


OURS, WHOLE, IDS = "diff, rows and causes", "anti-joins on whole rows", "anti-joins on ids"
WAYS = {OURS: ours, "diff, files alone": files_alone, WHOLE: whole_rows, IDS: ids_alone}


def _measured(name: str, a: Path, b: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.diff", name, str(a), str(b)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure(name: str, a: str, b: str) -> None:
    start = time.perf_counter()
    result = WAYS[name](Path(a), Path(b))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "work": time.process_time(), "peak": _peak(), "found": result}))


def _peak() -> float:
    """Peak memory in MB. On Linux `ru_maxrss` would be that of the parent, if it is larger."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    _measure(*sys.argv[1:])
