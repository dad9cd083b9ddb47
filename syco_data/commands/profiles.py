"""`profile list`, `profile use`: ready-made variants of params.yaml."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data import files, settings
from syco_data.commands import completion, project
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings import editing

app = typer.Typer(help="Ready-made variants of params.yaml.")
FOLDER = Path("profiles")


def names() -> list[str]:
    found = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if not found:
        project.require()
        raise SycoError(f"there is no profile in {FOLDER}/", f"Bring them back: git checkout -- {FOLDER}")
    return found


@app.command("list")
def list_profiles() -> None:
    """Every profile and what it is for (the first line of its file)."""
    for name in names():
        first = files.read_text(_file(name), documents.LARGEST).split("\n")[0].rstrip()
        typer.echo(f"{name:<12} {first.removeprefix('# ')}")


def _file(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


@app.command("use")
def use(
    name: Annotated[str, typer.Argument(autocompletion=completion.profiles, help="A name from `profile list`.")],
) -> None:
    """Writes a profile's values over params.yaml; keys it does not name return to the default profile's."""
    for wanted in ("default", name):
        if wanted not in names():
            raise SycoError(f"profile: {settings.unknown(wanted, names())}")
    default = editing.read(_file("default"))
    merged = default.plain if name == "default" else _merged(default.plain, editing.read(_file(name)).plain)
    settings.parse(documents.parse_yaml(merged, f"profile '{name}'"))
    editing.write(settings.PARAMS, _in_form_of_params(editing.lines(merged), default))
    typer.echo(f"params.yaml now holds profile '{name}'. Build it: dvc repro")


def _in_form_of_params(lines: list[str], default: editing.Text) -> str:
    """The lines with the byte order mark and the line ends of params.yaml, or of the default profile without one."""
    try:
        before = editing.read(settings.PARAMS)
    except FileNotFoundError:
        before = default
    return before.with_lines(before.lines, lines)


def _merged(default: str, changes: str) -> str:
    """The default profile's text with the values of another one; comments stay."""
    for name, text in (("profile 'default'", default), ("the profile", changes)):
        documents.parse_yaml(text, name)  # the editor knows no limits
    merged = editing.loaded(default, "profile 'default'")
    _merge(merged, editing.loaded(changes, "the profile") or {})
    return editing.dumped(merged)


def _merge(base: dict, changes: dict) -> None:
    """Mappings are merged key by key, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
