"""`profile list`, `profile use`, `profile diff`: ready-made variants of params.yaml.

The profile in use is named by a line of params.yaml itself, so that it belongs to a commit as the values do. Where that
line is missing, it is the profile from which the values differ least.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from syco_data import files, settings
from syco_data.commands import completion, output, own_changes, project
from syco_data.commands.own_changes import Change, shown
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings import editing
from syco_data.words import counted

app = typer.Typer(help="Ready-made variants of params.yaml: list them, use one, see what you changed.")
FOLDER = Path("profiles")
DEFAULT = "default"
_MARK = re.compile(r"^# Profile in use: (\S+)$", re.M)


def names() -> list[str]:
    stems = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if not stems:
        project.require()
        raise SycoError(f"there is no profile in {FOLDER}/", f"Bring them back: git checkout -- {FOLDER}")
    return stems


def _check_name(name: str) -> None:
    for needed in (DEFAULT, name):
        if needed not in names():
            raise SycoError(f"profile: {settings.unknown(needed, names())}")


def _file(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


def _text(name: str) -> str:
    """params.yaml as the profile alone would have it: the default profile's text with its values, comments kept."""
    text = editing.read(_file(DEFAULT)).plain
    if name != DEFAULT:
        changes = editing.read(_file(name)).plain
        for title, part in (("profile 'default'", text), (f"profile '{name}'", changes)):
            documents.parse_yaml(part, title)  # the editor knows no limits
        merged = editing.loaded(text, "profile 'default'")
        _merge(merged, editing.loaded(changes, f"profile '{name}'") or {})
        text = editing.dumped(merged)
    return _MARK.sub(f"# Profile in use: {name}", text, count=1)


def _merge(base: dict, changes: dict) -> None:
    """Mappings are merged key by key, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _values(name: str) -> Any:
    return documents.parse_yaml(_text(name), f"profile '{name}'")


def _own(name: str, values: Any) -> list[Change]:
    """What params.yaml changes against a profile."""
    return list(own_changes.between(_values(name), values))


def in_use(text: str, values: Any) -> str:
    """The profile that params.yaml names, or else the one from which its values differ least."""
    mark = _MARK.search(text)
    if mark and mark[1] in names():
        return mark[1]
    return min((DEFAULT, *names()), key=lambda name: len(_own(name, values)))


def _params() -> tuple[str, Any]:
    """Text and values of params.yaml."""
    project.require()
    text = editing.read(settings.PARAMS).plain
    return text, documents.parse_yaml(text, str(settings.PARAMS))


@app.command("list")
def list_profiles() -> None:
    """Lists every profile and what it is for; a star marks the one in use."""
    text, values = _params()
    used = in_use(text, values)
    table = output.table("", "profile", "what it is for")
    for name in names():
        first = files.read_text(_file(name), documents.LARGEST).split("\n")[0].strip()
        table.add_row("*" if name == used else "", name, first.removeprefix("# "))
    output.show(table)
    if own := len(_own(used, values)):
        typer.echo(f"* in use, with {counted(own, 'change')} of your own: profile diff")


@app.command("diff")
def diff(
    name: Annotated[
        str | None,
        typer.Argument(autocompletion=completion.profiles, help="A name from `profile list`; else the one in use."),
    ] = None,
) -> None:
    """Shows what params.yaml changes against the profile in use, or against another one."""
    text, values = _params()
    used = in_use(text, values)
    name = name or used
    _check_name(name)
    about = f"profile '{name}'{' (in use)' if name == used else ''}"
    changes = _own(name, values)
    if not changes:
        typer.echo(f"params.yaml has the values of {about}")
        return
    typer.echo(f"params.yaml against {about}: {counted(len(changes), 'change')}")
    _print(changes, name)


def _print(changes: Iterable[Change], name: str) -> None:
    table = output.table("key", "params.yaml", f"profile {name}")
    for change in changes:
        table.add_row(change.key, shown(change.after), shown(change.before))
    output.show(table)


@app.command("use")
def use(
    name: Annotated[str, typer.Argument(autocompletion=completion.profiles, help="A name from `profile list`.")],
    discard: Annotated[bool, typer.Option("--discard", help="Drop your own changes of params.yaml.")] = False,
) -> None:
    """Writes a profile's values into params.yaml; your own changes against the profile in use are kept and listed."""
    _check_name(name)
    try:
        before = editing.read(settings.PARAMS)
    except FileNotFoundError:
        before, discard = None, True
    used, own = _read(before.plain) if before and not discard else (DEFAULT, [])
    like = editing.loaded(before.plain, str(settings.PARAMS)) if before and own else {}
    plain = _with_changes(name, own, like)
    goal = documents.parse_yaml(plain, "params.yaml")
    try:
        settings.parse(goal)
    except SycoError as error:
        if not own:
            raise
        raise SycoError(
            f"profile '{name}' and your own changes ({', '.join(change.key for change in own)}) do not go together: "
            f"{error}",
            f"Correct params.yaml first, or drop them: profile use {name} --discard",
        ) from error
    editing.write(settings.PARAMS, _in_layout(before, None if discard else _with_changes(used, own, like), plain, goal))
    kept = list(own_changes.between(_values(name), goal))
    typer.echo(f"params.yaml now holds profile '{name}'{_kept_words(kept)}. Build it: dvc repro")
    if kept:
        _print(kept, name)
        typer.echo(f"Drop them: python -m syco_data profile use {name} --discard")


def _kept_words(kept: list[Change]) -> str:
    return f" and keeps {counted(len(kept), 'change')} of your own" if kept else ""


def _read(text: str) -> tuple[str, list[Change]]:
    """The profile in use and the user's own changes."""
    try:
        values = documents.parse_yaml(text, str(settings.PARAMS))
    except SycoError as error:
        raise SycoError(f"{error}", "Correct it, or drop what is yours in it: profile use NAME --discard") from error
    used = in_use(text, values)
    return used, _own(used, values)


def _with_changes(name: str, own: list[Change], like: Any) -> str:
    """A profile's text with the user's own changes, in the style that they have in `like`."""
    if not own:
        return _text(name)
    params = editing.loaded(_text(name), f"profile '{name}'")
    for change in own:
        own_changes.put(change, params, like)
    return editing.dumped(params)


def _in_layout(before: editing.Text | None, old: str | None, new: str, goal: Any) -> str:
    """The new text in the layout of the file at hand: only lines whose values change are written, comments stay.

    Without an `old` text, and where the comments cannot stay, it is the text of the profile.
    """
    if before is None:
        return new
    if old is not None:
        try:
            text = before.with_lines(editing.lines(old), editing.lines(new))
            if documents.parse_yaml(text.removeprefix(editing.BOM), "params.yaml") == goal:
                return text
        except SycoError:
            pass
        typer.echo("params.yaml was laid out anew: comments of your own in it are gone", err=True)
    return before.with_lines(before.lines, editing.lines(new))
