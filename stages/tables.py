"""Where the graph's tables lie."""

from stages.folders import DATA
from syco_data.build import Tables
from syco_data.settings import Settings


def build_tables(settings: Settings) -> Tables:
    """The tables of the build that the settings describe."""
    sources = [key for key, choice in settings.sources.items() if choice.licence != "exclude"]
    return Tables.below(DATA, sources, settings.build.models, settings.build.arms)
