"""What publishing is asked for, and what it reports: a target, a plan (of a dry run) and a receipt."""

import json
from dataclasses import asdict, dataclass, field

from syco_data.errors import printable
from syco_data.hub.client import Kind
from syco_data.publish.uploads import Differences, Upload, card_changes
from syco_data.words import counted

MOST_LINES, LONGEST_LINE = 24, 160
"""Of the change of a card that a dry run prints; the plan as JSON has all of it."""


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
    url: str = field(compare=False)
    written: bool = field(compare=False)
    """Whether this publish wrote the version; it was there already otherwise."""

    def to_json(self) -> str:
        kept = {name: value for name, value in asdict(self).items() if name not in ("url", "written")}
        return json.dumps(kept, indent=1, sort_keys=True) + "\n"

    def lines(self) -> list[str]:
        what = "published" if self.written else "already there, nothing written"
        return [f"{self.repository} {self.tag}: {what}; commit {self.commit}, manifest {self.manifest}", self.url]


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
        rows = [f"  {each.operation:<6} {each.bytes:>13,} bytes  {printable(each.path)}" for each in self.operations]
        total = f"  one commit, {counted(len(self.operations), 'operation')}, {counted(self.bytes, 'byte')}"
        if not self.operations:
            total = (
                "  already there, nothing would be written"
                if self.published
                else "  no file differs: the tag alone would be set"
            )
        return [head, *rows, total, *self._card_lines()]

    def _card_lines(self) -> list[str]:
        """The change of the card, in a screenful."""
        shown = [f"  card: {printable(line)}" for line in self.card[:MOST_LINES]]
        shown = [line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..." for line in shown]
        rest = len(self.card) - len(shown)
        return [*shown, f"  card: ... and {counted(rest, 'more line')}"] if rest else shown


def plan(upload: Upload, differences: Differences, card_before: str, repository: str | None) -> Plan:
    """The dry run, from what would differ."""
    operations = (
        *(Operation("add", item.path, item.bytes) for item in differences.new),
        *(Operation("change", item.path, item.bytes) for item in differences.changed),
        *(Operation("delete", path, 0) for path in differences.to_delete),
    )
    card = upload.card()
    changes = card_changes(card_before, card) if card_before else [f"new, {counted(len(card.splitlines()), 'line')}"]
    return Plan(repository, upload.version, upload.tag, upload.digest, operations, tuple(changes))
