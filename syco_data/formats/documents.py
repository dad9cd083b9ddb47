"""YAML and JSON that somebody else wrote, read within limits: whatever they hold, an error in them is one line.

YAML is looked at as events and as a graph before any value is made of it: its depth, the values it has once its
aliases are written out, a name that contains itself, and keys that are given twice.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from syco_data import files
from syco_data.errors import SycoError

LARGEST = 1 << 20  # bytes of a YAML document that a person writes
LARGEST_REPORT = 64 << 20  # bytes of a JSON file that a stage writes
DEEPEST = 32  # levels of mappings and lists
VALUES = 100_000  # of a YAML document, aliases written out
LONGEST_NUMBER = 100  # characters
_AMBIGUOUS = re.compile(r"[-+]?(0[0-7_]+|\d[\d_]*(:[0-5]?\d)+(\.\d*)?)|yes|no|on|off", re.IGNORECASE)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MALFORMED = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


def read_yaml(path: Path, largest: int = LARGEST) -> Any:
    """The value of a YAML file. Raises `SycoError`, and `FileNotFoundError` where there is none.

    A word that readers of YAML 1.1 (this one) and 1.2 (DVC) take for two values, such as 010 or yes, is refused: DVC
    would not see it change.
    """
    text = files.read_text(path, largest)
    value = parse_yaml(text, str(path), largest)
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.ScalarToken) and token.plain and _AMBIGUOUS.fullmatch(token.value):
            line = token.start_mark.line + 1
            raise SycoError(
                f"{path}: {token.value} in line {line} is one value to us and another to DVC",
                "Write a number without a leading 0 or colon, and true, false or a text in quotes",
            )
    return value


def parse_yaml(text: str, name: str, largest: int = LARGEST, aliases: bool = True) -> Any:
    """The value of a YAML text; `name` is what its errors are reported of, `aliases` whether it may hold any."""
    if len(text) > largest:
        raise SycoError(f"{name} has {len(text):,} characters, at most {largest:,} are read")
    try:
        _check_events(text, name, aliases)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_graph(node, name)
            return _constructed(loader, node, name)
        finally:
            loader.dispose()
    except _MALFORMED as error:
        reason = " ".join(str(error).replace(' in "<unicode string>"', " in").replace(" in,", " in").split())
        reason = reason or type(error).__name__
        raise SycoError(f"{name} is not valid YAML: {reason:.300}") from error


def _constructed(loader: Any, root: yaml.Node, name: str) -> Any:
    """The value of a graph; a word that its tag or its form promises otherwise (2026-13-45) is named with its line."""
    try:
        return loader.construct_document(root)
    except _MALFORMED:
        for node in _nodes(root, name):
            if isinstance(node, yaml.ScalarNode):
                _check_word(loader, node, name)
        raise


def _check_word(loader: Any, node: yaml.ScalarNode, name: str) -> None:
    try:
        loader.construct_object(node)
    except _MALFORMED as error:
        kind = node.tag.rsplit(":", 1)[-1]
        line = node.start_mark.line + 1
        raise SycoError(f"{name}: {node.value!r:.60} in line {line} is not a valid {kind:.60}") from error


def _nodes(root: yaml.Node, name: str) -> Iterator[yaml.Node]:
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            waiting.extend(_children(node, name))
            yield node


def parse_json(content: str | bytes, name: str, unique_keys: bool = False) -> Any:
    """The value of a JSON text (in UTF-8, without a byte order mark).

    `unique_keys`: a key that is given twice is an error; without it the last one counts, as JSON's readers have it.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        pairs = _unique if unique_keys else None
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise SycoError(f"{name} is not valid JSON: {reason:.300}") from error


def read_json(path: Path, largest: int) -> Any:
    """The value of a JSON file. Raises `SycoError`, and `FileNotFoundError` where there is none."""
    return parse_json(files.read(path, largest), str(path))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise ValueError(f"key {twice!r:.60} is given twice")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _check_events(text: str, name: str, aliases: bool) -> None:
    """The depth, before the graph is made, which takes a level of the stack for each level of the document."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and not aliases:
            raise SycoError(f"{name} holds an alias (line {_line(event.start_mark)})")
        if depth > DEEPEST:
            raise SycoError(f"{name} is nested more than {DEEPEST} levels deep (line {_line(event.start_mark)})")


def _check_graph(root: yaml.Node, name: str) -> None:
    sizes: dict[int, int] = {}
    _size(root, sizes, set(), name)
    if sizes[id(root)] > VALUES:
        raise SycoError(f"{name} holds more than {VALUES:,} values once its aliases are written out")


def _size(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int], name: str) -> int:
    """How many values a node stands for; one that is named several times is counted each time and visited once."""
    if id(node) in open_nodes:
        raise SycoError(f"{name} holds a value that contains itself (line {node.start_mark.line + 1})")
    if id(node) not in sizes:
        open_nodes.add(id(node))
        sizes[id(node)] = 1 + sum(_size(child, sizes, open_nodes, name) for child in _children(node, name))
        open_nodes.discard(id(node))
    return sizes[id(node)]


def _children(node: yaml.Node, name: str) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > LONGEST_NUMBER:
            line = node.start_mark.line + 1
            raise SycoError(f"{name} holds a number of {len(node.value):,} characters (line {line})")
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise SycoError(f"{name}: key '{key.value}' is given twice (line {key.start_mark.line + 1})")
                seen.add((key.tag, key.value))
            yield from (key, value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
