"""What the graph runs over: models, arms, and how training sets are selected."""

from typing import Annotated, Any, Literal

from pydantic import Field

from syco_data.settings.records import MOST_NAMES, Name, Record, Rows


class Build(Record):
    """Which models and arms the graph runs over."""

    models: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]
    arms: Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]


Answers = Literal["truth", "user"]
"""What the completions of an arm follow."""


class Arm(Record):
    """One training condition: which label kinds and verdicts count, and whether truth is balanced afterwards.

    `answers` is what completions follow: the truth, or the user's opinion. The latter is a negative control: it makes
    a sycophant, for experiments that cure one.
    """

    label_kinds: Annotated[tuple[Literal["gold", "other"], ...], Field(min_length=1, max_length=2)]
    filtered: bool
    balanced: bool
    answers: Answers = "truth"
    # Keys of `finetune` that this arm sets otherwise, e.g. {steps: 500}.
    finetune: dict[Name, Any] = Field(default_factory=dict)

    @property
    def rows_per_prompt(self) -> int:
        """Where completions follow the user, each prompt also stands in the training set without its opinion."""
        return 2 if self.answers == "user" else 1


class Select(Record):
    rows: Rows | Literal["matched"]
