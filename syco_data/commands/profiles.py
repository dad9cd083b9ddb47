"""`profile list`, `profile use`: ready-made variants of params.yaml."""

from pathlib import Path

import typer
import yaml

from syco_data import settings
from syco_data.errors import SycoError

app = typer.Typer(help="Ready-made variants of params.yaml.")
FOLDER = Path("profiles")


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@app.command("list")
def list_profiles() -> None:
    """Every profile and what it is for (the first line of its file)."""
    for name in names():
        first = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        typer.echo(f"{name:<12} {first.removeprefix('# ')}")


@app.command("use")
def use(name: str) -> None:
    """Writes a profile's values over params.yaml; keys it does not name return to the default profile's."""
    from ruamel.yaml import YAML

    for wanted in ("default", name):
        if wanted not in names():
            raise SycoError(f"profile: {settings.unknown(wanted, names())}")
    editor = YAML()
    editor.width, editor.preserve_quotes = 120, True
    merged = editor.load((FOLDER / "default.yaml").read_text(encoding="utf-8"))
    if name != "default":
        _merge(merged, editor.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) or {})
    with settings.PARAMS.open("w", encoding="utf-8") as out:
        editor.dump(merged, out)
    settings.parse(yaml.safe_load(settings.PARAMS.read_text(encoding="utf-8")))
    typer.echo(f"params.yaml now holds profile '{name}'. Build it: dvc repro")


def _merge(base: dict, changes: dict) -> None:
    """Mappings are merged key by key, except those whose keys are names of the user's choice."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict) and not value.pop("replace", False):
            _merge(base[key], value)
        else:
            base[key] = value
