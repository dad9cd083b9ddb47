"""The README's numbers come from a build."""

import re
from pathlib import Path

import yaml

from syco_data import settings
from syco_data.commands import counting

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_counts_is_the_default_builds():
    default = settings.parse(yaml.safe_load((ROOT / "profiles" / "default.yaml").read_text(encoding="utf-8")))
    printed = re.search(r"<!-- counts:begin -->\n(.*?)\n<!-- counts:end -->", README, re.DOTALL)[1]
    assert printed == counting.markdown(counting.count(default))


def test_every_command_of_the_readme_exists():
    import typer.main

    from syco_data.__main__ import app

    commands = typer.main.get_command(app).commands
    named = set(re.findall(r"python -m syco_data ([a-z]+)", README))
    assert named and named <= set(commands)


def test_every_file_the_readme_names_exists():
    for name in re.findall(r"`((?:docs|profiles|requirements|stages|tests)/[\w./-]+)`", README):
        assert (ROOT / name).exists(), name
