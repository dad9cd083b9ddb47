"""What all groups of settings share: the strict, frozen record and the types of values."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
Revision = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    # Strict, so that "yes" is no flag and "1e-5" (text to a YAML 1.1 reader) is no number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
