"""`sources lock`: names of revisions become commits in params.yaml, its comments and layout kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from syco_data import files
from syco_data.acquire import hub_files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.settings import Settings, editing
from syco_data.sources import Source


@dataclass(frozen=True)
class Lock:
    """One source's revision before and after: a name or a commit, and the commit that it is now."""

    source: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def resolve(chosen: Sequence[Source], given: Settings, revision: str | None) -> list[Lock]:
    """The commit of every source's revision (or of `revision`, for all of them), asked of the Hub.

    Sources of one repository are asked for once, so that they agree. A revision that is a commit already is
    asked for too: it must exist.
    """
    commits: dict[tuple[str, str], str] = {}
    locks = []
    for source in chosen:
        before = given.sources[source.key].revision
        wanted = (source.hub_id, revision or before)
        if wanted not in commits:
            commits[wanted] = hub_files.resolve(source, wanted[1], given.hub)
        locks.append(Lock(source.key, before, commits[wanted]))
    return locks


def write(locks: Sequence[Lock], params: Path) -> None:
    """Puts the commits into the params file, whole or not at all; every other byte of it stays."""
    content = files.read(params, documents.LARGEST)
    text = files.decoded(content, str(params))
    bom = editing.BOM if content.startswith(editing.BOM.encode()) else ""
    editing.write(params, bom + rewritten(text, {lock.source: lock.after for lock in locks}))


def rewritten(text: str, commits: Mapping[str, str]) -> str:
    """The text of a params file with `sources.<key>.revision` set to a commit for every key given."""
    wanted = {**_revisions(text), **commits}
    places = {key: _node(text, ("sources", key, "revision")) for key in commits}
    for key, node in sorted(places.items(), key=lambda item: item[1].start_mark.index, reverse=True):
        # In quotes: a commit of digits only, or with one "e" among them, would be a number to some YAML reader.
        text = f'{text[: node.start_mark.index]}"{commits[key]}"{text[node.end_mark.index :]}'
    if not _holds(text, wanted):
        raise SycoError(
            f"params.yaml: the revisions of {', '.join(commits)} cannot be edited in place (shared by an anchor?)",
            f"Write them by hand: {', '.join(f'{key}: {commit}' for key, commit in commits.items())}",
        )
    return text


def _holds(text: str, revisions: Mapping[str, str]) -> bool:
    try:
        return _revisions(text) == revisions
    except SycoError:
        return False


def _revisions(text: str) -> dict[str, str]:
    """The revision of every source that the text of a params file sets."""
    return {key: choice["revision"] for key, choice in documents.parse_yaml(text, "params.yaml")["sources"].items()}


def _node(text: str, path: Sequence[str]) -> yaml.Node:
    """Where a value stands in the text of a YAML file."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in path:
        node = next((value for key, value in node.value if key.value == name), None)
        if node is None:
            raise SycoError(f"params.yaml: {'.'.join(path)} does not stand in its own place", "Write it out there")
    return node
