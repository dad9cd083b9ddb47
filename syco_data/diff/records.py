"""What a comparison of two releases found: the records behind the terminal table, the JSON and the page.

`docs/diff.md` describes the JSON; a change of meaning raises `SCHEMA`.
"""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1

Cause = Literal[
    "upstream row",
    "label",
    "cleaning rule",
    "claim draw",
    "sampling",
    "template",
    "persona",
    "verdict",
    "arm rule",
    "settings only",
    "unexplained",
]
"""In the order of the graph: a row's cause is the first step at which its two sides part."""
CAUSES: tuple[Cause, ...] = get_args(Cause)
Level = Literal["files", "rows"]
Change = Literal["added", "removed", "changed"]
TableChange = Literal["same", "added", "removed", "changed"]
Step = Literal["major", "minor", "patch", "none"]
RevisionKind = Literal["source", "model", "template", "package", "environment", "commit", "release"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Part):
    """Rows only in B, only in A, in both with another content, in both and alike."""

    added: int
    removed: int
    changed: int
    unchanged: int

    @property
    def differing(self) -> int:
        return self.added + self.removed + self.changed


class Group(_Part):
    """Counts of the rows that have one value in one column; a changed row counts under its value in B."""

    column: Literal["source", "label_kind", "truth"]
    value: str
    counts: Counts


class CauseCount(_Part):
    """How many rows changed in one way for one cause; `detail` says it in words."""

    cause: Cause
    change: Change
    detail: str
    rows: int


class Shift(_Part):
    """A share on both sides; `of` names the rows it is a share of ("all", or "source sst2")."""

    what: str
    of: str
    share_a: float | None
    share_b: float | None
    rows_a: int
    rows_b: int


class Cell(_Part):
    """One column of an example, as text; null where the side has no row or no value."""

    column: str
    a: str | None
    b: str | None


class Example(_Part):
    key: str
    change: Change
    cause: Cause
    detail: str
    cells: list[Cell]


class Config(_Part):
    """One table (config and split). At level files only `rows_a`, `rows_b` and `change` are known."""

    config: str
    split: str
    change: TableChange
    rows_a: int | None
    rows_b: int | None
    joined_on: list[str]
    columns_added: list[str]
    columns_removed: list[str]
    counts: Counts | None
    columns: dict[str, int]
    groups: list[Group]
    causes: list[CauseCount]
    shifts: list[Shift]
    examples: list[Example]


class Setting(_Part):
    """A key of params.yaml that differs; null where a side does not have it."""

    key: str
    a: Any
    b: Any
    words: str


class Revision(_Part):
    """Something a release was made from (a source, model, template, program or commit), or what it says of itself."""

    kind: RevisionKind
    name: str
    a: str | None
    b: str | None
    words: str


class FileChange(_Part):
    path: str
    change: Change
    bytes_a: int | None
    bytes_b: int | None


class Side(_Part):
    name: str
    version: str
    manifest: str
    text: str


class Diff(_Part):
    """The whole answer. `change` is the step of the version number that B is from A; null at level files."""

    schema_version: int = Field(alias="schema")
    level: Level
    a: Side
    b: Side
    same: bool
    change: Step | None
    settings: list[Setting]
    revisions: list[Revision]
    files: list[FileChange]
    configs: list[Config]

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
