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

LONGEST_LINE = 1000  # characters: above it, a line would be folded


@contextmanager
def editing(path: Path = settings.PARAMS) -> Iterator[Any]:
    """The params as a mapping to change; written back, whole, when the block ends well and the result is valid."""
    editor = layout_keeper()
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


def layout_keeper() -> Any:
    """Reads and writes YAML in the layout of params.yaml: comments, indents, long lines and `null` stay."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.width, editor.preserve_quotes = LONGEST_LINE, True
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor
