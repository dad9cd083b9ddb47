"""Compares two releases row by row and prints what changed in each table, and why.

    python examples/compare_releases.py OWNER/NAME@1.0.0 OWNER/NAME@1.1.0
    python examples/compare_releases.py ../before data/release

Needs what `pip install .` brings. `python -m syco_data diff` prints more, and writes pages and every row that differs.
"""

import sys

from syco_data import diff_releases


def main(a: str, b: str) -> None:
    diff = diff_releases(a, b)
    print(f"{diff.a.version} -> {diff.b.version}: {'the same' if diff.same else diff.change}")
    for table in diff.configs:
        counts = table.counts
        if counts and (counts.added or counts.removed or counts.changed):
            print(f"{table.config}/{table.split}: +{counts.added} -{counts.removed}, {counts.changed} changed")
            for cause in table.causes:
                print(f"  {cause.rows} {cause.change}: {cause.cause} ({cause.detail})")


if __name__ == "__main__":
    main(*sys.argv[1:3])
