"""`models list`, `models check`, `models import`, `models add`, `models lock`."""

from pathlib import Path
from typing import Annotated

import typer

from syco_data import settings
from syco_data.commands import completion, limits, output, project
from syco_data.commands.limits import TimeLimit
from syco_data.commands.lock import DryRun, run
from syco_data.engines import architectures, gguf_files, model_files, models
from syco_data.engines.tokenizer import Tokenizer
from syco_data.errors import SycoError
from syco_data.settings.editing import editing
from syco_data.words import counted

app = typer.Typer(help="The models that training sets are built for: list, check, add them, pin their revisions.")
Names = Annotated[
    list[str] | None,
    typer.Argument(
        autocompletion=completion.models, metavar="[NAME]...", help="Models by name; all where none is named."
    ),
]


@app.command("list")
def list_models() -> None:
    """Lists every record of `models:` in params.yaml."""
    settings = project.load()
    table = output.table("name", "source", "revision", "prompt style", "dtype", "in the build")
    for name, record in settings.models.items():
        built = "yes" if name in settings.build.models else "no"
        table.add_row(name, record.source, record.revision or "-", record.prompt_style, record.dtype, built)
    output.show(table)


@app.command("check")
def check(context: typer.Context, names: Names = None, time_limit: TimeLimit = None) -> None:
    """Fetches each model that is on the Hub, and checks that its folder is complete.

    Every tensor of its architecture is there and no other, and its tokenizer and chat template work.
    """
    settings = project.load()
    limits.start(context, time_limit, settings.hub.total)
    for name in names or settings.models:
        model = models.open(name, settings)
        unchecked = _check(name, model.folder, model.style)
        what = "commit" if models.named(name, settings).is_on_hub else "digest of weights and configuration"
        typer.echo(
            f"{name}: complete; {what} {model.commit}, prompt style {model.style}, dtype {_dtype(name, model)}, "
            f"longest text {counted(model.positions, 'token') if model.positions else 'not stated'}"
            f"{_origin(model.folder)}{unchecked}"
        )


def _dtype(name: str, model: models.ResolvedModel) -> str:
    """The record's dtype; what `auto` becomes is stated by the model's configuration."""
    if model.dtype != "auto":
        return model.dtype
    config = model_files.read_json(models.label(name), model.folder / "config.json")
    return f"auto ({config.get('dtype') or config.get('torch_dtype') or 'as its weights are kept'})"


def _origin(folder: Path) -> str:
    record = gguf_files.read_record(folder)
    return f"; {record}" if record else ""


def _check(name: str, folder: Path, style: str) -> str:
    """Checks what needs the libraries of models, and says where answers stand; or that it could not be checked."""
    if not architectures.can_check():
        return (
            ". Not checked: whether the tensors are its architecture's, its tokenizer and its chat template. They need "
            "torch and transformers: pip install '.[models]'"
        )
    architectures.check(models.label(name), folder)
    return "; " + Tokenizer(folder, style).check()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(**project.FILE, help="A GGUF file.")],
    to: Annotated[
        Path, typer.Option("--to", **project.FOLDER, help="The model folder: new, empty, or imported before.")
    ],
    dtype: Annotated[
        str, typer.Option(help="float32 (exact for every quantisation), bfloat16 or float16.")
    ] = "float32",
) -> None:
    """Makes a model folder of a GGUF file: safetensors, tokenizer, chat template, generation config."""
    typer.echo(f"{to}: {gguf_files.import_model(file, to, dtype)}. Add it: syco-data models add NAME {to}")


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Letters, digits and _: the name of its folders and stages.")],
    source: Annotated[
        str,
        typer.Argument(**project.NAMED, metavar="SOURCE", help="A local folder or a Hub id (OWNER/NAME)."),
    ],
    revision: Annotated[str | None, typer.Option(help="Hub only: a commit, branch or tag; main by default.")] = None,
    prompt_style: Annotated[str, typer.Option(help="plain, chat or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")] = "auto",
    only: Annotated[bool, typer.Option("--only", help="Build for this model alone.")] = False,
    time_limit: TimeLimit = None,
) -> None:
    """Adds a model to params.yaml and to what is built: a complete folder, or a Hub revision pinned to its commit."""
    chosen = project.load()
    limits.start(context, time_limit, chosen.hub.total)
    if name in chosen.models:
        raise SycoError(f"model '{name}' is in params.yaml already", "Choose another name, or edit the record")
    record = {"source": source, "revision": revision, "prompt_style": prompt_style, "dtype": dtype}
    unchecked = ""
    with editing() as params:
        params["models"].insert(0, name, record)  # first: the blank line after the last one stays there
        if only:
            params["build"]["models"].clear()
        params["build"]["models"].append(name)
        checked = models.named(name, settings.parse(params))
        if checked.is_on_hub:
            commit = models.latest_commit(name, models.on_hub(name, checked), chosen.hub)
            record["revision"] = commit
        elif source != "reference":
            folder = Path(source).expanduser()
            models.check_complete(name, folder)
            unchecked = _check(name, folder, models.style(name, checked, folder))
    pinned = f" at commit {record['revision']}" if record["revision"] else ""
    typer.echo(f"{name}: added to params.yaml{pinned}{unchecked}. Build its training sets: dvc repro select")


@app.command("lock")
def lock(context: typer.Context, names: Names = None, dry_run: DryRun = False, time_limit: TimeLimit = None) -> None:
    """Locks models alone: writes the commit behind each revision into params.yaml."""
    settings = project.load()
    for name in names or ():
        models.named(name, settings)
    run(context, time_limit, [f"models.{name}" for name in names] if names else ["models"], dry_run=dry_run)
