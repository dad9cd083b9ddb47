"""The command line: `python -m syco_data` or `syco-data`.

Exit codes: 0 done; 1 a difference or a failed check was found; 2 wrong use or bad input, with one line that
says what and how to mend it.
"""

import sys

import typer

from syco_data import redaction, streams
from syco_data.commands import (
    counts,
    diff,
    filter,
    models,
    preview,
    profiles,
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

app = typer.Typer(
    help="Build, check, publish, pull and compare anti-sycophancy data sets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sources.app, name="sources")
app.add_typer(profiles.app, name="profile")
app.add_typer(models.app, name="models")
app.add_typer(scores.app, name="scores")

app.command("filter")(filter.run)
app.command("verify")(verify.verify)
app.command("restore")(restore.restore)
app.command()(pull.pull)
app.command("diff")(diff.diff)
app.command()(publish.publish)
app.command()(push.push)
app.command()(preview.preview)
app.command()(show.show)
app.command()(summary.summary)
app.command()(results.results)
app.command()(counts.counts)


def main() -> None:
    limits.begin()
    with streams.safe(), redaction.guarded():
        code = _code()
    limits.leave(code)


def _code() -> int | str | None:
    """The exit code of the command, once it has said its one line."""
    try:
        app()
    except CheckFailed as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except SycoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code
    return 0


if __name__ == "__main__":
    main()
