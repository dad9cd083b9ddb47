"""Writes the reports of stage validate: JSON with sorted keys, whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from syco_data.checking import audit, checks
from syco_data.checking.checks import Checked

CHECKS, AUDIT = "checks.json", "audit.json"


def write(checked: Checked, folder: Path) -> None:
    """`checks.json` (laws, independence tests) and `audit.json` (shortcuts)."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(checks.report(checked), folder / CHECKS)
    _write(audit.report(list(checked.audited)), folder / AUDIT)


def _write(values: dict[str, Any], target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(target)
