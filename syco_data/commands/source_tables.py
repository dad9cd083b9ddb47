"""What the `sources` commands print: tables for 80 columns, text from data shown as it is and never as markup."""

from collections.abc import Sequence

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from syco_data.acquire.comparison import Comparison
from syco_data.commands import output
from syco_data.errors import printable
from syco_data.sources import PUBLISHED_POOL, SOURCES, Source

_MEANING = {
    "synthetic": "rows of our own in upstream's columns and label ids",
    "directory": "fewer rows than published are a sample",
    "hub": "row counts should be the published ones",
}


def print_records() -> None:
    """All 17 in short: two lines each, or three where the labels are long."""
    table = output.table("source", "Hub id, config; labels in claims", "inputs; licence", right=("inputs; licence",))
    for record in SOURCES.values():
        config = "" if record.config == "default" else f", {record.config}"
        labels = Text(", ".join(label.wording for label in record.labels), style="dim")
        where = Group(Text(f"{record.hub_id}{config}"), Padding(labels, (0, 0, 0, 2)))
        table.add_row(record.key, where, f"{record.unique_inputs:,}\n{record.licence}")
    output.show(
        table, Text(f"\n17 sources, {PUBLISHED_POOL:,} inputs as published; licences as their cards state them.")
    )
    output.show(Text("One record in full: python -m syco_data sources list KEY"))


def print_record(record: Source) -> None:
    """Everything that the record of one source holds."""
    facts = output.table("", "")
    facts.show_header = False
    for name, value in (
        ("source", record.key),
        ("Hub id, config", f"{record.hub_id}, {record.config}"),
        ("text", ", ".join(record.text_columns)),
        ("label", record.label_column),
        ("training split", f"{record.train}: {record.train_rows:,} rows, {record.unique_inputs:,} inputs as published"),
        ("held-out split", record.held_out),
        ("licence", record.licence),
        ("attribution", record.attribution),
    ):
        facts.add_row(name, value)
    labels = output.table("id", "name upstream", "in a claim: is ...", "is not ...")
    for number, label in enumerate(record.labels):
        labels.add_row(str(number), " or ".join(label.upstream), label.wording, label.after_not)
    output.show(facts, Text(), labels, Text())


def print_comparisons(comparisons: Sequence[Comparison], origin: str) -> None:
    """One line per source."""
    numbers = ("train", "published", "held out", "no label")
    table = output.table("source", *numbers, "labels", "record", right=numbers)
    for one in comparisons:
        counts = [f"{split.rows:,}" for split in one.counts] or ["-", "-"]
        unlabelled = f"{sum(split.unlabelled for split in one.counts):,}" if one.counts else "-"
        published = f"{one.source.train_rows:,}"
        train = Text(counts[0], style="" if counts[0] == published else "yellow")
        table.add_row(
            one.source.key, train, published, counts[1], unlabelled,
            _labels(one), "differs" if one.differs else "agrees",
        )  # fmt: skip
    output.show(Text(f"Records beside origin '{origin}': {_MEANING[origin]}\n"), table, Text())


def _labels(one: Comparison) -> str:
    if not one.statements:
        return "own" if one.counts and not one.findings else "-"
    return "differ" if any(not statement.agrees_with(one.source) for statement in one.statements) else "agree"


def print_details(one: Comparison) -> None:
    """One source: label names side by side, splits, and every difference."""
    heading = Text(f"{one.source.key}: {one.source.hub_id}, {one.source.config}", style="bold")
    heading.append(f" at {one.revision}" if one.revision else "")
    output.show(
        heading, *([Text(f"  {printable(one.error)}")] if one.error else [_label_table(one), _split_table(one)])
    )
    if one.findings:
        output.show(_finding_table(one))
    output.show(Text())


def _label_table(one: Comparison) -> Table:
    """The record's accepted names beside each different list of names that was found."""
    lists = {statement.names: statement.where for statement in reversed(one.statements)}
    places = [f"in {where}".replace("/", "/\n") for where in lists.values()]
    table = output.table("  id", "in claims", "record expects", *places)
    labels = one.source.labels
    for number in range(max([len(labels), *map(len, lists)])):
        label = labels[number] if number < len(labels) else None
        shown = [printable(names[number]) if number < len(names) else "(nothing)" for names in lists]
        cells = [
            name if label and name in label.upstream else Text(f"{name}  differs", style="bold red") for name in shown
        ]
        expected = " or ".join(label.upstream) if label else "(nothing)"
        table.add_row(f"  {number}", label.wording if label else "", expected, *cells)
    return table


def _split_table(one: Comparison) -> Table:
    numbers = ("rows", "published", "without label")
    table = output.table("  split", *numbers, right=numbers)
    published = (f"{one.source.train_rows:,}", "")
    for count, size in zip(one.counts, published, strict=True):
        table.add_row(f"  {count.split}", f"{count.rows:,}", size, f"{count.unlabelled:,}")
    return table


def _finding_table(one: Comparison) -> Table:
    table = output.table("  difference", "found", "expected")
    for finding in one.findings:
        table.add_row(*map(printable, (f"  {finding.what}", finding.found, finding.expected)))
    return table
