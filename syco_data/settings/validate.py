"""How a build is checked."""

from typing import Annotated

from pydantic import Field

from syco_data.settings.records import Examples, Items, PathText, Record


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
