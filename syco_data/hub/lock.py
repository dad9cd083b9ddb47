"""`lock`: every revision in params.yaml becomes the commit that it stands for on the Hub now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from syco_data import files, settings
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.hub.client import Remote, commit_id
from syco_data.settings import Hub, editing, revisions
from syco_data.settings.revisions import Named


@dataclass(frozen=True)
class Locked:
    """One revision of params.yaml: its full key, its value before, and the commit that it is now."""

    key: str
    before: str | None
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def lock_all(
    params: Path = settings.PARAMS, only: Sequence[str] = (), revision: str | None = None, dry_run: bool = False
) -> list[Locked]:
    """Asks the Hub for the commit of every revision that the build uses, writes them into `params`, returns them.

    `only` limits that to keys that begin so (`sources.sst2`, `models`), used or not; `revision` is looked up in the
    place of their own. Nothing is written in a dry run, and unless every commit is known. Raises `SycoError` for a
    revision, repository or right that is not there, and for a Hub that does not answer.
    """
    ours = settings.load(params)
    references = [one for one in revisions.named(ours) if _begins(one.key, only)] if only else revisions.used(ours)
    commits: dict[tuple[str, str, str | None], str] = {}  # keys of one repository are asked once, so that they agree
    locked = []
    for one in references:
        key = (one.kind, one.repository, revision or one.revision)
        if key not in commits:
            commits[key] = commit_of(one, key[2], ours.hub)
        locked.append(Locked(one.key, one.revision, commits[key]))
    if not dry_run:
        write(locked, params)
    return locked


def _begins(key: str, only: Sequence[str]) -> bool:
    return any(key == start or key.startswith(f"{start}.") for start in only)


def commit_of(named: Named, revision: str | None, retry: Hub) -> str:
    """The commit that a branch, tag or commit (null: main) of a repository stands for now."""
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    remote, what = Remote(named.repository, named.kind, retry), f"{named.key}: {named.repository}"

    def look() -> str:
        call = lambda: remote.api.repo_info(named.repository, repo_type=named.kind, revision=revision)  # noqa: E731
        try:
            return commit_id(remote.ask("look up", call).sha)
        except RevisionNotFoundError as error:
            raise SycoError(f"{what} has no revision {revision!r}", f"Correct {named.key} in params.yaml") from error
        except GatedRepoError as error:
            raise SycoError(f"{what} is gated", "Accept its terms on its Hub page, then: hf auth login") from error

    return remote.attempt("look up", look)


def write(locked: Sequence[Locked], params: Path) -> None:
    """Puts the commits into the params file, whole or not at all; every other byte of it stays."""
    content = files.read(params, documents.LARGEST)
    text = files.decoded(content, str(params))
    bom = editing.BOM if content.startswith(editing.BOM.encode()) else ""
    editing.write(params, bom + rewritten(text, {one.key: one.after for one in locked}))


def rewritten(text: str, commits: Mapping[str, str]) -> str:
    """The text of a params file with a commit at every key given."""
    leaves = {**_leaves(documents.parse_yaml(text, "params.yaml")), **commits}
    places = {key: _node(text, key.split(".")) for key in commits}
    for key, node in sorted(places.items(), key=lambda item: item[1].start_mark.index, reverse=True):
        # In quotes: a commit of digits only, or with one "e" among them, would be a number to some YAML reader.
        text = f'{text[: node.start_mark.index]}"{commits[key]}"{text[node.end_mark.index :]}'
    if not _holds(text, leaves):
        raise SycoError(
            f"params.yaml: {', '.join(commits)} cannot be edited in place (shared by an anchor?)",
            f"Write them by hand: {', '.join(f'{key}: {commit}' for key, commit in commits.items())}",
        )
    return text


def _holds(text: str, leaves: Mapping[str, Any]) -> bool:
    try:
        return _leaves(documents.parse_yaml(text, "params.yaml")) == leaves
    except SycoError:
        return False


def _leaves(values: Any, key: str = "") -> dict[str, Any]:
    """Every value that is not a mapping, by its full key: values that share an anchor count each for itself."""
    if not isinstance(values, dict):
        return {key: values}
    parts = (_leaves(value, f"{key}.{name}" if key else str(name)) for name, value in values.items())
    return {full: value for part in parts for full, value in part.items()}


def _node(text: str, path: Sequence[str]) -> yaml.Node:
    """Where a value stands in the text of a YAML file."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in path:
        node = next((value for key, value in node.value if key.value == name), None)
        if node is None:
            raise SycoError(f"params.yaml: {'.'.join(path)} does not stand in its own place", "Write it out there")
    return node
