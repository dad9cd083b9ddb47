"""Stage acquire: one source's rows and provenance record, below data/raw/<source>/."""

from stages import Summary, run
from stages.folders import RAW
from syco_data.acquire import acquire
from syco_data.progress import counted
from syco_data.settings import Settings


def main(settings: Settings, *keys: str) -> Summary:
    counts = []
    for source in acquire.chosen(keys, settings):
        acquired = acquire.acquire(source, settings)
        acquire.write(acquired, RAW / source.key)
        counts.append(len(acquired.rows))
    return Summary(counted(len(counts), "source"), counted(sum(counts), "row"))


if __name__ == "__main__":
    run(main)
