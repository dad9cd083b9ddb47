"""Which files of a folder hold instruction rows, and the rows of one file as they stand in it.

Nothing is left out without a word: a file that looks like data and is not read here stops the build, files of
validation and test splits (by the names that `datasets` knows splits by) and others are named to the caller.
"""

import re
from collections.abc import Callable, Collection
from itertools import chain
from pathlib import Path, PurePosixPath

from syco_data.errors import SycoError
from syco_data.formats import listing, parquet, textfiles

_JSON = (".jsonl", ".ndjson", ".json")
READ = (".parquet", *_JSON, *(f"{ending}{packing}" for ending in _JSON for packing in textfiles.PACKINGS))
"""Endings of the files that are read; capitals do not matter."""

_DATA = re.compile(
    r"\.(parquet|jsonl|ndjson|json|csv|tsv|txt|arrow|feather|ipc|orc|avro|xlsx?|pkl|pickle|npy|npz|pt|h5|db|sqlite3?|"
    r"sql|xml|zip|tar|tgz|7z|rar|zst|gz|bz2|xz|lz4)(?=\.|$)"
)
_DOCUMENT = re.compile(
    r"(readme|licen[cs]es?|copying|notice|citation|changelog|authors|contributing)(\.(txt|md|rst|cff|bib|html))?"
    r"|.*\.(md|py|rst|html|pdf)"
)
_BESIDE_DATA = {
    *("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"),
    *("thumbs.db", "desktop.ini"),
}
"""What `datasets` and file managers leave beside data; `datasets` does not read them either."""

_HELD_OUT = re.compile(r"(?:^|[-._ 0-9])(validation|valid|dev|val|test|testing|eval|evaluation)(?=[-._ 0-9]|$)")
_TRAIN = re.compile(r"(?:^|[-._ 0-9])(train|training)(?=[-._ 0-9]|$)")
"""`datasets.data_files.SPLIT_KEYWORDS`, as words of the name of a file or of a folder."""


def listed(folder: Path, strict: bool) -> tuple[list[str], list[str]]:
    """The files to read, relative to the folder, and a line for each kind that is left out.

    Raises `SycoError` where no file is left, and, if `strict`, for data in a format that is not read here.
    """
    names = [name for name in listing.files(folder, "instructions") if not _is_document(name)]
    held_out = [name for name in names if is_held_out(name) and _DATA.search(PurePosixPath(name).name.lower())]
    data = [name for name in names if name.lower().endswith(READ)]
    others = [name for name in names if name not in {*data, *held_out}]
    if strict and (unread := [name for name in others if _DATA.search(PurePosixPath(name).name.lower())]):
        raise SycoError(
            f"instructions: {unread[0]}{_more(unread)} is not read: rows are taken from {_endings()}",
            "Convert it, or take it out of the folder",
        )
    kept = [name for name in data if name not in set(held_out)]
    if not kept:
        only = f" but files of validation and test splits ({held_out[0]}{_more(held_out)})" if held_out else ""
        raise SycoError(
            f"instructions: {folder} holds nothing to train on{only}: rows are taken from {_endings()}",
            "Set instructions.directory in params.yaml" if not held_out else "Rename what is to be trained on",
        )
    for name in kept:
        _check_name(name)
    notes = []
    if held_out:
        notes.append(f"not trained on, as they are named as validation or test: {held_out[0]}{_more(held_out)}")
    if others:
        notes.append(f"not read: {others[0]}{_more(others)}; rows are taken from {_endings()}")
    return kept, notes


def is_held_out(name: str) -> bool:
    """Whether a file's path names a validation or test split: the first of its folders that names a split decides."""
    for part in name.lower().split("/"):
        if _TRAIN.search(part) or _HELD_OUT.search(part):
            return not _TRAIN.search(part)
    return False


def _is_document(name: str) -> bool:
    last = PurePosixPath(name).name.lower()
    return last in _BESIDE_DATA or (bool(_DOCUMENT.fullmatch(last)) and not last.endswith(READ))


def _check_name(name: str) -> None:
    """A file's name goes into tables."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise SycoError(f"instructions: the name {name!r} is not UTF-8", "Rename the file") from error


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1:,} more" if len(names) > 1 else ""


def _endings() -> str:
    return f".parquet, {', '.join(_JSON)}, and the latter with {', '.join(textfiles.PACKINGS)}"


def rows(path: Path, name: str, needed: Callable[[list[str]], Collection[str]]) -> tuple[list[str], list[dict]]:
    """Where each row of a file stands ("line 3"), and its fields; `name` is what errors are reported of.

    `needed` gives for the columns of the file those that are to be read.
    """
    if path.suffix.lower() == ".parquet":
        with parquet.opened(path, name) as file:
            columns = file.schema_arrow.names
        columns_read = needed(columns)
        frame = parquet.frame(path, name, [column for column in columns if column in columns_read])
        return [f"row {number}" for number in range(len(frame))], frame.to_dicts()
    placed = list(textfiles.records(path, name))
    columns_read = needed(list(dict.fromkeys(chain.from_iterable(fields for _, fields in placed))))
    kept = [{column: value for column, value in fields.items() if column in columns_read} for _, fields in placed]
    return [place for place, _ in placed], kept
