"""Stage code: all of params.yaml is checked, then for each stage the modules that it imports, with their digests.

Every other stage depends on its own list: it runs again when one of its modules changed, and only then. So this stage
is the first of all, and DVC removes no output of another one before the settings are known to be good.
"""

from pathlib import Path

from stages import Summary, run
from stages.folders import CODE
from syco_data import files, modules
from syco_data.settings import Settings, revisions


def main(settings: Settings) -> Summary:
    revisions.require_commits(settings)
    scripts = [path for path in sorted(Path("stages").glob("*.py")) if "\n    run(main)\n" in path.read_text("utf-8")]
    for script in scripts:
        files.write(CODE / f"{script.stem}.txt", modules.listing(script, Path()))
    return Summary(f"{len(scripts)} scripts", f"{len(scripts)} lists of modules")


if __name__ == "__main__":
    run(main)
