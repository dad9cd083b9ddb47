"""Stage code: all of params.yaml is checked, then for each stage the modules that it imports, with their digests.

Every other stage depends on its own list: it runs again when one of its modules changed, and only then. So this stage
is the first of all, and DVC removes no output of another one before the settings are known to be good.
"""

from pathlib import Path

from stages import run
from stages.folders import CODE
from syco_data import files, modules
from syco_data.settings import Settings, revisions


def main(settings: Settings) -> None:
    revisions.require_commits(settings)
    for script in sorted(Path("stages").glob("*.py")):
        if "\n    run(main)\n" in script.read_text(encoding="utf-8"):
            files.write(CODE / f"{script.stem}.txt", modules.listing(script, Path()))


if __name__ == "__main__":
    run(main)
