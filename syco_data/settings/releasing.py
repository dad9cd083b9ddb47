"""Training sets, their checks, releases and where they go."""

from typing import Annotated, Any, Literal

from pydantic import Field

from syco_data.settings.names import matching
from syco_data.settings.records import MOST_NAMES, Examples, Items, Name, PathText, Record, Rows, Text

VERSION = r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$"
"""Of releases, here and in their manifests; not `\\d`, which takes the digits of every script."""


class Build(Record):
    """Which models and arms the graph runs over."""

    models: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]
    arms: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]


class Arm(Record):
    """One training condition: which label kinds and verdicts count, and whether truth is balanced afterwards."""

    label_kinds: Annotated[tuple[Literal["gold", "other"], ...], Field(min_length=1, max_length=2)]
    filtered: bool
    balanced: bool
    # Keys of `finetune` that this arm sets otherwise, e.g. {steps: 500}.
    finetune: dict[Name, Any] = Field(default_factory=dict)


class Select(Record):
    rows: Rows | Literal["matched"]


class Audit(Record):
    """The shortcut audit: rows per arm at most, folds of the cross-validation, words in the bag of words."""

    rows: Items
    folds: Annotated[int, Field(ge=2, le=100)]
    words: Annotated[int, Field(gt=0, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class Validate(Record):
    """`false_alarm_rate`: how often all independence tests together may fail a sound table."""

    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)]
    examples: Examples
    docs: PathText
    audit: Audit


class Release(Record):
    """What a release shows, the folder of the release before it, and a card whose hand-written part is kept."""

    text: Literal["full", "none"]
    version: Annotated[str, Field(max_length=29), matching(VERSION, "a version is three numbers, such as 2.0.0")] | None
    previous: PathText | None
    card: PathText | None


class Publish(Record):
    """Where releases go: OWNER/NAME on the Hub, or null for a dry run; the privacy that the repository must have."""

    repository: Text | None
    private: bool
