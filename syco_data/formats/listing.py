"""The files below a folder that somebody else filled: linked folders are entered, names with a dot in front are not.

`Path.rglob` does not enter a linked folder in Python 3.11 and 3.12, so data on another disk would be left out.
"""

import os
from pathlib import Path

from syco_data.errors import SycoError

MOST = 100_000


def files(folder: Path, what: str, most: int = MOST) -> list[str]:
    """Paths of all files below a folder, relative to it, with "/", sorted. `what` is what errors are reported of.

    Each folder is entered once, under its own name where it has one below `folder`, so links that lead back do no
    harm. Hidden files and folders (`.cache`, `.git`, `.ipynb_checkpoints`, `._copy`) are not listed. A link that
    leads nowhere and what is neither file nor folder are listed: whoever reads them says what is wrong.
    """
    names: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting, links = [folder], []
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        try:
            about = place.stat()
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    (links if entry.is_symlink() else waiting).append(Path(entry))
                else:
                    names.append(Path(entry).relative_to(folder).as_posix())
        except OSError as error:
            raise SycoError(f"{what}: {place} cannot be read: {error.strerror}") from error
        if len(names) + len(waiting) + len(links) > most:
            raise SycoError(f"{what}: {folder} holds more than {most:,} files", "Name the folder that holds the data")
        links.sort()
    return sorted(names)
