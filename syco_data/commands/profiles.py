"""`profile list`, `profile use`: ready-made variants of params.yaml."""

import io
from pathlib import Path

import typer
import yaml

from syco_data import settings
from syco_data.editing import layout_keeper
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
    for wanted in ("default", name):
        if wanted not in names():
            raise SycoError(f"profile: {settings.unknown(wanted, names())}")
    text = (FOLDER / "default.yaml").read_text(encoding="utf-8")
    merged = text if name == "default" else _merged(text, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    settings.parse(yaml.safe_load(merged))
    settings.PARAMS.write_text(merged, encoding="utf-8")
    typer.echo(f"params.yaml now holds profile '{name}'. Build it: dvc repro")


def _merged(default: str, changes: str) -> str:
    """The default profile's text with the values of another one; comments stay."""
    editor, out = layout_keeper(), io.StringIO()
    merged = editor.load(default)
    _merge(merged, editor.load(changes) or {})
    editor.dump(merged, out)
    return out.getvalue()


def _merge(base: dict, changes: dict) -> None:
    """Mappings are merged key by key, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
