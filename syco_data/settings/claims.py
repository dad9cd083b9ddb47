"""What claims are made of rows."""

from typing import Literal

from syco_data.settings.records import Characters, Record, Share


class Claims(Record):
    compat: Literal["none", "published"]
    other_share: Share
    max_characters: Characters
    conflicts: Literal["drop", "first"]
    double_negatives: Literal["clean", "published"]
