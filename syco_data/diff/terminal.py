"""A comparison in a terminal and as Markdown for a pull request."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.markup import escape as escape_markup
from rich.table import Table
from rich.text import Text

from syco_data.diff.records import Config, Counts, Diff, Shift
from syco_data.words import counted

MOST_LINES = 12
"""Lines of one list in a terminal or a pull request; the JSON has them all."""


def printable(text: str) -> str:
    """Text without what could steer a terminal: names and settings come from a release, which anyone may write."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def escape(text: str) -> str:
    return escape_markup(printable(text))


def headline(diff: Diff) -> str:
    """What came out, in one line."""
    sides = f"{diff.a.name} ({diff.a.version}) -> {diff.b.name} ({diff.b.version})"
    if diff.same:
        return f"{sides}: the same"
    rows = Counter()
    for config in diff.configs:
        if config.counts:
            rows.update(added=config.counts.added, removed=config.counts.removed, changed=config.counts.changed)
    if diff.level == "files":
        tables = sum(config.change != "same" for config in diff.configs)
        if not diff.files and not tables:
            return f"{sides}: no file differs; {_what_else(diff)}"
        files = counted(len(diff.files), "file")
        return f"{sides}: {files} and {counted(tables, 'table')} differ (rows were not compared)"
    if not rows.total():
        return f"{sides}: no row differs; {_what_else(diff)} ({diff.change})"
    counts = f"{counted(rows['added'], 'row')} added, {rows['removed']:,} removed, {rows['changed']:,} changed"
    return f"{sides}: {counts} ({diff.change})"


def _what_else(diff: Diff) -> str:
    own = [revision for revision in diff.revisions if revision.kind == "release"]
    others = [revision for revision in diff.revisions if revision.kind != "release"]
    parts = [("settings", diff.settings), ("revisions", others), ("files", diff.files)]
    counted = [f"{len(changes)} {name}" for name, changes in parts if changes]
    return ", ".join([*counted, *(f"the {_OWN.get(revision.name, revision.name)}" for revision in own)])


_OWN = {"change": "step", "previous": "release before it", "text": "extent of texts"}
"""What a release says of itself, in words."""


def unexplained(diff: Diff) -> int:
    """Rows that no rule could explain, over all tables."""
    return sum(cause.rows for config in diff.configs for cause in config.causes if cause.cause == "unexplained")


def warning(diff: Diff) -> str | None:
    rows = unexplained(diff)
    what = f"{counted(rows, 'row')} unexplained: neither their columns nor the manifests say why they differ"
    return what if rows else None


def show(diff: Diff, console: Console) -> None:
    """Prints the comparison."""
    console.print(Text(printable(headline(diff)), style="bold"), soft_wrap=True)
    if alarm := warning(diff):
        console.print(Text(alarm, style="bold white on red"))
    for part in _parts(diff):
        console.print(part)


def _parts(diff: Diff) -> Iterable[RenderableType]:
    if diff.settings or diff.revisions:
        words = [change.words for change in (*diff.settings, *diff.revisions)]
        yield Group(Text("\nSettings and revisions that differ", style="bold"), *_some(words))
    if diff.files and diff.level == "files":
        yield Group(Text("\nFiles", style="bold"), *_some([f"{file.change} {file.path}" for file in diff.files]))
    if any(config.change != "same" for config in diff.configs):
        yield Text("")
        yield _tables(diff)
    for config in diff.configs:
        if config.causes:
            yield Text("")
            yield _causes(config)
    if shifts := list(moved(diff)):
        yield Text("")
        yield _shifts(shifts)


def _some(words: list[str]) -> list[Text]:
    rest = len(words) - MOST_LINES
    shown = [Text(f"  {printable(line)}") for line in words[:MOST_LINES]]
    return shown if rest <= 0 else [*shown, Text(f"  and {rest} more (--json has them all)")]


def _tables(diff: Diff) -> Table:
    table = Table("table", title="Rows", title_justify="left")
    for heading in ("added", "removed", "changed", "unchanged" if diff.level == "rows" else "rows"):
        table.add_column(heading, justify="right")
    table.add_column("columns that differ", overflow="fold")
    for config in diff.configs:
        table.add_row(escape(name_of(config)), *numbers(config), escape(columns_of(config)))
    return table


def name_of(config: Config) -> str:
    return f"{config.config}/{config.split}"


def numbers(config: Config) -> list[str]:
    """Added, removed, changed, unchanged; at level files only what the manifests say."""
    if config.counts is None:
        rows = f"{_rows(config.rows_a)} -> {_rows(config.rows_b)} rows" if config.change != "same" else "same"
        return ["", "", "", rows]
    counts = config.counts
    return [f"{n:,}" for n in (counts.added, counts.removed, counts.changed, counts.unchanged)]


def _rows(rows: int | None) -> str:
    return "no" if rows is None else f"{rows:,}"


def columns_of(config: Config) -> str:
    parts = [f"{name} ({rows:,})" for name, rows in config.columns.items()]
    parts += [f"+{name}" for name in config.columns_added] + [f"-{name}" for name in config.columns_removed]
    return ", ".join(parts)


def _causes(config: Config) -> Table:
    table = Table(title=f"Why rows of {escape(name_of(config))} differ", title_justify="left")
    for heading, justify in (("rows", "right"), ("change", "left"), ("cause", "left"), ("in words", "left")):
        table.add_column(heading, justify=justify, overflow="fold")
    for cause in config.causes[:MOST_LINES]:
        style = "bold red" if cause.cause == "unexplained" else None
        table.add_row(f"{cause.rows:,}", cause.change, cause.cause, escape(cause.detail), style=style)
    if rest := config.causes[MOST_LINES:]:
        table.add_row(f"{sum(cause.rows for cause in rest):,}", "", f"{len(rest)} more", "--json has them all")
    for line in by_group(config):
        table.add_row("", "", "", escape(line), style="dim")
    return table


def by_group(config: Config) -> list[str]:
    """For each of source, label kind and truth, one line of the counts that differ."""
    lines = []
    for column in ("source", "label_kind", "truth"):
        groups = [group for group in config.groups if group.column == column and group.counts.differing]
        if groups:
            counts = ", ".join(f"{group.value} {short_counts(group.counts)}" for group in groups)
            lines.append(f"by {column.replace('_', ' ')}: {counts}")
    return lines


def short_counts(counts: Counts) -> str:
    parts = [("+", counts.added), ("-", counts.removed), ("~", counts.changed)]
    return " ".join(f"{sign}{rows:,}" for sign, rows in parts if rows)


def moved(diff: Diff) -> Iterable[tuple[Config, Shift]]:
    """Shares over all rows of a table that are not the same on both sides."""
    for config in diff.configs:
        for shift in config.shifts:
            if shift.of == "all" and shift.share_a != shift.share_b:
                yield config, shift


def _shifts(shifts: list[tuple[Config, Shift]]) -> Table:
    table = Table("table", "share", title="Shares that moved", title_justify="left")
    for heading in ("A", "B", "points"):
        table.add_column(heading, justify="right")
    for config, shift in shifts:
        table.add_row(escape(name_of(config)), shift.what, *shares(shift))
    return table


def shares(shift: Shift) -> list[str]:
    """Both shares in percent and their difference in points."""
    a, b = shift.share_a, shift.share_b
    points = "-" if a is None or b is None else f"{100 * (b - a):+.2f}"
    return [*("-" if share is None else f"{100 * share:.2f}%" for share in (a, b)), points]


def markdown(diff: Diff) -> str:
    """For a pull request: no text of a row, so that nothing in it needs more than its own escapes."""
    lines = [f"### Data: {_plain(headline(diff))}", ""]
    if alarm := warning(diff):
        lines += [f"> **{alarm}**", ""]
    lines += _list("Settings and revisions", [change.words for change in (*diff.settings, *diff.revisions)])
    if diff.level == "files":
        lines += _list("Files", [f"{file.change} {file.path}" for file in diff.files])
    rows = [
        [name_of(config), *numbers(config), columns_of(config)] for config in diff.configs if config.change != "same"
    ]
    lines += _grid(["table", "added", "removed", "changed", "unchanged", "columns that differ"], rows)
    for config in diff.configs:
        causes = [[f"{c.rows:,}", c.change, c.cause, c.detail] for c in config.causes]
        if causes:
            lines += ["<details>", f"<summary>Why rows of {_plain(name_of(config))} differ</summary>", ""]
            lines += _grid(["rows", "change", "cause", "in words"], causes)
            lines += [f"- {_plain(line)}" for line in by_group(config)] + ["", "</details>", ""]
    shifts = [[name_of(config), shift.what, *shares(shift)] for config, shift in moved(diff)]
    lines += _grid(["table", "share", "A", "B", "points"], shifts)
    return "\n".join(lines).rstrip() + "\n"


def _list(title: str, words: list[str]) -> list[str]:
    return [f"**{title}**", "", *(f"- {_plain(line)}" for line in words), ""] if words else []


def _grid(headings: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines] + [""]


def _plain(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    escaped = printable(" ".join(text.split()))
    for sign, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("-&gt;", "→")):
        escaped = escaped.replace(sign, code)
    for sign in "\\`*_[]|#!":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped
