"""Stage validate: schemas and laws of everything above; a failure stops the build and names rows."""

from pathlib import Path

from stages import run
from stages.folders import CHECKS, RAW
from stages.tables import tables
from syco_data import prompts
from syco_data.checking import checks, expectations, reports
from syco_data.settings import Settings


def main(settings: Settings) -> None:
    raw = {key: RAW / key / "rows.parquet" for key, choice in settings.sources.items() if choice.licence != "exclude"}
    checked = checks.check(tables(settings), raw, prompts.training_templates(settings.prompts), settings)
    reports.write(checked, CHECKS)
    expectations.write_pages(checked, Path(settings.checks.docs))
    checks.require(checked)


if __name__ == "__main__":
    run(main)
