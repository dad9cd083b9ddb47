"""What a filtration leaves to be read: metrics and plots for DVC, and tables for the terminal."""

from dataclasses import asdict
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import files
from syco_data.engines.scoring import Collected
from syco_data.filter.verdicts import Kept, Summary


def write(folder: Path, found: Summary, margins: pl.DataFrame, collected: Collected) -> None:
    """Into `folder`: metrics.json and, apart because they differ from run to run, speed.json; margins.csv and
    keep_rates.csv for `dvc plots`."""
    paths = dict(collected.scores.group_by("path").len().sort("path").iter_rows())
    files.write_json(folder / "metrics.json", {**asdict(found), "paths": paths}, indent=2)
    files.write_json(folder / "speed.json", speed(collected), indent=2)
    files.write(folder / "margins.csv", margins.write_csv())
    sources = found.groups["source"]
    rates = pl.DataFrame({"source": list(sources), "keep_rate": [group.keep_rate for group in sources.values()]})
    files.write(folder / "keep_rates.csv", rates.write_csv())


def speed(collected: Collected) -> dict[str, float | None]:
    """Seconds and tokens of the scores that were made, and the shares that came from the store and from the engine's
    prefix cache (null where the engine has none, or nothing was made)."""
    total = collected.stored + collected.fresh
    return {
        "seconds": round(collected.seconds, 3),
        "scores": total,
        "fresh": collected.fresh,
        "share_from_store": round(collected.stored / max(total, 1), 6),
        "tokens": collected.tokens,
        "share_from_prefix_cache": None if collected.share_cached is None else round(collected.share_cached, 6),
        "tokens_per_second": round(collected.tokens / max(collected.seconds, 1e-9), 1),
    }


def show(model: str, found: Summary, collected: Collected, console: Console) -> None:
    """Keep rates beside what guessing would keep, and the warning if there is one."""
    table = Table(title=f"{model}: what it knows")
    for heading in ("", "value"):
        table.add_column(heading)
    for heading in ("prompts", "kept", "keep rate", "guessing keeps", "right as asked"):
        table.add_column(heading, justify="right")
    _row(table, "all", "", found.overall)
    for column, groups in found.groups.items():
        table.add_section()
        for value, group in groups.items():
            _row(table, column, value, group)
    console.print(table)
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in found.dropped.items()) or "none"
    console.print(f"Dropped: {dropped}. First option chosen: {found.position_habit:.1%}.")
    figures = speed(collected)
    console.print(
        f"{figures['scores']:,} scores: {figures['share_from_store']:.1%} from the store, {figures['fresh']:,} made "
        f"in {figures['seconds']:,.1f} s ({figures['tokens_per_second']:,.0f} tokens/s)."
    )
    if found.warning:
        console.print(found.warning, style="bold red")


def _row(table: Table, column: str, value: str, group: Kept) -> None:
    table.add_row(
        column, value, f"{group.prompts:,}", f"{group.kept:,}", f"{group.keep_rate:.1%}", f"{group.guessing:.0%}",
        f"{group.accuracy:.1%}",
    )  # fmt: skip
