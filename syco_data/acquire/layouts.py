"""Which files of a Hub-like repository hold one split of one config.

Known layouts, for a config that names a folder or for a repository with one config only:

    <config>/<split>.parquet                        one file
    <config>/<split>-00000-of-00002.parquet         what `push_to_hub` writes, whole or in shards
    <config>/<split>/0000.parquet                   the Hub's own conversion, `refs/convert/parquet`
    <split>.parquet, data/<split>-00000-of-00001.parquet, plain_text/...   the same for config `default`
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from syco_data.errors import SycoError
from syco_data.sources import Source
from syco_data.words import listed

CARD = "README.md"
_LONGEST = 60  # characters of a path in a message
_SHARD = r"(?:(?P<whole>)|-(?P<index>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?|/(?P<part>\d{4}))\.parquet"


@dataclass(frozen=True)
class _Shard:
    path: str
    style: str  # whole | counted | parts
    index: int
    count: int | None


def data_files(paths: Iterable[str], source: Source, split: str) -> tuple[str, ...]:
    """The files of a split in row order, from all paths of a repository (relative, with "/").

    Raises where none is there, where two places could be meant, and where a shard is missing.
    """
    paths = sorted(path for path in paths if not _hidden(path))
    folders = _folders(paths, split)
    if source.config in folders or source.config != "default":
        folders = {name: shards for name, shards in folders.items() if PurePosixPath(name).name == source.config}
    if not folders:
        raise _error(source, f"no Parquet file of split {split!r}", some(paths), _expected(source, split))
    if len(folders) > 1:
        raise _error(source, f"split {split!r} in {len(folders)} folders", some(folders), "one of them")
    return _ordered(source, split, next(iter(folders.values())))


def cards(paths: Iterable[str], source: Source) -> tuple[str, ...]:
    """The dataset cards that may describe the config: the repository's own and one in the config's folder."""
    return tuple(path for path in (CARD, f"{source.config}/{CARD}") if path in set(paths))


def _hidden(path: str) -> bool:
    """`hf download --local-dir` keeps its own records, and half-loaded files, below `.cache`."""
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _folders(paths: list[str], split: str) -> dict[str, list[_Shard]]:
    """The split's files by the folder that holds them ("." for the repository's root)."""
    pattern = re.compile(rf"(?:(?P<folder>.+)/)?{re.escape(split)}{_SHARD}")
    folders: dict[str, list[_Shard]] = defaultdict(list)
    for path in paths:
        if match := pattern.fullmatch(path):
            folders[match["folder"] or "."].append(_shard(path, match))
    return dict(folders)


def _shard(path: str, match: re.Match) -> _Shard:
    if match["index"] is not None:
        return _Shard(path, "counted", int(match["index"]), int(match["count"]))
    if match["part"] is not None:
        return _Shard(path, "parts", int(match["part"]), None)
    return _Shard(path, "whole", 0, 1)


def _ordered(source: Source, split: str, shards: list[_Shard]) -> tuple[str, ...]:
    """Shards in order of their number; every number from 0 must be there once."""
    kinds = {(shard.style, shard.count) for shard in shards}
    if len(kinds) > 1:
        files = some(shard.path for shard in shards)
        raise _error(source, f"two versions of split {split!r}", files, "the files of one version")
    count = len(shards) if shards[0].count is None else shards[0].count
    missing = sorted(set(range(count)) - {shard.index for shard in shards})
    if missing or len(shards) != count:
        problem = f"is incomplete: shard {missing[0]} is missing" if missing else "has more files than shards"
        what = f"split {split!r} {problem}"
        raise _error(source, what, some(shard.path for shard in shards), f"{count} shards, numbered from 0")
    return tuple(shard.path for shard in sorted(shards, key=lambda shard: shard.index))


def _expected(source: Source, split: str) -> str:
    return f"{source.config}/{split}.parquet or {source.config}/{split}-00000-of-00001.parquet"


def some(paths: Iterable[str]) -> str:
    """Paths as a message lists them, in about so many characters."""
    return listed(path if len(path) <= _LONGEST else f"...{path[-_LONGEST:]}" for path in paths)


def _error(source: Source, what: str, actual: str, expected: str) -> SycoError:
    return SycoError(
        f"source '{source.key}': {what} (found: {actual}; expected: {expected}). Nothing was written",
        f"To see more: python -m syco_data sources check {source.key}",
    )
