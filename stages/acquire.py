"""Stage acquire: one source's rows and provenance record, below data/raw/<source>/."""

from stages import run
from stages.folders import RAW
from syco_data.acquire import acquire
from syco_data.settings import Settings


def main(settings: Settings, *keys: str) -> None:
    for source in acquire.chosen(keys, settings):
        acquire.write(acquire.acquire(source, settings), RAW / source.key)


if __name__ == "__main__":
    run(main)
