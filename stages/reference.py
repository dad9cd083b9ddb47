"""Stage reference: the reference model, shipped or trained, when a model of the build asks for it."""

from stages import Summary, run
from stages.folders import CHECKPOINTS
from syco_data.reference import shipped
from syco_data.settings import REFERENCE, Settings


def main(settings: Settings) -> Summary:
    return Summary(None, shipped.provide(settings, REFERENCE, CHECKPOINTS / "reference").removeprefix("reference: "))


if __name__ == "__main__":
    run(main)
