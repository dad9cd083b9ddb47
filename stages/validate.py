"""Stage validate: schemas and checks of everything above; a failure stops the build and names rows."""

from pathlib import Path

from stages import Summary, run
from stages.folders import CHECKS
from stages.tables import build_tables
from syco_data import files
from syco_data.build import Tables
from syco_data.progress import counted
from syco_data.prompts import prompts
from syco_data.settings import Settings, local_path
from syco_data.validate import expectations, findings, validation
from syco_data.validate.findings import Checked


def main(settings: Settings) -> Summary:
    build = build_tables(settings)
    checked = check(build, settings, CHECKS, local_path(settings.checks.docs))
    findings.require(checked)
    # Always the same words: what waits for the checks does not run again because a report reads otherwise.
    files.write(CHECKS / "passed", "every check holds\n")
    return Summary(counted(len(list(build.entries())), "table"), f"{len(checked.findings):,} checks hold")


def check(build: Tables, settings: Settings, reported: Path, docs: Path) -> Checked:
    """Checks a build and writes the reports, and beside it the pages of Great Expectations."""
    with expectations.Pages(docs) as pages:
        templates = prompts.training_templates(settings.prompts)
        checked = validation.check_build(build, templates, settings, pages.table)
        findings.write_reports(checked, reported)
        pages.finish(checked)
    return checked


if __name__ == "__main__":
    run(main)
