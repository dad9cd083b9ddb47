"""Stage code: for each stage the modules that it imports, with their digests.

Every other stage depends on its own list: it runs again when one of its modules changed, and only then.
"""

from pathlib import Path

from stages import run
from stages.folders import CODE
from syco_data import files, modules
from syco_data.settings import Settings


def main(_: Settings) -> None:
    for script in sorted(Path("stages").glob("*.py")):
        if "\n    run(main)\n" in script.read_text(encoding="utf-8"):
            files.write(CODE / f"{script.stem}.txt", modules.listing(script, Path()))


if __name__ == "__main__":
    run(main)
