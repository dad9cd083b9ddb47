"""The command line: `python -m syco_data` or `syco-data`.

Exit codes: 0 done; 1 a difference or a failed check was found; 2 wrong use or bad input, with one line that
says what happened and what helps; 130 stopped by Ctrl-C.
"""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import syco_data
from syco_data import quiet, redaction, streams
from syco_data.commands import (
    assess,  # noqa: F401 - a command of `models`
    counts,
    diff,
    filter,
    interrupts,
    lock,
    models,
    preview,
    profiles,
    project,
    publish,
    pull,
    push,
    restore,
    results,
    scores,
    show,
    sources,
    summary,
    verify,
)
from syco_data.errors import CheckFailed, SycoError
from syco_data.hub import limits

NAME = "syco-data"
TOPICS = {
    "Before a build": {
        "sources": sources.app, "preview": preview.preview, "profile": profiles.app, "models": models.app,
        "lock": lock.lock,
    },
    "Build": {"filter": filter.run, "counts": counts.counts, "scores": scores.app},
    "Look at a build": {"show": show.show, "summary": summary.summary, "results": results.results},
    "Releases": {
        "verify": verify.verify, "publish": publish.publish, "push": push.push, "pull": pull.pull, "diff": diff.diff,
        "restore": restore.restore,
    },
}  # fmt: skip
"""Every command, or group of commands, in the order of use."""
ORDER = [name for commands in TOPICS.values() for name in commands]


class Commands(TyperGroup):
    """The commands in the order of use, and one line for whoever stops one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as error:
            raise interrupts.of(ctx.invoked_subcommand) from error


app = typer.Typer(
    cls=Commands,
    help="Build, check, publish, pull and compare anti-sycophancy data sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for topic, commands in TOPICS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=topic)
        else:
            app.command(name, rich_help_panel=topic)(command)


def _print_version(show: bool) -> None:
    if show:
        typer.echo(f"{NAME} {syco_data.__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    project.enter()


def main() -> None:
    limits.begin()
    with streams.safe(), redaction.guarded(), quiet.libraries():
        code = _code()
    limits.leave(code)


def _code() -> int | str | None:
    """The exit code of the command, once it has printed its one line."""
    try:
        # One name however it is started: it is the one whose completion a shell can learn.
        app(prog_name=NAME)
    except interrupts.Interrupted as error:
        return _print(f"{error}", interrupts.CODE)
    except CheckFailed as error:
        return _print(f"{error}", 1)
    except SycoError as error:
        return _print(f"error: {error}", 2)
    except SystemExit as end:
        return end.code
    return 0


def _print(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
