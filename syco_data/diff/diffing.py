"""What changed between two releases, and why.

Two levels: `files` compares manifests alone and downloads no data; `rows` matches the rows of every table on stable
ids, compares them column by column and gives every row that differs one cause (`diff_causes`). Everything that a
row level reads has first been verified against the manifests, so equal digests stand for equal rows.
"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from syco_data.diff import attribution, changed_rows, endpoints, inheritance, matching, recipes, tallies
from syco_data.diff.attribution import Fates, Sides
from syco_data.diff.changed_rows import Changes
from syco_data.diff.endpoints import Side
from syco_data.diff.matching import OWN, SHARED, View
from syco_data.diff.recipes import Differences
from syco_data.diff.records import SCHEMA, Config, Diff, FileChange, Level, Revision, Step
from syco_data.diff.records import Side as SideRecord
from syco_data.errors import SycoError
from syco_data.release.manifest import CARD, File, Manifest, TableRecord

MEANING = ("answer", "completion", "right", "options", "truth", "text_id")
"""Columns of a kept row that say what it asks and what is right."""
CANDIDATES = "released/candidates"
TRANSLATED = {"verdicts", "released/dropped"}
"""Schemas whose rows know a prompt by an id that changes with its draws."""


@dataclass(frozen=True)
class Compared:
    """One table of both sides at level rows: the record, and the rows that differ with their causes."""

    record: Config
    changes: Changes


@dataclass(frozen=True)
class Comparison:
    """The report, and the rows behind it for examples and for `--rows`."""

    diff: Diff
    tables: list[Compared]


def diff_releases(a: str | Path, b: str | Path, level: Level = "rows") -> Diff:
    """What changed from release `a` to `b`: folders, OWNER/NAME@VERSION or git revisions of this project.

    Raises `SycoError` where a side cannot be found, read or verified.
    """
    with opened(str(a), str(b)) as sides:
        return compare(*sides, level).diff


@contextmanager
def opened(a: str, b: str) -> Iterator[tuple[Side, Side]]:
    """Both sides, with a workspace for what has to be fetched; files are readable inside the block."""
    with tempfile.TemporaryDirectory(prefix="syco-diff-") as folder:
        # A folder for each: two names may stand for one commit or version, and both sides are read at once.
        sides = (endpoints.open_side(a, Path(folder, "a")), endpoints.open_side(b, Path(folder, "b")))
        try:
            yield sides
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            # The head of a file was right, and what stands behind it is not.
            raise SycoError(f"{a} and {b} cannot be compared: {error}", endpoints.VERIFY) from error


def bump(previous: Path, new: Path) -> str:
    """The step of the version number from one release folder to the next: major | minor | patch | none.

    major: a row that both have asks or answers something else; minor: rows came or went; none: nothing but the
    card and the version differs.
    """
    compared = compare(endpoints.folder_side(previous), endpoints.folder_side(new), "rows")
    assert compared.diff.change is not None  # rows were compared
    return compared.diff.change


def compare(a: Side, b: Side, level: Level) -> Comparison:
    """Compares two opened sides."""
    differences = recipes.differences(a.manifest, b.manifest)
    tables = _rows(a, b, differences) if level == "rows" else []
    configs = [table.record for table in tables] if level == "rows" else list(_shallow(a.manifest, b.manifest))
    files = _files(a.manifest, b.manifest)
    step = _step(a, b, tables) if level == "rows" else None
    diff = Diff(
        schema=SCHEMA, level=level, a=_side(a), b=_side(b), same=a.identity == b.identity, change=step,
        settings=list(differences.settings), revisions=_revisions(a, b, differences, files),
        files=files, configs=configs,
    )  # fmt: skip
    return Comparison(diff, tables)


def _side(side: Side) -> SideRecord:
    release = side.manifest
    return SideRecord(name=side.name, version=release.version, manifest=side.identity, text=release.text)


def _revisions(a: Side, b: Side, differences: Differences, files: list[FileChange]) -> list[Revision]:
    """What differs beside the settings; two manifests that differ in nothing that can be named are named themselves."""
    if a.identity == b.identity or files or differences.settings or differences.revisions:
        return list(differences.revisions)
    return [recipes.other_bytes(a.identity, b.identity)]


def _step(a: Side, b: Side, tables: list[Compared]) -> Step:
    """major | minor | patch | none; see `bump`."""
    counts = [table.record.counts for table in tables if table.record.counts]
    if any(table.changes.differs(*MEANING).any() for table in tables):
        return "major"
    if any(count.added or count.removed for count in counts):
        return "minor"
    return "none" if _built_from(a.manifest) == _built_from(b.manifest) else "patch"


def _built_from(release: Manifest) -> dict:
    """The manifest without what only follows from the version number."""
    values = release.model_dump(by_alias=True, exclude={"version", "change", "previous"})
    values["files"] = [file for file in values["files"] if file["path"] != CARD]
    values["settings"] = {**values["settings"], "release": {**values["settings"].get("release", {}), "version": None}}
    return values


def _files(a: Manifest, b: Manifest) -> list[FileChange]:
    files_a, files_b = ({file.path: file for file in side.files} for side in (a, b))
    changes = []
    for path in sorted({*files_a, *files_b}):
        one, other = files_a.get(path), files_b.get(path)
        if one and other and one.sha256 == other.sha256:
            if one != other:
                what = f"{path} is the same file in {a.version} and {b.version}, and their manifests disagree on it"
                raise SycoError(what, endpoints.VERIFY)
            continue
        change = "added" if one is None else "removed" if other is None else "changed"
        bytes_a, bytes_b = (file.bytes if file else None for file in (one, other))
        changes.append(FileChange(path=path, change=change, bytes_a=bytes_a, bytes_b=bytes_b))
    return changes


@dataclass(frozen=True)
class _Pair:
    """The files of one config and split; at least one is there."""

    a: File | None
    b: File | None

    @property
    def any(self) -> File:
        present = self.b or self.a
        assert present is not None
        return present


def _pairs(a: Manifest, b: Manifest) -> list[_Pair]:
    """Every table, candidates first, then verdicts: the order in which one explains the next."""
    places = [{(file.as_table.config, file.as_table.split): file for file in side.tables} for side in (a, b)]
    pairs = [_Pair(places[0].get(place), places[1].get(place)) for place in sorted({*places[0], *places[1]})]
    order = {CANDIDATES: 0, "verdicts": 1, "released/probes": 2, "released/train": 3}
    return sorted(pairs, key=lambda pair: order.get(pair.any.as_table.schema_name, 4))


def _shallow(a: Manifest, b: Manifest) -> Iterator[Config]:
    """What the manifests alone say of each table."""
    for pair in _pairs(a, b):
        one, other = (file.as_table if file else None for file in (pair.a, pair.b))
        same = one is not None and other is not None and one.content == other.content
        yield tallies.record(one, other, "same" if same else "changed")


def _rows(a: Side, b: Side, differences: Differences) -> list[Compared]:
    pairs = _pairs(a.manifest, b.manifest)
    views = _open(a, b, pairs)
    walk = _Walk(a, b, differences, views)
    return [walk.table(pair) for pair in pairs]


def _open(a: Side, b: Side, pairs: list[_Pair]) -> dict[tuple[str, str], View]:
    """Views by side ("a", "b") and path, each file verified; both sides at once, as hashing leaves a core idle."""
    files = [(name, side, file) for pair in pairs for name, side, file in (("a", a, pair.a), ("b", b, pair.b)) if file]
    for side in (a, b):
        # The first file of a side fetches the others: once, not from two threads.
        for path in [file.path for _, owner, file in files if owner is side][:1]:
            side.locate(path)
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda item: item[1].open(item[2]), files))
    return {
        (name, file.path): View(side.name, path, table, SHARED if table.schema_name == CANDIDATES else OWN)
        for (name, side, file), path in zip(files, paths, strict=True)
        for table in [file.as_table]
    }


class _Walk:
    """Compares table after table; what became of the rows of one explains those of the next."""

    def __init__(self, a: Side, b: Side, differences: Differences, views: dict[tuple[str, str], View]) -> None:
        self._views, self._fates = views, Fates()
        dropped = [self._of_schema(side, "released/dropped") for side in "ab"]
        self._sides = Sides(a.manifest, b.manifest, differences, *dropped)
        self._candidates = {side: self._of_schema(side, CANDIDATES) for side in "ab"}
        self._manifests = (a.manifest, b.manifest)

    def _of_schema(self, side: str, schema: str) -> View | None:
        views = (view for (owner, _), view in self._views.items() if owner == side and view.table.schema_name == schema)
        return next(views, None)

    def table(self, pair: _Pair) -> Compared:
        a, b = (self._views[side, file.path] if file else None for side, file in (("a", pair.a), ("b", pair.b)))
        changes = self._changes(pair, a, b)
        described = changed_rows.described(changes, self._candidates)
        decided = self._decide(pair.any, changes, described["claim_id"].alias("id"))
        frame = changes.frame.hstack([*decided.get_columns(), *described.get_columns()])
        changes = Changes(changes.a, changes.b, changes.columns, frame)
        record = tallies.deep(a, b, changes, self._candidates)
        for view in (a, b):
            if view is not None and view not in self._candidates.values():
                view.forget()
        return Compared(record, changes)

    def _changes(self, pair: _Pair, a: View | None, b: View | None) -> Changes:
        if a is None or b is None or pair.a is None or pair.b is None:
            return changed_rows.one_sided(a, b)
        if a.table.schema_name != b.table.schema_name:
            kinds = f"'{a.table.schema_name}' on one side and '{b.table.schema_name}' on the other"
            place = f"{a.table.config}/{a.table.split}"
            raise SycoError(f"{place} is {kinds}: rows cannot be matched", "Compare the manifests alone: --level files")
        if pair.a.sha256 == pair.b.sha256:
            return changed_rows.unchanged(a, b)
        moved = None
        if a.table.schema_name in TRANSLATED and "prompt_id_a" in self._fates.claims.columns:
            ids = self._fates.claims.select("prompt_id_a", "prompt_id_b").drop_nulls()
            moved = ids.filter(pl.col("prompt_id_a") != pl.col("prompt_id_b"))
        withheld = [_withheld(release, view.table) for release, view in zip(self._manifests, (a, b), strict=True)]
        return changed_rows.of(matching.match(a, b, withheld[0] == withheld[1], moved))

    def _decide(self, file: File, changes: Changes, claim_ids: pl.Series) -> pl.DataFrame:
        """`cause` and `detail` of the rows that differ, given their claims; keeps what later tables ask for."""
        table, sides, fates = file.as_table, self._sides, self._fates
        if changes.frame.is_empty():
            return pl.DataFrame(schema={"cause": pl.String, "detail": pl.String})
        if changes.a is None or changes.b is None:
            return inheritance.one_sided(changes, sides)
        if table.schema_name == CANDIDATES:
            decided = attribution.candidates(changes, sides)
            fates.claims = attribution.claim_fates(changes, decided)
            return decided
        if table.schema_name == "verdicts":
            return self._decide_verdicts(table.config.removeprefix("verdicts-"), changes, claim_ids)
        if table.schema_name == "released/probes":
            decided = attribution.probes(changes, sides)
            fates.probes = pl.concat([_by_id(changes, decided, "probe_id", side) for side in "ab"]).unique("id")
            return decided
        if table.schema_name == "released/train" and table.split == "train":
            model, arm = _model_and_arm(table.config, sides)
            return inheritance.selected(changes, model, arm, claim_ids, sides, fates)
        if table.schema_name == "released/train":
            return inheritance.held_out(changes, sides, fates)
        return self._decide_dropped(changes, claim_ids)

    def _decide_verdicts(self, model: str, changes: Changes, ids: pl.Series) -> pl.DataFrame:
        decided = inheritance.verdicts(changes, ids, model, self._sides, self._fates)
        fate = decided.with_columns(id=ids, change=changes.frame["change"], known_differs=changes.differs("known"))
        self._fates.verdicts[model] = fate
        return decided

    def _decide_dropped(self, changes: Changes, claim_ids: pl.Series) -> pl.DataFrame:
        """Rows of every stage that drops; those of stage select belong to a model and an arm."""
        tags = changes.frame.select(order=pl.int_range(pl.len(), dtype=pl.UInt32)).with_columns(
            changes.either(name) for name in ("stage", "model", "arm")
        )
        decided = []
        for (stage, model, arm), part in tags.group_by("stage", "model", "arm", maintain_order=True):
            mine = Changes(changes.a, changes.b, changes.columns, changes.frame[part["order"]])
            if stage == "select":
                ids = claim_ids[part["order"]]
                causes = inheritance.selected(mine, model, arm, ids, self._sides, self._fates)
            else:
                causes = inheritance.dropped_rows(mine, stage, self._sides, self._fates)
            decided.append(causes.with_columns(order=part["order"]))
        return pl.concat(decided).sort("order").drop("order")


def _by_id(changes: Changes, decided: pl.DataFrame, name: str, side: str) -> pl.DataFrame:
    ids = changes.values(name)[f"{name}_{side}"].alias("id")
    return decided.with_columns(ids, changes.frame["change"]).filter(pl.col("id").is_not_null())


def _withheld(release: Manifest, table: TableRecord) -> set[str]:
    """Sources whose texts a table does not show; a restored one shows those of every source, whatever its licence."""
    if table.withheld_rows == 0:
        return set()
    return {
        name for name, record in release.sources.items() if release.text == "none" or record.get("release") == "no_text"
    }


def _model_and_arm(config: str, sides: Sides) -> tuple[str, str]:
    """The two names of `<model>-<arm>`; neither can hold a hyphen."""
    model, _, arm = config.partition("-")
    return model, arm
