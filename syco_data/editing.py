"""Edits of params.yaml by commands: comments and layout stay, and a file that would be refused is not written."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from syco_data import settings
from syco_data.errors import SycoError


@contextmanager
def editing(path: Path = settings.PARAMS) -> Iterator[Any]:
    """The params as a mapping to change; written back, whole, when the block ends well and the result is valid."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.width, editor.preserve_quotes = 120, True
    try:
        params = editor.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path} here", "Run from the root of the project") from error
    yield params
    written = io.StringIO()
    editor.dump(params, written)
    settings.parse(yaml.safe_load(written.getvalue()))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(written.getvalue(), encoding="utf-8")
    unfinished.replace(path)
