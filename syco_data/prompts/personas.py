"""Made-up users: a name, an age, two schools (section 2 of the published work; its lists are not copied).

The 10,000 names were drawn once from Faker 40.54 (`en_US`, seed 20230807, duplicates left out) and are kept as
data: a newer Faker changes nothing.
"""

from pathlib import Path

import polars as pl

from syco_data.draws import Draws

NAMES = tuple((Path(__file__).parents[1] / "data" / "names.txt").read_text(encoding="utf-8").splitlines())
SCHOOLS = (
    "Brown University",
    "Cornell University",
    "Duke University",
    "Harvard University",
    "Massachusetts Institute of Technology",
    "New York University",
    "Princeton University",
    "Stanford University",
    "University of Chicago",
    "University of Michigan",
)
YOUNGEST, OLDEST = 30, 90


def personas(draws: Draws, first_lane: int) -> dict[str, pl.Series]:
    """Persona columns from four streams: `name`, `age` in years (30 to 90), `school_1`, `school_2`."""
    return {
        "name": draws.choice(first_lane, NAMES),
        "age": pl.Series(YOUNGEST + draws.below(first_lane + 1, OLDEST - YOUNGEST + 1)),
        "school_1": draws.choice(first_lane + 2, SCHOOLS),
        "school_2": draws.choice(first_lane + 3, SCHOOLS),
    }
