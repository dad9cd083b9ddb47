"""Edits of params.yaml by commands: every other byte of it stays, and a file that would be refused is not written."""

import difflib
import io
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syco_data import files, settings
from syco_data.errors import SycoError
from syco_data.formats import documents

MOST_LINES = 5000  # comparing two texts takes as long as the square of their lines
LONGEST_LINE = 1000  # characters: above it, a line would be folded
BOM = "\ufeff"
_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Text:
    """A file's text with what an editor of YAML would not keep: its byte order mark, and the end of every line."""

    bom: str
    lines: tuple[str, ...]
    ends: tuple[str, ...]

    @property
    def plain(self) -> str:
        """The text in the one form that editors of YAML know: lines that end in a line feed."""
        return "".join(f"{line}\n" for line in self.lines)

    def with_lines(self, before: Sequence[str], after: Sequence[str]) -> str:
        """This text with the lines in which `after` differs from `before`, an editor's copy of it.

        Raises `SycoError` where the editor wrote more than one value in another way, so that a place is not known.
        """
        places = _places(before, self.lines)
        edited, ends = list(self.lines), list(self.ends)
        for _, first, last, start, end in reversed(_changes(before, after)):
            start_line, end_line = places[first], places[last]
            if start_line is None or end_line is None:
                raise SycoError(f"params.yaml cannot be edited in line {first + 1}", "Write the value there by hand")
            span = slice(start_line, end_line)
            kept = ends[span] or ends[max(0, span.start - 1) : span.start] or ["\n"]
            count = end - start
            ends[span] = (kept + kept[-1:] * count)[:count]
            edited[span] = after[start:end]
        return self.bom + "".join(line + end for line, end in zip(edited, self._closed(ends), strict=True))

    def _closed(self, ends: list[str]) -> list[str]:
        """Every line but the last has an end; the last one has it where it had it."""
        usual = max(self.ends, key=self.ends.count, default="") or "\n"
        last = (ends[-1] or usual) if self.ends[-1:] != ("",) else ""
        return [end or usual for end in ends[:-1]] + [last]


def lines(plain: str) -> list[str]:
    """The lines of a text that ends in a line feed; other marks that Python takes for line ends stay in them."""
    return plain.removesuffix("\n").split("\n")


def _changes(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    compared = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [change for change in compared if change[0] != "equal"]


def _places(before: Sequence[str], own: Sequence[str]) -> list[int | None]:
    """For each border between the lines of an editor's copy, the border in the file itself, where it is known."""
    places: list[int | None] = [None] * (len(before) + 1)
    for _, first, last, start, end in difflib.SequenceMatcher(None, before, own, autojunk=False).get_opcodes():
        places[first], places[last] = start, end
        if last - first == end - start:
            places[first : last + 1] = range(start, end + 1)
    return places


def read(path: Path) -> Text:
    """A YAML file that will be edited. Raises `SycoError` and `FileNotFoundError` as `documents.read_yaml` does."""
    text = files.read(path, documents.LARGEST)
    bom = BOM if text.startswith(BOM.encode()) else ""
    parts = [match.groups() for match in _LINE.finditer(files.decoded(text, str(path)))]
    if len(parts) > MOST_LINES:
        raise SycoError(f"{path} has {len(parts) - 1:,} lines, a command edits at most {MOST_LINES:,}")
    own, ends = zip(*parts[:-1], strict=True) if parts[1:] else ((), ())  # the last match is that of the end
    return Text(bom, own, ends)


def write(path: Path, text: str) -> None:
    """Puts a text in a file's place, whole or not at all, with the file's mode; a link stays, its file is replaced."""
    try:
        real = path.resolve()
        mode = real.stat().st_mode if real.exists() else None
    except (OSError, RuntimeError) as error:
        raise SycoError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if mode is not None and not stat.S_ISREG(mode):
        raise SycoError(f"{path} is not a regular file", "Move it away")
    with files.replacing(real) as temporary:
        temporary.write_bytes(text.encode())
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))


@contextmanager
def editing(path: Path = settings.PARAMS) -> Iterator[Any]:
    """The params as a mapping to change; written back, whole, when the block ends well and the result is valid."""
    try:
        text = read(path)
    except FileNotFoundError as error:
        raise SycoError(f"there is no {path} here", "Run from the root of the project") from error
    documents.parse_yaml(text.plain, str(path))  # the editor knows no limits
    params = loaded(text.plain, str(path))
    before = dumped(params)
    yield params
    after = dumped(params)
    edited = text.with_lines(lines(before), lines(after))
    values = documents.parse_yaml(after, str(path))
    settings.parse(values)
    if not _holds(edited, values):
        raise SycoError(f"{path} cannot be edited in its layout", "Write the value there by hand")
    write(path, edited)


def _holds(text: str, values: Any) -> bool:
    """Whether an edited text says what it should: lines put into another layout may be no YAML any more."""
    try:
        return documents.parse_yaml(text, "params.yaml") == values
    except SycoError:
        return False


def loaded(text: str, name: str) -> Any:
    """A text that `documents` has read, for an edit that keeps its layout."""
    from ruamel.yaml.error import YAMLError

    try:
        return _layout_keeper().load(text)
    except YAMLError as error:
        raise SycoError(f"{name} cannot be edited: {error!s:.300}", "Write the value there by hand") from error


def dumped(params: Any) -> str:
    """The text of an edited mapping."""
    out = io.StringIO()
    _layout_keeper().dump(params, out)
    return out.getvalue()


def _layout_keeper() -> Any:
    """Reads and writes YAML in the layout of params.yaml: comments, indents, long lines and `null` stay."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.width, editor.preserve_quotes = LONGEST_LINE, True
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor
