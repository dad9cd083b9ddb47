"""What is said of a name that nothing has."""

import difflib
from typing import Any


def unknown(name: str, valid: Any) -> str:
    """What to say of a name that is not in a list of valid ones."""
    near = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no {str(name)!r}; {hint}Valid: {', '.join(valid)}"
