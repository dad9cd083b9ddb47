"""What a comparison looks like: terminal, Markdown, JSON; text of a release can steer none of them."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from syco_data.diff import diffing, endpoints, exporting, terminal
from syco_data.diff.records import CAUSES, Config, Diff
from syco_data.schemas import CHANGES
from tests.support import planted
from tests.support.planted import PLANTS

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "diff.md"


@pytest.fixture(scope="module")
def diff(tmp_path_factory: pytest.TempPathFactory) -> Diff:
    """Every plant at once, a hostile setting and a hostile template name."""
    folder = tmp_path_factory.mktemp("report")
    world = planted.world()
    for i, plant in enumerate(PLANTS):
        world = plant.sow(world, planted.world().claims[3 * i : 3 * i + 3])
    world = world.with_setting("prompts", "cap", "\x1b[2J|<img src=x onerror=alert(1)>[bold]`x`")
    sides = [planted.world().save(folder / "a"), world.save(folder / "b")]
    compared = diffing.compare(*(endpoints.folder_side(side) for side in sides), "rows")
    return exporting.with_examples(compared, 2).diff


def shown(diff: Diff) -> str:
    out = io.StringIO()
    terminal.show(diff, Console(file=out, width=160, force_terminal=False))
    return out.getvalue()


def test_the_terminal_shows_counts_causes_and_settings(diff: Diff) -> None:
    text = shown(diff)
    assert text.splitlines()[0] == terminal.headline(diff)
    for cause in {cause.cause for config in diff.configs for cause in config.causes}:
        assert cause in text
    assert "claims.double_negatives: clean -> published" in text
    assert "candidates/train" in text and "keep rate" in text


def test_nothing_unexplained_is_shown_quietly(diff: Diff) -> None:
    assert terminal.unexplained(diff) == 3
    assert "3 rows unexplained" in shown(diff) and "**3 rows unexplained" in terminal.markdown(diff)


def test_text_of_a_release_steers_no_terminal(diff: Diff) -> None:
    text = shown(diff)
    assert "\x1b" not in text and "[bold]`x`" in text


def test_markdown_holds_no_markup_of_the_release(diff: Diff) -> None:
    text = terminal.markdown(diff)
    assert "<img" not in text and "&lt;img src=x onerror=alert(1)&gt;" in text and "\x1b" not in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert set(widths) <= {5, 6, 7}  # a bar in a cell would make a column
    assert set(re.findall(r"<(\w+)", text)) == {"details", "summary"}


def test_json_reads_back_and_is_documented(diff: Diff) -> None:
    assert Diff.model_validate_json(diff.to_json()) == diff
    assert json.loads(diff.to_json())["schema"] == 1
    documented = SCHEMA.read_text(encoding="utf-8")
    schema = Diff.model_json_schema(by_alias=True)
    for record in (schema, *schema["$defs"].values()):
        for field in record.get("properties", {}):
            assert f"`{field}`" in documented, field
    for word in (*CAUSES, *CHANGES.names):
        assert f"`{word}`" in documented, word


def test_examples_are_few_and_from_every_cause(diff: Diff) -> None:
    for config in diff.configs:
        kinds = {(cause.cause, cause.change) for cause in config.causes}
        assert {(example.cause, example.change) for example in config.examples} == kinds
        assert len(config.examples) <= 2 * len(kinds)
        assert all(example.cells for example in config.examples)


def test_the_same_is_one_line(tmp_path: Path) -> None:
    folder = planted.world().save(tmp_path / "a")
    same = diffing.diff_releases(folder, folder)
    assert shown(same).strip().splitlines()[0].endswith(": the same")
    alone = replace(planted.world(), files={"notes.txt": "x"}).save(tmp_path / "b")
    assert terminal.headline(diffing.diff_releases(folder, alone)).endswith(": no row differs; 1 files (patch)")


def test_columns_that_one_side_lacks_are_named(diff: Diff) -> None:
    config: Config = diff.configs[0].model_copy(update={"columns_added": ["new"], "columns_removed": ["old"]})
    assert terminal.columns_of(config).endswith("+new, -old")
