"""What the graph runs over: models, arms, and how training sets are selected."""

from typing import Annotated, Any, Literal

from pydantic import Field

from syco_data.settings.records import MOST_NAMES, Name, Record, Rows


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
