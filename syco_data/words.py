"""Numbers with their noun, and lists of names, as every message, table and page writes them."""

from collections.abc import Iterable
from itertools import accumulate


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `1,200 rows`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Iterable[str], characters: int = 110, most: int = 60) -> str:
    """`one, two and 7 more`: as many names, but at least one, as have room in so many characters; `none` for none."""
    every = list(names)
    room = sum(end <= characters for end in accumulate(len(name) + 2 for name in every))
    shown = every[: max(1, min(room, most))]
    more = f" and {len(every) - len(shown):,} more" if len(every) > len(shown) else ""
    return ", ".join(shown) + more if every else "none"
