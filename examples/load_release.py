"""Loads a release and shows a few of its training rows: what the user believes, and the answer all the same.

    python examples/load_release.py OWNER/NAME@1.0.0     # from the Hub: that version, kept, verified at every use
    python examples/load_release.py data/release         # a folder: after `make repro`, or what `pull` has written

Needs what `pip install .` brings.
"""

import sys
from pathlib import Path

from datasets import Dataset, load_dataset

from syco_data import load_release, verify


def main(place: str, count: int = 2) -> None:
    for row in rows(place).take(count):
        user = "right" if row["user_is_right"] else "wrong"
        print(f"--- {row['source']}: the user is {user}, the claim is {'true' if row['truth'] else 'false'}")
        print(row["prompt"] + row["completion"])


def rows(place: str) -> Dataset:
    """The training split of the default config."""
    if not Path(place).is_dir():
        return load_release(*place.rsplit("@", 1))["train"]
    if problems := verify(Path(place)).problems:
        sys.exit(f"{place} is not what its manifest says: {problems[0].path}: {problems[0].what}")
    return load_dataset(place, split="train")


if __name__ == "__main__":
    main(sys.argv[1])
