"""Models that training sets are built for."""

from pathlib import Path
from typing import Literal

from syco_data.settings.records import PathText, Record, Revision, local_path

REFERENCE = Path("data/reference")
"""Where stage `reference` leaves its model, which the source `reference` names."""


class Model(Record):
    """A model to build a training set for: `reference` (what stage `reference` makes), a folder, or a Hub id."""

    source: PathText
    revision: Revision | None
    prompt_style: Literal["plain", "chat", "auto"]
    dtype: Literal["float32", "bfloat16", "float16", "auto"]

    @property
    def is_on_hub(self) -> bool:
        """Whether `source` is a Hub id: neither `reference` nor a folder that is here."""
        try:
            return self.source != "reference" and not local_path(self.source).is_dir()
        except (OSError, ValueError):  # a name of 5,000 characters
            return True
