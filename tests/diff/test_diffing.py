"""A comparison finds every difference and nothing else, gives each its cause, and is its own mirror image."""

import html
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import syco_data
from syco_data.diff import diffing, endpoints, exporting, html_page, terminal
from syco_data.diff.diffing import Comparison
from syco_data.diff.records import CAUSES, Diff
from syco_data.release import configs, manifest
from tests.support import planted
from tests.support.planted import PLANTS, TRAIN, VERDICT, World

CANDIDATES = (configs.CANDIDATES.config, configs.CANDIDATES.split)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted.world().save(tmp_path_factory.mktemp("base") / "release")


def compared(a: Path, b: Path) -> Comparison:
    return diffing.compare(endpoints.folder_side(a), endpoints.folder_side(b), "rows")


def found(comparison: Comparison, place: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """claim -> (change, cause) of one table."""
    table = next(t for t in comparison.tables if (t.record.config, t.record.split) == place)
    return {
        claim: (change, cause)
        for claim, change, cause in table.changes.frame.select("claim_id", "change", "cause").rows()
    }


@st.composite
def plantings(draw: st.DrawFn) -> dict[str, list[str]]:
    """Which claims get which plant: disjoint lists, some of them empty."""
    order = draw(st.permutations(planted.world().claims))
    sizes = draw(st.lists(st.integers(0, 4), min_size=len(PLANTS), max_size=len(PLANTS)))
    places = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return {plant.name: order[start:end] for plant, start, end in zip(PLANTS, places, places[1:], strict=False)}


def sown(targets: dict[str, list[str]]) -> World:
    result = planted.world()
    for plant in PLANTS:
        if targets[plant.name]:
            result = plant.sow(result, targets[plant.name])
    return result


@settings(max_examples=12)
@given(plantings())
def test_planted_changes_are_found_exactly_with_their_cause(base: Path, targets: dict[str, list[str]]) -> None:
    with TemporaryDirectory() as folder:
        there = compared(base, sown(targets).save(Path(folder) / "b"))
        back = compared(Path(folder) / "b", base)
    expected = {claim: (plant.change, plant.cause) for plant in PLANTS if plant.change for claim in targets[plant.name]}
    assert found(there, CANDIDATES) == expected
    in_arm = {claim: ("removed", plant.cause) for plant in PLANTS if not plant.change for claim in targets[plant.name]}
    blind = set(targets["row number"]) | set(targets["answer alone"])  # columns that training rows lack
    of_candidates = {claim: both for claim, both in expected.items() if claim not in blind}
    assert found(there, (TRAIN.config, TRAIN.split)) == of_candidates | in_arm
    judged = found(there, (VERDICT.config, VERDICT.split))
    assert {claim for claim, both in judged.items() if both == ("changed", "verdict")} == set(targets["verdict"])
    _mirrored(there, back)


def _mirrored(there: Comparison, back: Comparison) -> None:
    """Added and removed change places; nothing else does."""
    swap = {"added": "removed", "removed": "added", "changed": "changed", "same": "same"}
    for one, other in zip(there.diff.configs, back.diff.configs, strict=True):
        assert one.config == other.config and one.change == swap[other.change]
        assert (one.counts.added, one.counts.removed) == (other.counts.removed, other.counts.added)
        assert (one.counts.changed, one.counts.unchanged) == (other.counts.changed, other.counts.unchanged)
        assert one.columns == other.columns
        causes = [Counter({(c.cause, swap[c.change] if flip else c.change): 0 for c in side.causes})
                  for side, flip in ((one, False), (other, True))]  # fmt: skip
        for tally, side, flip in zip(causes, (one, other), (False, True), strict=True):
            for cause in side.causes:
                tally[cause.cause, swap[cause.change] if flip else cause.change] += cause.rows
        assert causes[0] == causes[1]
        assert [(s.what, s.of, s.share_a, s.share_b) for s in one.shifts] == [
            (s.what, s.of, s.share_b, s.share_a) for s in other.shifts
        ]
    assert [(s.key, s.a, s.b) for s in there.diff.settings] == [(s.key, s.b, s.a) for s in back.diff.settings]
    assert [(r.name, r.a, r.b) for r in there.diff.revisions] == [(r.name, r.b, r.a) for r in back.diff.revisions]


@settings(max_examples=12)
@given(plantings())
def test_a_release_is_the_same_as_itself(targets: dict[str, list[str]]) -> None:
    with TemporaryDirectory() as folder:
        release = sown(targets).save(Path(folder) / "r")
        again = sown(targets).save(Path(folder) / "again")
        for diff in (compared(release, release).diff, compared(release, again).diff):
            assert diff.same and diff.change == "none"
            assert not (diff.settings or diff.revisions or diff.files)
            assert all(config.change == "same" and config.counts.differing == 0 for config in diff.configs)
            assert sum(config.counts.unchanged for config in diff.configs) == sum(c.rows_a for c in diff.configs)


@settings(max_examples=12)
@given(plantings())
def test_every_row_has_one_cause_and_the_counts_add_up(base: Path, targets: dict[str, list[str]]) -> None:
    with TemporaryDirectory() as folder:
        comparison = compared(base, sown(targets).save(Path(folder) / "b"))
        file = Path(folder) / "rows.parquet"
        written = exporting.write_rows(comparison, file)
        rows = planted.rows_of(file)
    assert written == len(rows) == sum(config.counts.differing for config in comparison.diff.configs)
    assert {row["cause"] for row in rows} <= set(CAUSES)
    for config in comparison.diff.configs:
        counts = config.counts
        assert counts.removed + counts.changed + counts.unchanged == config.rows_a
        assert counts.added + counts.changed + counts.unchanged == config.rows_b
        assert sum(cause.rows for cause in config.causes) == counts.differing
        for column in {group.column for group in config.groups}:
            tallies = [group.counts for group in config.groups if group.column == column]
            assert sum(tally.differing for tally in tallies) == counts.differing
            assert sum(tally.unchanged for tally in tallies) == counts.unchanged
    for row in rows:
        assert (row["before"] is None) == (row["change"] == "added")
        assert (row["after"] is None) == (row["change"] == "removed")
        if row["change"] == "changed":
            assert list(row["before"]) == list(row["after"]) == row["columns"]
            assert all(row["before"][name] != row["after"][name] for name in row["columns"])


def one(base: Path, folder: Path, name: str, claims: int = 3) -> Diff:
    plant = next(plant for plant in PLANTS if plant.name == name)
    world = planted.world()
    return compared(base, plant.sow(world, world.claims[:claims]).save(folder / "b")).diff


def test_a_prompt_with_another_template_is_a_changed_row(base: Path, tmp_path: Path) -> None:
    diff = one(base, tmp_path, "template")
    candidates = diff.configs[0]
    assert (candidates.counts.added, candidates.counts.removed, candidates.counts.changed) == (0, 0, 3)
    assert set(candidates.columns) == {"prompt_id", "template", "prompt", "stripped_prompt", "text_id"}
    assert {cause.detail.split(" -> ")[1] for cause in candidates.causes} == {"editor"}


def test_a_verdict_names_the_commits_of_the_model(base: Path, tmp_path: Path) -> None:
    diff = one(base, tmp_path, "verdict")
    details = {cause.detail for config in diff.configs for cause in config.causes}
    assert details == {f"model tiny: reference {'0' * 12} -> reference {'1' * 12}"}
    keep = next(s for c in diff.configs for s in c.shifts if s.what == "keep rate" and s.of == "all")
    assert (keep.share_a, keep.share_b, keep.rows_b) == (1.0, 57 / 60, 60)


def test_another_filter_rule_is_named_where_the_scores_are_the_same(base: Path, tmp_path: Path) -> None:
    world = planted.world()
    lost = world.tables[VERDICT]["prompt_id"].sort()[:5]
    verdicts = world.tables[VERDICT].with_columns(known=~pl.col("prompt_id").is_in(lost.implode()))
    other = replace_settings(world.with_table(VERDICT, verdicts), "filter", {"rule": "margin"})
    before = replace_settings(world, "filter", {"rule": "answered"})
    diff = compared(before.save(tmp_path / "a"), other.save(tmp_path / "b")).diff
    verdict = next(config for config in diff.configs if config.config == VERDICT.config)
    assert [(c.cause, c.detail, c.rows) for c in verdict.causes] == [("verdict", "filter.rule: answered -> margin", 5)]


def replace_settings(world: World, group: str, values: dict) -> World:
    return replace(world, settings={**world.settings, group: values})


def test_withheld_texts_are_settings_only_and_no_other_meaning(base: Path, tmp_path: Path) -> None:
    silent = replace(planted.world(), withheld=planted.KEYS).with_setting("release", "text", "none")
    diff = compared(base, silent.save(tmp_path / "b")).diff
    causes = {cause.cause for config in diff.configs for cause in config.causes}
    assert causes == {"settings only"} and diff.change == "patch"
    assert set(diff.configs[0].columns) == {"claim", "prompt", "stripped_prompt"}


def test_text_free_releases_still_tell_a_new_text(tmp_path: Path) -> None:
    silent = replace(planted.world(), withheld=planted.KEYS)
    plant = next(plant for plant in PLANTS if plant.name == "template")
    changed = plant.sow(silent, silent.claims[:4])
    comparison = compared(silent.save(tmp_path / "a"), changed.save(tmp_path / "b"))
    assert found(comparison, CANDIDATES) == dict.fromkeys(silent.claims[:4], ("changed", "template"))
    differing = next(table.record.columns for table in comparison.tables if table.record.config == CANDIDATES[0])
    assert differing["prompt"] == differing["stripped_prompt"] == 4 and "claim" not in differing


def test_a_restored_release_differs_from_the_partial_one_in_its_texts(tmp_path: Path) -> None:
    partial = replace(planted.world(), withheld=planted.KEYS[:2])
    sides = [partial.save(tmp_path / "a"), planted.world().save(tmp_path / "b")]
    # As `restore` leaves it: all texts are there, and the licences are those that the release was built with.
    edited(
        sides[1], lambda values: values.update(sources=json.loads((sides[0] / manifest.NAME).read_text())["sources"])
    )
    for a, b in (sides, sides[::-1]):
        comparison = compared(a, b)
        candidates = comparison.diff.configs[0]
        hidden = 2 * planted.EACH
        assert candidates.counts.changed == hidden and comparison.diff.change == "patch"
        assert candidates.columns == dict.fromkeys(("claim", "prompt", "stripped_prompt"), hidden)
        assert {cause.cause for config in comparison.diff.configs for cause in config.causes} == {"settings only"}
        assert "release text" in " ".join(revision.words for revision in comparison.diff.revisions)


def edited(release: Path, change: Callable[[dict], object]) -> Path:
    """The release with another manifest."""
    values = json.loads((release / manifest.NAME).read_text())
    change(values)
    (release / manifest.NAME).write_text(json.dumps(values))
    return release


FIELDS = ("device", "engine", "dtype", "version", "path", "style", "scoring", "tokenizer")
EDITS = [
    *((f"model tiny {name}", lambda values, name=name: values["models"]["tiny"].update({name: "x"}))
      for name in FIELDS),
    ("model tiny", lambda values: values["models"]["tiny"].update(revision="x")),
    ("model tiny revision", lambda values: values["models"]["tiny"].pop("revision")),
    ("source trec licence of upstream", lambda values: values["sources"]["trec"].update(licence="mit")),
    ("source trec attribution", lambda values: values["sources"]["trec"].update(attribution="them")),
    ("source trec splits", lambda values: values["sources"]["trec"].update(splits=[{"rows": 3}])),
    ("source trec revision", lambda values: values["sources"]["trec"].pop("revision")),
    ("source trec licence", lambda values: values["sources"]["trec"].update(release="no_text")),
    ("source trec origin", lambda values: values["sources"]["trec"].update(origin="hub")),
    ("commit program dirty", lambda values: values["git"].update(dirty=None)),
    ("release version", lambda values: values.update(version="1.0.1")),
    ("release change", lambda values: values.update(change="none")),
    ("release text", lambda values: values.update(text="partial")),
    ("release previous", lambda values: values.update(previous={"version": "0.1.0", "manifest": "a" * 64})),
    ("release manifest", lambda values: None),
    ("seed", lambda values: values["settings"].update(seed="0")),
    ("new", lambda values: values["settings"].update(new=None)),
]  # fmt: skip


@pytest.mark.parametrize(("named", "change"), EDITS, ids=[named for named, _ in EDITS])
def test_whatever_differs_between_two_manifests_is_named(
    base: Path, tmp_path: Path, named: str, change: Callable
) -> None:
    other = edited(planted.world().save(tmp_path / "b"), change)
    for level in ("files", "rows"):
        for sides in ((base, other), (other, base)):
            diff = syco_data.diff_releases(*sides, level=level)
            words = [item.words for item in (*diff.settings, *diff.revisions)]
            assert not diff.same and len(words) == 1 and words[0].startswith(f"{named}: ")
            before, after = words[0].removeprefix(f"{named}: ").split(" -> ")
            assert before != after
            shown = io.StringIO()
            terminal.show(diff, Console(file=shown, width=200))
            page, plain = html.unescape(html_page.render(diff)), terminal.markdown(diff).replace("\\", "")
            assert words[0] in shown.getvalue() and json.dumps(words[0]) in diff.to_json()
            assert named in page and after in page and words[0].replace("->", "→") in plain
            assert ": the same" not in terminal.headline(diff) and "; (" not in terminal.headline(diff)


def test_a_verdict_names_the_device_and_engine_of_its_model(base: Path, tmp_path: Path) -> None:
    world = planted.world()
    verdicts = world.tables[VERDICT].with_columns(logprob_a=pl.lit(-0.25))
    for name, device in (("a", "cpu"), ("b", "cuda")):
        models = {planted.MODEL: {**world.models[planted.MODEL], "device": device}}
        replace(world if name == "a" else world.with_table(VERDICT, verdicts), models=models).save(tmp_path / name)
    diff = compared(tmp_path / "a", tmp_path / "b").diff
    causes = {(cause.cause, cause.detail) for config in diff.configs for cause in config.causes}
    assert causes == {("verdict", "model tiny device: cpu -> cuda")}


def test_lists_of_numbers_are_compared_item_by_item(tmp_path: Path) -> None:
    world, folders = planted.world(), []
    for name, last in (("a", None), ("b", -2.0)):
        rows = world.tables[VERDICT]
        scores = [[-0.5, -1.0, last if number < 3 else None] for number in range(len(rows))]
        rows = rows.with_columns(label_logprobs=pl.Series(scores, dtype=pl.List(pl.Float64)))
        folders.append(world.with_table(VERDICT, rows).save(tmp_path / name))
    diff = diffing.diff_releases(*folders)
    verdict = next(config for config in diff.configs if config.config == VERDICT.config)
    assert verdict.columns == {"label_logprobs": 3} and verdict.counts.changed == 3
    assert {cause.cause for cause in verdict.causes} == {"verdict"}


def test_a_text_that_both_sides_withhold_is_told_where_one_withholds_more(tmp_path: Path) -> None:
    silent = replace(planted.world(), withheld=planted.KEYS[:1])
    plant = next(plant for plant in PLANTS if plant.name == "template")
    changed = replace(plant.sow(silent, silent.claims), withheld=planted.KEYS)
    comparison = compared(silent.save(tmp_path / "a"), changed.save(tmp_path / "b"))
    table = next(table for table in comparison.tables if table.record.config == CANDIDATES[0])
    assert table.record.columns["stripped_prompt"] == len(silent.claims)


def test_a_rewritten_template_is_the_cause_where_its_name_stays(base: Path, tmp_path: Path) -> None:
    world = planted.world()
    mine = pl.col("template") == "plain"
    for place in (configs.CANDIDATES, TRAIN):
        table = world.tables[place]
        texts = [n for n in ("prompt", "stripped_prompt") if n in table.columns]
        changed = [pl.when(mine).then(pl.col(name) + "\n").otherwise(pl.col(name)).alias(name) for name in texts]
        world = world.with_table(place, table.with_columns(changed))
    world = replace(world, templates={**world.templates, "plain": "f" * 32})
    diff = compared(base, world.save(tmp_path / "b")).diff
    assert diff.change == "major"
    assert {(c.cause, c.detail) for config in diff.configs for c in config.causes} == {
        ("template", "template plain rewritten")
    }
    rows = int((planted.world().tables[configs.CANDIDATES]["template"] == "plain").sum())
    assert diff.configs[0].counts.changed == rows


def test_a_table_on_one_side_is_all_added(base: Path, tmp_path: Path) -> None:
    world = planted.world().with_setting("build", "arms", [])
    tables = {place: df for place, df in world.tables.items() if place != TRAIN}
    diff = compared(replace(world, tables=tables).save(tmp_path / "a"), base).diff
    arm = next(config for config in diff.configs if config.config == TRAIN.config)
    assert arm.change == "added" and arm.counts.added == 60 and diff.change == "minor"
    assert [(cause.cause, cause.detail) for cause in arm.causes] == [("settings only", "build.arms: [] -> [balanced]")]


@pytest.mark.parametrize(("name", "step"), [
    ("template", "major"), ("gold label", "major"), ("persona", "major"), ("answer alone", "major"),
    ("not sampled", "minor"), ("row gone upstream", "minor"), ("balance", "minor"), ("row number", "patch"),
])  # fmt: skip
def test_the_step_of_the_version_follows_from_the_change(base: Path, tmp_path: Path, name: str, step: str) -> None:
    plant = next(plant for plant in PLANTS if plant.name == name)
    other = plant.sow(planted.world(), planted.world().claims[:2]).save(tmp_path / "b")
    assert diffing.bump(base, other) == step
    if step == "minor":
        assert diffing.bump(other, base) == step


def test_a_card_and_a_version_alone_are_not_a_step(base: Path, tmp_path: Path) -> None:
    carded = replace(planted.world(), files={"README.md": "another card"}).save(tmp_path / "b", "1.0.1")
    assert diffing.bump(base, carded) == "none"
    assert not compared(base, carded).diff.same
    report = replace(planted.world(), files={"reports/checks.json": "{}"}).save(tmp_path / "c")
    assert diffing.bump(base, report) == "patch"


def test_files_alone_are_compared_without_opening_a_table(base: Path, tmp_path: Path) -> None:
    plant = next(plant for plant in PLANTS if plant.name == "not sampled")
    other = plant.sow(planted.world(), planted.world().claims[:2]).save(tmp_path / "b")
    for path in other.rglob("*.parquet"):
        path.unlink()
    diff = syco_data.diff_releases(base, other, level="files")
    assert not diff.same and diff.change is None
    assert {(c.config, c.rows_a, c.rows_b) for c in diff.configs if c.change == "changed"} == {
        ("candidates", 60, 58), (VERDICT.config, 60, 58), (TRAIN.config, 60, 58), ("dropped", 0, 2)
    }  # fmt: skip
    assert [setting.words for setting in diff.settings] == ["prompts.rows: 60 -> 40"]


def test_a_release_without_reasons_falls_back_on_the_settings(base: Path, tmp_path: Path) -> None:
    plant = next(plant for plant in PLANTS if plant.name == "not sampled")
    sown_ = plant.sow(planted.world(), planted.world().claims[:2])
    tables = {place: df for place, df in sown_.tables.items() if place != configs.DROPPED}
    comparison = compared(base, replace(sown_, tables=tables).save(tmp_path / "b"))
    assert found(comparison, CANDIDATES) == dict.fromkeys(planted.world().claims[:2], ("removed", "sampling"))


def test_rows_of_a_source_that_one_side_lacks_are_settings_only(base: Path, tmp_path: Path) -> None:
    world = planted.world()
    mine = world.tables[configs.CANDIDATES].filter(pl.col("source") == "trec")["claim_id"]
    fewer = planted.without(world, list(mine))
    digests = {key: value for key, value in world.digests.items() if key != "trec"}
    comparison = compared(base, replace(fewer, digests=digests).save(tmp_path / "b"))
    assert found(comparison, CANDIDATES) == dict.fromkeys(mine, ("removed", "settings only"))
