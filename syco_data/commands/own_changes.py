"""What a user changed in params.yaml against a profile: found, put into another profile, and shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

ABSENT = object()
"""In place of a value: there is no such key."""
_BY_NAME = {("sources",), ("models",), ("arms",)}
"""Mappings whose entries a user may remove; any other key that is missing is an error, and no change."""


@dataclass(frozen=True)
class Change:
    """One key, as a path of names: its value in the profile and in params.yaml."""

    path: tuple[str, ...]
    before: Any
    after: Any

    @property
    def key(self) -> str:
        return ".".join(self.path)


def between(profile: Any, own: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """The changes that lead from a profile's values to those of params.yaml; a mapping is compared key by key."""
    if not (isinstance(profile, dict) and isinstance(own, dict)):
        if profile != own or type(profile) is not type(own):
            yield Change(path, profile, own)
        return
    for name, value in own.items():
        if name in profile:
            yield from between(profile[name], value, (*path, name))
        else:
            yield Change((*path, name), ABSENT, value)
    if path in _BY_NAME:
        yield from (Change((*path, name), value, ABSENT) for name, value in profile.items() if name not in own)


def put(change: Change, values: Any, like: Any) -> None:
    """Makes a change in an editor's mapping of another profile's values, in the style that it has in `like`.

    A change inside a model, arm or source that this profile lacks brings all of it: nothing is lost.
    """
    group, entry = change.path[:1], change.path[1:2]
    if group in _BY_NAME and len(change.path) > 2 and entry[0] not in values[group[0]]:
        change = Change(group + entry, ABSENT, like[group[0]][entry[0]])
    *above, name = change.path
    for part in above:
        if not isinstance(values.get(part), dict):
            values[part] = {}
        values, like = values[part], like[part]
    if change.after is ABSENT:
        values.pop(name, None)
        return
    value = _styled(_both(change, values.get(name)), like[name])
    if name in values or not hasattr(values, "insert"):
        values[name] = value
    else:  # first: the blank line after the last key stays there
        values.insert(0, name, value)


def _styled(value: Any, like: Any) -> Any:
    """A value in one line or in many, as `like`."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, dict | list):
        return value
    styled = CommentedMap(value) if isinstance(value, dict) else CommentedSeq(value)
    if hasattr(like, "fa") and like.fa.flow_style():
        styled.fa.set_flow_style()
    return styled


def _both(change: Change, other: Any) -> Any:
    """A list of names takes what was added and loses what was removed; one that was replaced as a whole stands."""
    before, after = change.before, change.after
    lists = all(isinstance(one, list) for one in (before, after, other))
    if not lists or not any(name in before for name in after):
        return after
    kept = [name for name in other if name in after or name not in before]
    return kept + [name for name in after if name not in before and name not in kept]


def shown(value: Any) -> str:
    """A value as YAML in one line."""
    if value is ABSENT:
        return "(none)"
    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.strip()[1:-1]
