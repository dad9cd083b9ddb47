"""What a release shows."""

from typing import Annotated, Literal

from pydantic import Field

from syco_data.settings.names import matching
from syco_data.settings.records import PathText, Record

VERSION = r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$"
"""Of releases, here and in their manifests; not `\\d`, which takes the digits of every script."""


class Release(Record):
    """What a release shows, the folder of the release before it, and a card whose hand-written part is kept."""

    text: Literal["full", "none"]
    version: Annotated[str, Field(max_length=29), matching(VERSION, "a version is three numbers, such as 2.0.0")] | None
    previous: PathText | None
    card: PathText | None
