"""The page about a build."""

from typing import Annotated

from pydantic import Field

from syco_data.settings.records import ExamplesOrZero, Record


class Report(Record):
    """The page: examples of changed answers, and how many pixels of a PNG stand for one of the SVG."""

    examples: ExamplesOrZero
    scale: Annotated[float, Field(gt=0, le=8)]
