"""Names and values in settings: what is said of those that nothing has, never longer than a line that people read;
keys that were renamed, and names that DVC leaves out.
"""

import copy
import difflib
import re
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import AfterValidator

from syco_data.errors import SycoError
from syco_data.words import listed

LONGEST = 80  # characters of a value that a message shows
LONGEST_LIST = 180  # characters of the names in such a list
IGNORED = ("size", "nfiles")
"""Keys that DVC leaves out of the key of its run cache, at any depth (github.com/treeverse/dvc/issues/10296): a value
under one of them may change, and the rows that were built before come back."""
_MOVED = ("engine", "max_length", "batch", "store", "transformers", "vllm", "ray")
RENAMED = {
    "prompts.size": "prompts.rows",
    "select.size": "select.rows",
    "acquire.blemishes": "acquire.noise",
    "acquire.embedded_rows": "acquire.synthetic_rows",
    "acquire.retries": "hub",
    "instructions.retries": "hub",
    "publish.retries": "hub",
    "filter.path": "engines.scoring",
    **{f"filter.{key}": f"engines.{key}" for key in _MOVED},
}
"""Keys of earlier releases, and the name that each has now."""
RENAMED_VALUES = {
    "acquire.origin": {"embedded": "synthetic"},
    "instructions.origin": {"embedded": "synthetic"},
    "probes.surveys.origin": {"embedded": "synthetic"},
    "models.*.source": {"embedded": "reference"},
}
"""Values of earlier releases, by the key that they are of (`*`: every name), and what each is called now."""


_YAML = {None: "null", True: "true", False: "false"}


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 2, 3, 3, 3, 3
        self.maxstring = self.maxlong = self.maxother = LONGEST

    def repr_int(self, x: int, level: int) -> str:
        # Python writes out no number of more than 4,300 digits.
        far = x.bit_length() > 4 * LONGEST
        return f"a number of {x.bit_length():,} bits" if far else super().repr_int(x, level)


_short = _Short()


def shown(value: Any) -> str:
    """A value as a message shows it, whatever it holds."""
    return _YAML[value] if value is None or isinstance(value, bool) else _short.repr(value)


def key_shown(key: Any) -> str:
    """A key as a message shows it: without quotes where it is a short word."""
    return key if isinstance(key, str) and len(key) <= LONGEST and key.isprintable() else shown(key)


def matching(pattern: str, words: str) -> AfterValidator:
    """For the type of a text: all of it must have a form, which `words` describe to people."""
    form = re.compile(pattern)

    def checked(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(words)
        return text

    return AfterValidator(checked)


def unknown(name: str, valid: Iterable[Any]) -> str:
    """What to say of a name that is not in a list of valid ones."""
    return f"there is no {shown(str(name))}; {likely(name, valid)}"


def likely(name: str, valid: Iterable[Any]) -> str:
    """The valid names, the nearest one first; so many of them that a line stays one that people read."""
    names = [str(each) for each in valid]
    # A name that is far longer than any other is near to none of them, and comparing it takes long.
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5) if len(str(name)) <= LONGEST else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Valid: {listed(map(key_shown, names), LONGEST_LIST)}"


def noticed(name: str) -> str:
    """A name that may stand as a key of params.yaml; `ValueError` for one that DVC takes no notice of."""
    if name in IGNORED:
        raise ValueError(f"DVC takes no notice of what stands below a key named {name}; choose another name")
    return name


def refuse_renamed(values: dict[str, Any]) -> None:
    """Raises `SycoError` for the first key or value of params.yaml that has another name now."""
    for old, new in _renamed(values):
        raise SycoError(f"params.yaml: '{old}' is called '{new}' now", f"Write '{new}' in params.yaml")
    for key, _, value, new in _renamed_values(values):
        raise SycoError(f"params.yaml: '{key}: {value}' is called '{key}: {new}' now", f"Write {new} in params.yaml")


def with_new_names(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of an earlier release by the names of now; how the Hub was asked is left out, as in a release of now."""
    groups = copy.deepcopy(values)
    for old, new in list(_renamed(values)):
        value = groups[old.split(".")[0]].pop(old.split(".")[1])
        group, _, key = new.partition(".")
        if key and isinstance(groups.setdefault(group, {}), dict):
            groups[group].setdefault(key, value)
    for key, record, _, new in list(_renamed_values(groups)):
        record[key.split(".")[-1]] = new
    return groups


def _renamed(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The old and the new name of each renamed key that is there."""
    for old, new in RENAMED.items():
        group, key = old.split(".")
        if isinstance(values.get(group), dict) and key in values[group]:
            yield old, new


def _renamed_values(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """Full key, record that holds it, old and new value of each renamed value that is there."""
    for pattern, names in RENAMED_VALUES.items():
        *above, key = pattern.split(".")
        for path, record in _records(values, above):
            value = record.get(key)
            if isinstance(value, str) and value in names:
                yield ".".join((*path, key)), record, value, names[value]


def _records(values: Any, path: list[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The mappings that a path of keys leads to, each with its own path; `*` stands for every key."""
    if not isinstance(values, dict):
        return
    if not path:
        yield [], values
    for name in () if not path else values if path[0] == "*" else path[:1]:
        yield from (([str(name), *rest], record) for rest, record in _records(values.get(name), path[1:]))
