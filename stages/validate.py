"""Stage validate: schemas and laws of everything above; a failure stops the build and names rows."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages import run
from stages.folders import CHECKS, RAW
from stages.tables import tables
from syco_data import prompts
from syco_data.checking import checks, expectations, reports
from syco_data.checking.checks import Checked
from syco_data.releasing.configs import Tables
from syco_data.settings import Settings


def main(settings: Settings) -> None:
    raw = {key: RAW / key / "rows.parquet" for key, choice in settings.sources.items() if choice.licence != "exclude"}
    checks.require(check(tables(settings), raw, settings, CHECKS, Path(settings.checks.docs)))


def check(build: Tables, raw: Mapping[str, Path], settings: Settings, reported: Path, docs: Path) -> Checked:
    """Checks a build, writes the reports, and the pages of Great Expectations (which loads beside the checks)."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(expectations.load)
        checked = checks.check(build, raw, prompts.training_templates(settings.prompts), settings)
    reports.write(checked, reported)
    expectations.write_pages(checked, docs)
    return checked


if __name__ == "__main__":
    run(main)
