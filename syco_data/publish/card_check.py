"""Words that somebody wrote into a card on the Hub stand in the way of a publish that would replace them."""

import logging
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from syco_data import files
from syco_data.errors import SycoError
from syco_data.hub.addresses import versions
from syco_data.hub.client import Blob, Remote
from syco_data.publish import handwriting
from syco_data.publish.uploads import Upload
from syco_data.release import cards, manifest

LARGEST = 2 << 20
"""Bytes of a card on the Hub, and of the manifest beside it, that are read."""
log = logging.getLogger(__name__)
_TO_KEEP = {
    "dataset": f"Download it, put the words to keep between the two lines '{cards.BEGIN}' and '{cards.END}', name the "
    "file as release.card in params.yaml, and build again",
    "model": "Copy the words to keep to another file",
}
"""What keeps hand-written words of a card on the Hub."""


def check(remote: Remote, upload: Upload, head: str, tree: dict[str, Blob], tags: dict[str, str]) -> None:
    """Refuses to replace words that someone wrote on the Hub since a build has written its card."""
    if manifest.CARD not in tree:
        return
    there = card_at(remote, head, tree)
    base = _card_before(remote, head, tree, tags)
    if line := handwriting.lost(there, upload.card(), base, remote.repository):
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
    trees = {commit: remote.listing(commit) for commit in versions(tags).values()}
    same = (c for c, at in trees.items() if tree.get(manifest.NAME) and at.get(manifest.NAME) == tree[manifest.NAME])
    exact = (commit for commit, at in trees.items() if at.get(manifest.CARD) == tree[manifest.CARD])
    with_card = (commit for commit, at in trees.items() if manifest.CARD in at)
    before = next(exact, None) or next(same, None) or next(with_card, None)
    return None if before is None else card_at(remote, before, trees[before])


def _names(remote: Remote, head: str, tree: dict[str, Blob], digest: str) -> bool:
    """Whether the manifest beside the card names it: then no hand has changed it since it was built."""
    if manifest.NAME not in tree or tree[manifest.NAME].bytes > LARGEST:
        return False
    try:
        record = manifest.parse(_bytes_at(remote, head, tree, manifest.NAME))
    except SycoError:
        return False
    return any(file.path == manifest.CARD and file.sha256 == digest for file in record.files)


def card_at(remote: Remote, commit: str, tree: dict[str, Blob]) -> str:
    return _text(_bytes_at(remote, commit, tree, manifest.CARD))


def _text(card: bytes) -> str:
    return card.decode(errors="replace")


def _bytes_at(remote: Remote, commit: str, tree: dict[str, Blob], path: str) -> bytes:
    """A small file of a commit."""
    if tree[path].bytes > LARGEST:
        raise SycoError(
            f"{remote.name}: its {path} has {tree[path].bytes:,} bytes, at most {LARGEST:,} are read. Nothing was "
            "written",
            f"Delete {path} on the Hub, then publish again",
        )
    with TemporaryDirectory() as folder:
        return files.read(remote.file(commit, path, Path(folder)), LARGEST)
