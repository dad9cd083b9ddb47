"""The README's numbers come from a build."""

import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from syco_data import settings
from syco_data.commands import counting, preview

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_counts_is_the_default_builds():
    default = settings.parse(yaml.safe_load((ROOT / "profiles" / "default.yaml").read_text(encoding="utf-8")))
    printed = re.search(r"<!-- counts:begin -->\n(.*?)\n<!-- counts:end -->", README, re.DOTALL)[1]
    assert printed == counting.markdown(counting.count(default))


def test_the_row_is_one_of_the_default_build():
    default = settings.parse(yaml.safe_load((ROOT / "profiles" / "default.yaml").read_text(encoding="utf-8")))
    shown = re.search(r"<!-- row:begin -->\n```text\n(.*?)\n```\n<!-- row:end -->", README, re.DOTALL)[1]
    rows = preview._rows(default, ("trec",), 235).filter(~pl.col("user_is_right"), "truth")
    assert shown in (rows["prompt"] + " " + rows["answer"]).to_list()


def test_every_command_of_the_readme_exists():
    import typer.main

    from syco_data.__main__ import app

    commands = typer.main.get_command(app).commands
    named = set(re.findall(r"python -m syco_data ([a-z]+)", README))
    assert named and named <= set(commands)


def test_every_file_the_readme_names_exists():
    named = re.findall(r"`((?:docs|profiles|requirements|stages|tests)/[\w./-]+)`", README)
    linked = re.findall(r"\]\(([\w./-]+)[#)]", README)
    assert len(linked) > 10
    for name in (*named, *linked):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_every_link_of_a_page_leads_somewhere(page):
    for name, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), name
        if anchor:
            assert anchor in anchors(target), f"{name}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked."""
    heads = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
