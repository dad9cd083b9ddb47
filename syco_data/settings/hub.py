"""How everything asks the Hub."""

from typing import Annotated

from pydantic import Field

from syco_data.settings.records import Record, Seconds, Tries


class Hub(Record):
    """How often a call over the network is tried, and the seconds between tries: doubling from the first."""

    attempts: Tries
    first_wait: Seconds
    longest_wait: Seconds
    no_answer: Seconds = 60.0
    """Seconds without a byte after which a request is given up."""
    total: Annotated[float, Field(gt=0, le=10_000_000)] = 21_600.0
    """Seconds for everything that a command or stage asks of the Hub."""
