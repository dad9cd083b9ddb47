"""What is said of a value that is none, and of a name that nothing has: never longer than a line that people read."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

LONGEST = 80  # characters of a value that a message shows
MOST_SHOWN = 60  # valid names that a message lists


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 2, 3, 3, 3, 3
        self.maxstring = self.maxlong = self.maxother = LONGEST

    def repr_int(self, number: int, level: int) -> str:
        # Python writes out no number of more than 4,300 digits.
        far = number.bit_length() > 4 * LONGEST
        return f"a number of {number.bit_length():,} bits" if far else super().repr_int(number, level)


shown = _Short().repr
"""A value as a message shows it, whatever it holds."""


def key_shown(key: Any) -> str:
    """A key as a message shows it: without quotes where it is a short word."""
    return key if isinstance(key, str) and len(key) <= LONGEST and key.isprintable() else shown(key)


def unknown(name: str, valid: Iterable[Any]) -> str:
    """What to say of a name that is not in a list of valid ones."""
    names = [str(each) for each in valid]
    # A name that is far longer than any other is near to none of them, and comparing it takes long.
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5) if len(str(name)) <= LONGEST else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return f"there is no {shown(str(name))}; {hint}Valid: {', '.join(map(key_shown, names[:MOST_SHOWN]))}{more}"
