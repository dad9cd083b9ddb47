"""Where the graph's tables lie."""

from stages.folders import DATA
from syco_data.build import Tables
from syco_data.settings import Settings


def build_tables(settings: Settings) -> Tables:
    """The tables of the build that the settings describe."""
    return Tables.below(DATA, settings.participating(), settings.build.models, settings.build.arms)
