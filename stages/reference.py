"""Stage reference: trains the embedded model, when a model of the build asks for it."""

from stages import run
from stages.folders import REFERENCE
from syco_data.reference import wanted
from syco_data.settings import Settings


def main(settings: Settings) -> None:
    if not wanted.by(settings):
        wanted.write_unwanted(settings, REFERENCE)
        return
    from syco_data.reference import model

    print(model.build(settings.reference, settings.prompts, settings.seed, REFERENCE).line())


if __name__ == "__main__":
    run(main)
