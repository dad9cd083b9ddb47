"""What a filtration leaves to be read: metrics and plots for DVC, and tables for the terminal."""

from dataclasses import asdict
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from syco_data import files
from syco_data.engines.scoring import Collected
from syco_data.filter.purity import Purity
from syco_data.filter.summary import Kept, Summary, histogram
from syco_data.filter.verdicts import Decided
from syco_data.settings import Filter


def write(folder: Path, figures: Summary, decided: Decided, collected: Collected, settings: Filter) -> None:
    """Into `folder`: metrics.json, the headline figures; details.json, all others; speed.json, which differs from run
    to run; margins.csv and keep_rates.csv for `dvc plots`."""
    files.write_json(folder / "metrics.json", headline(figures), indent=2)
    files.write_json(folder / "details.json", details(figures, decided, collected, settings), indent=2)
    files.write_json(folder / "speed.json", speed(collected), indent=2)
    files.write(folder / "margins.csv", histogram(decided.table).write_csv())
    rates = [{"source": name, **_flat(group)} for name, group in figures.groups["source"].items()]
    files.write(folder / "keep_rates.csv", pl.DataFrame(rates).write_csv())


def headline(figures: Summary) -> dict[str, float | None]:
    """Shares, but for the two counts; those of the calibrated margins where there are any."""
    habits = {"": figures.habits, "calibrated_": figures.calibrated}
    biases = {f"{kind}position_bias": each.position_bias for kind, each in habits.items() if each}
    agreements = {f"{kind}agreement": each.agreement for kind, each in habits.items() if each}
    return {**_flat(figures.overall), **biases, **agreements}


def _flat(group: Kept) -> dict[str, float | None]:
    pure = group.purity
    return {
        "prompts": group.prompts, "kept": group.kept, "keep_rate": group.keep_rate, "guessing": group.guessing,
        "accuracy": group.accuracy,
        **({} if group.calibrated_accuracy is None else {"calibrated_accuracy": group.calibrated_accuracy}),
        "purity": pure.value if pure else None, "purity_low": pure.low if pure else None,
        "purity_high": pure.high if pure else None,
    }  # fmt: skip


def details(figures: Summary, decided: Decided, collected: Collected, settings: Filter) -> dict[str, object]:
    """How it was asked, what was dropped, which cells calibrated how many rows, and every group."""
    asking = ("ask", "calibrate", "rule", "purity", "cell_rows")
    return {
        **{name: getattr(settings, name) for name in asking},
        "unsure": decided.unsure, "least_margins": decided.least,
        "median_margin": figures.median_margin, "chance_band": figures.chance_band,
        "dropped": figures.dropped, "rows_calibrated_by": decided.cells,
        "scoring_modes": dict(collected.scores.group_by("path").len().sort("path").iter_rows()),
        "groups": {
            column: {value: asdict(group) for value, group in groups.items()}
            for column, groups in figures.groups.items()
        },
    }  # fmt: skip


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


def show(
    model: str, figures: Summary, decided: Decided, collected: Collected, settings: Filter, console: Console
) -> None:
    """Keep rates beside what guessing would keep, purity, habits, and the warning if there is one."""
    table = Table(title=f"{model}: what it knows")
    for heading in ("", "value"):
        table.add_column(heading)
    for heading in ("prompts", "kept", "rate", "by guessing", "right", "calibrated", "purity"):
        table.add_column(heading, justify="right")
    table.add_row("all", "", *_cells(figures.overall))
    for column, groups in figures.groups.items():
        table.add_section()
        for value, group in groups.items():
            table.add_row(column, value, *_cells(group))
    console.print(table)
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in figures.dropped.items()) or "none"
    console.print(f"Dropped: {dropped}. {habits(figures)}")
    if decided.unsure > settings.unsure:
        console.print(
            f"Margins of this model come in steps of {decided.unsure:g} nats: a smaller one is not an answer "
            f"(filter.unsure: {settings.unsure:g})."
        )
    if decided.cells:
        console.print(f"Rows calibrated by the mean of: {_listed(decided.cells)}.")
    pace = speed(collected)
    console.print(
        f"{pace['scores']:,} scores: {pace['share_from_store']:.1%} from the store, {pace['fresh']:,} made "
        f"in {pace['seconds']:,.1f} s ({pace['tokens_per_second']:,.0f} tokens/s)."
    )
    if figures.warning:
        console.print(figures.warning, style="bold red")


def habits(figures: Summary) -> str:
    """In a sentence."""
    before, after = figures.habits, figures.calibrated
    biases, agreements = f"{before.position_bias:.1%}", f"{before.agreement:.1%}"
    if after is not None:
        biases += f", calibrated {after.position_bias:.1%}"
        agreements += f", calibrated {after.agreement:.1%}"
    return f"First option chosen: {biases}. Agreed: {agreements}."


def _listed(cells: dict[str, int]) -> str:
    return "; ".join(f"{cell} ({count:,})" for cell, count in cells.items())


def _cells(group: Kept) -> tuple[str, ...]:
    calibrated = "" if group.calibrated_accuracy is None else f"{group.calibrated_accuracy:.1%}"
    return (
        f"{group.prompts:,}", f"{group.kept:,}", f"{group.keep_rate:.1%}", f"{group.guessing:.0%}",
        f"{group.accuracy:.1%}", calibrated, interval(group.purity),
    )  # fmt: skip


def interval(pure: Purity | None) -> str:
    """A purity with its interval, for people."""
    return "" if pure is None else f"{pure.value:.0%} ({100 * pure.low:.0f} to {100 * pure.high:.0f})"
