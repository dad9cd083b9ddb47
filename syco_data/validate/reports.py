"""Writes the reports of stage validate: JSON with sorted keys, whole or not at all."""

from pathlib import Path

from syco_data import files
from syco_data.validate import audit, checks
from syco_data.validate.checks import Checked

CHECKS, AUDIT = "checks.json", "audit.json"


def write(checked: Checked, folder: Path) -> None:
    """`checks.json` (laws, independence tests) and `audit.json` (shortcuts)."""
    files.write_json(folder / CHECKS, checks.report(checked))
    files.write_json(folder / AUDIT, audit.report(list(checked.audited)))
