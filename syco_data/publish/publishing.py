"""Publishing: one commit and one tag on the Hub per version, or none and a clear error.

Nothing is assumed about a request whose answer was lost: each try reads the head of the repository first and
compares its files with what is meant, so a commit that arrived is recognised and never made twice.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.hub import disks, limits
from syco_data.hub.addresses import NUMBER
from syco_data.hub.client import Blob, Kind, Remote, State
from syco_data.hub.faults import SIGN_IN
from syco_data.publish import handwriting
from syco_data.publish.uploads import Differences, Parcel, card_changes, of_release, proven_release
from syco_data.release import cards, manifest
from syco_data.settings import Hub, Publish

log = logging.getLogger(__name__)
AGAIN = "Publish again: what has arrived is found and not sent twice"
_LARGEST = 2 << 20  # bytes of a card on the Hub, and of the manifest beside it, that are read
_TO_KEEP = {
    "dataset": f"Download it, put the words to keep between the two lines '{cards.BEGIN}' and '{cards.END}', name the "
    "file as release.card in params.yaml, and build again",
    "model": "Copy the words to keep to another file",
}
"""What keeps hand-written words of a card on the Hub."""


@dataclass(frozen=True)
class Target:
    """Where to: `private` is the visibility of a repository that has yet to be created, and the least privacy
    that an existing one must have."""

    repository: str
    kind: Kind
    private: bool


@dataclass(frozen=True)
class Receipt:
    """Proof of a published version; `manifest` is the digest of its content."""

    repository: str
    kind: Kind
    version: str
    tag: str
    commit: str
    manifest: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    def lines(self) -> list[str]:
        return [f"{self.repository} {self.tag}: commit {self.commit}, manifest {self.manifest}"]


@dataclass(frozen=True)
class Operation:
    operation: str  # add | change | delete
    path: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What publishing would do to a repository (None: to one that shows the release before this one, or nothing).

    `published`: this version is there already, and nothing would be done.
    """

    repository: str | None
    version: str
    tag: str
    manifest: str
    operations: tuple[Operation, ...]
    card: tuple[str, ...]
    published: bool = False

    @property
    def bytes(self) -> int:
        return sum(operation.bytes for operation in self.operations)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"dry_run": True}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        where = self.repository or "no repository configured (publish.repository)"
        head = f"dry run, {where}: version {self.version}, tag {self.tag}, manifest {self.manifest}"
        rows = [f"  {each.operation:<6} {each.bytes:>13,} bytes  {each.path}" for each in self.operations]
        total = f"  one commit, {len(self.operations)} operations, {self.bytes:,} bytes"
        if not self.operations:
            total = (
                "  nothing to do: it is there" if self.published else "  no file differs: the tag alone would be set"
            )
        return [head, *rows, total, *(f"  card: {line}" for line in self.card)]


def plan(parcel: Parcel, differences: Differences, card_before: str, repository: str | None) -> Plan:
    """The dry run, from what would differ."""
    operations = (
        *(Operation("add", item.path, item.bytes) for item in differences.new),
        *(Operation("change", item.path, item.bytes) for item in differences.changed),
        *(Operation("delete", path, 0) for path in differences.surplus),
    )
    card = parcel.card()
    changes = card_changes(card_before, card) if card_before else [f"new, {len(card.splitlines())} lines"]
    return Plan(repository, parcel.version, parcel.tag, parcel.digest, operations, tuple(changes))


def as_configured(folder: Path, settings: Publish, previous: Path | None, patience: Hub) -> Plan | Receipt:
    """What stage publish does with a release folder; without a repository, a plan against the release before it."""
    parcel = proven_release(folder)
    if settings.repository is not None:
        return publish(parcel, Target(settings.repository, "dataset", settings.private), patience)
    if previous is None:
        return plan(parcel, parcel.differences({}), "", None)
    before = of_release(previous)
    there = {item.path: Blob(item.bytes, item.sha256, "") for item in before.items}
    return plan(parcel, parcel.differences(there), before.card(), None)


def dry_run(parcel: Parcel, target: Target, patience: Hub) -> Plan:
    """What publishing would do now; reads the repository and writes nothing.

    Raises `SycoError` where publishing would refuse, with the same words.
    """
    with disks.client_folders():
        remote = _remote(parcel, target, patience)
        state = remote.state()
        if state is None:
            return plan(parcel, parcel.differences({}), "", target.repository)
        if _checked(remote, parcel, target, state) is not None:
            return Plan(target.repository, parcel.version, parcel.tag, parcel.digest, (), (), published=True)
        tree = _tree(remote, state.head)
        before = _card_at(remote, state.head, tree) if manifest.CARD in tree else ""
        return plan(parcel, parcel.differences(tree), before, target.repository)


def publish(parcel: Parcel, target: Target, patience: Hub) -> Receipt:
    """Brings one version to the Hub and verifies that it is there; a version that is there already is left alone.

    Raises `SycoError` where the tag names other content, another commit came in between, the repository is
    public against the settings, its card was edited by hand, rights are missing or the Hub keeps failing.
    """
    with disks.client_folders():
        remote = _remote(parcel, target, patience)
        state = remote.state()
        if state is None:
            remote.create(target.private)
            state = remote.existing()
        commit = _checked(remote, parcel, target, state)
        if commit is None:
            commit = _commit(remote, parcel, state.head)
            _read_back(remote, parcel, commit)
            _tag(remote, parcel, commit)
    return Receipt(target.repository, target.kind, parcel.version, parcel.tag, commit, parcel.digest)


def _remote(parcel: Parcel, target: Target, patience: Hub) -> Remote:
    """The repository, once what is sent and who sends it have been looked at."""
    remote = Remote(target.repository, target.kind, patience)
    if not remote.signed_in:
        raise SycoError(f"{remote.name}: no token was found, and publishing needs one", SIGN_IN)
    if not isinstance(documents.parse_yaml(handwriting.head(parcel.card()), manifest.CARD), dict | None):
        raise SycoError(f"{manifest.CARD}: its YAML head holds no names with values")
    return remote


def _checked(remote: Remote, parcel: Parcel, target: Target, state: State) -> str | None:
    """The commit of this very version, if it is on the Hub; everything that publishing refuses is raised here."""
    _check_visibility(target, state.private)
    tags = remote.tags()
    commit = _published(remote, parcel, tags)
    if commit is None and state.head not in _versions(tags).values():
        tree = _tree(remote, state.head)
        _check_card(remote, parcel, state.head, tree, tags)
        _name_others(remote, parcel, tree, tags)
    return commit


def _name_others(remote: Remote, parcel: Parcel, tree: Mapping[str, Blob], tags: dict[str, str]) -> None:
    """Says which files are deleted that no version brought: the repository may be another one than was meant."""
    others = set(parcel.differences(tree).surplus)
    if others and (last := next(iter(_versions(tags).values()), None)):
        others -= set(_tree(remote, last))
    if others:
        log.warning(
            "%s: files that no version has brought are deleted by the commit, and stay in the history: %d (first: %s)",
            remote.name, len(others), min(others),
        )  # fmt: skip


def _check_visibility(target: Target, private: bool) -> None:
    if target.private and not private:
        raise SycoError(
            f"{target.kind} repository '{target.repository}' is public, and a private one was asked for",
            "Set publish.private: false if everyone may see the release, or make the repository private",
        )
    if private and not target.private:
        log.warning("%s is private and stays so: an existing repository's visibility is not changed", target.repository)


def _published(remote: Remote, parcel: Parcel, tags: dict[str, str]) -> str | None:
    """The commit of this very version, if it is on the Hub."""
    commit = tags.get(parcel.tag)
    if commit is None:
        return None
    differences = parcel.differences(_tree(remote, commit))
    if not differences.none:
        raise SycoError(
            f"{remote.name}: tag {parcel.tag} exists with other content (first difference: {differences.first()}). "
            "Nothing was written",
            "A published version stays as it is: build the release with a greater version",
        )
    log.info("%s: %s is there already, at commit %s", remote.name, parcel.tag, commit)
    return commit


def _tree(remote: Remote, commit: str) -> dict[str, Blob]:
    """The files of a commit. An empty listing is not believed at once: it would hide a card that holds words."""
    return remote.tree(commit) or remote.tree(commit)


def _versions(tags: dict[str, str]) -> dict[tuple[int, ...], str]:
    """The commits of published versions, the greatest first: a tag of another form may stand on anything."""
    numbers = {tuple(map(int, match[1].split("."))): commit for tag, commit in tags.items()
               if (match := NUMBER.fullmatch(tag))}  # fmt: skip
    return dict(sorted(numbers.items(), reverse=True))


def _check_card(remote: Remote, parcel: Parcel, head: str, tree: dict[str, Blob], tags: dict[str, str]) -> None:
    """Refuses to replace words that someone wrote on the Hub since a build has written its card."""
    if manifest.CARD not in tree:
        return
    there = _card_at(remote, head, tree)
    base = _card_before(remote, head, tree, tags)
    if line := handwriting.lost(there, parcel.card(), base, remote.repository):
        raise SycoError(
            f"{remote.name}: its README.md was edited by hand and would be lost (first: {line[:80]!r}). "
            "Nothing was written",
            _TO_KEEP[remote.kind] + "; or delete README.md on the Hub to let its words go, and publish again",
        )
    if base is not None and handwriting.head(base) != handwriting.head(there):
        log.warning("%s: the YAML head of its README.md was edited on the Hub; the new one replaces it", remote.name)


def _card_before(remote: Remote, head: str, tree: dict[str, Blob], tags: dict[str, str]) -> str | None:
    """The card that a build wrote and that the one at `head` is, or was made from by hand."""
    there = _bytes_at(remote, head, tree, manifest.CARD)
    if _names(remote, head, tree, sha256(there).hexdigest()):
        return _text(there)
    trees = {commit: _tree(remote, commit) for commit in _versions(tags).values()}
    same = (c for c, at in trees.items() if tree.get(manifest.NAME) and at.get(manifest.NAME) == tree[manifest.NAME])
    exact = (commit for commit, at in trees.items() if at.get(manifest.CARD) == tree[manifest.CARD])
    with_card = (commit for commit, at in trees.items() if manifest.CARD in at)
    before = next(exact, None) or next(same, None) or next(with_card, None)
    return None if before is None else _card_at(remote, before, trees[before])


def _names(remote: Remote, head: str, tree: dict[str, Blob], digest: str) -> bool:
    """Whether the manifest beside the card names it: then no hand has changed it since it was built."""
    if manifest.NAME not in tree or tree[manifest.NAME].bytes > _LARGEST:
        return False
    try:
        made = manifest.parse(_bytes_at(remote, head, tree, manifest.NAME))
    except SycoError:
        return False
    return any(file.path == manifest.CARD and file.sha256 == digest for file in made.files)


def _card_at(remote: Remote, commit: str, tree: dict[str, Blob]) -> str:
    return _text(_bytes_at(remote, commit, tree, manifest.CARD))


def _text(card: bytes) -> str:
    return card.decode(errors="replace")


def _bytes_at(remote: Remote, commit: str, tree: dict[str, Blob], path: str) -> bytes:
    """A small file of a commit."""
    if tree[path].bytes > _LARGEST:
        raise SycoError(
            f"{remote.name}: its {path} has {tree[path].bytes:,} bytes, at most {_LARGEST:,} are read. Nothing was "
            "written",
            f"Delete {path} on the Hub, then publish again",
        )
    with TemporaryDirectory() as folder:
        return files.read(remote.file(commit, path, Path(folder)), _LARGEST)


def _commit(remote: Remote, parcel: Parcel, start: str) -> str:
    """The commit whose files are the parcel's: one that is there, or one made on top of `start`."""

    def attempt() -> str:
        head = remote.existing().head
        differences = parcel.differences(_tree(remote, head))
        if differences.none:
            return head
        if head != start:
            raise SycoError(
                f"{remote.name} received commit {head} while {parcel.tag} was being published. {parcel.tag} was not "
                "written",
                "Look at that commit, then publish again",
            )
        log.info("%s: commit of %s on top of %s", remote.name, parcel.tag, head)
        return remote.commit(_operations(differences), head, f"Version {parcel.version}")

    try:
        # 412: the head has moved, perhaps by our own commit whose answer was lost. 404: an upload in parts was
        # completed and its answer lost, so that completing it again finds no upload.
        return remote.attempt("commit", attempt, also=frozenset({404, 409, 412}))
    except SycoError:
        if landed := _landed(remote, parcel):
            return landed
        raise


def _landed(remote: Remote, parcel: Parcel) -> str | None:
    """The head, if it holds the parcel in spite of the fault of the last try."""
    remote.deadline = limits.Deadline(max(limits.LAST_LOOK, remote.deadline.left))
    try:
        head = remote.existing().head
        return head if parcel.differences(_tree(remote, head)).none else None
    except SycoError as error:
        raise SycoError(f"{error.what}. Whether the commit arrived is not known", AGAIN) from error


def _operations(differences: Differences) -> list:
    """Fresh operations, for one try: the client changes them."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        *(CommitOperationAdd(item.path, str(item.source)) for item in (*differences.new, *differences.changed)),
        *(CommitOperationDelete(path, is_folder=False) for path in differences.surplus),
    ]


def _read_back(remote: Remote, parcel: Parcel, commit: str) -> None:
    differences = parcel.differences(_tree(remote, commit))
    if not differences.none:
        raise SycoError(
            f"{remote.name}: commit {commit} does not hold what was sent (first difference: {differences.first()}). "
            f"{parcel.tag} was not set",
            "Prove the release with `python -m syco_data verify`, then publish again",
        )


def _tag(remote: Remote, parcel: Parcel, commit: str) -> None:
    """Sets the tag and sees it set."""

    def attempt() -> None:
        there = remote.tags().get(parcel.tag)
        if there is None:
            remote.create_tag(parcel.tag, commit)
            there = remote.tags().get(parcel.tag)
        if there != commit:
            raise SycoError(f"{remote.name}: tag {parcel.tag} names commit {there}, not {commit}")

    try:
        remote.attempt(f"tag {parcel.tag}", attempt, also=frozenset({409}))
    except SycoError as error:
        raise SycoError(f"{error.what}. Commit {commit} is there; whether its tag is, is not known", AGAIN) from error
