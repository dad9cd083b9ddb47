"""`counts`: rows per source from stage to stage."""

import typer

from syco_data.commands import project


def counts() -> None:
    """Prints rows, drop reasons, claims and prompts per source for the settings at hand, as a Markdown table."""
    from syco_data.commands import counting

    typer.echo(counting.markdown(counting.count(project.load())))
