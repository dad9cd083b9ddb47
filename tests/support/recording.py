"""Which keys of the settings a call reads."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from unittest import mock

from syco_data.settings import Record, Settings


class Reads:
    """The keys that were read, by their full names in params.yaml: `keys` grows while `recording` runs."""

    def __init__(self, settings: Settings, groups: Iterable[str]) -> None:
        self.keys: set[str] = set()
        self._groups = groups  # that a dump of all settings is made for
        self._known: dict[int, tuple[Record, str, frozenset[str]]] = {}
        self._register(settings, "")

    def _register(self, record: Record, path: str, changed: frozenset[str] = frozenset()) -> None:
        self._known[id(record)] = record, path, changed
        for name, value in record.__dict__.items():
            key = _key(record, name, path)
            for place, inner in _records(value, key):
                if id(inner) not in self._known and name not in changed:
                    self._register(inner, place)

    def read(self, record: Record, name: str, value: object) -> None:
        """Notes an attribute that was read, if it is a value and no group of values."""
        if id(record) in self._known and name in type(record).model_fields and not list(_records(value, "")):
            _, path, changed = self._known[id(record)]
            if name not in changed:
                self.keys.add(_key(record, name, path))

    def dumped(self, record: Record, exclude: Iterable[str]) -> None:
        """Notes that a record was turned into plain values."""
        if id(record) not in self._known:
            return
        path, names = self._known[id(record)][1], set(type(record).model_fields) - set(exclude)
        self.keys |= {_key(record, name, path) for name in names} if path else set(self._groups)

    def copied(self, record: Record, copy: Record, changed: Iterable[str]) -> None:
        """What is read of a copy is read of its original, apart from what the copy has of its own."""
        if id(record) in self._known:
            self._register(copy, self._known[id(record)][1], self._known[id(record)][2] | frozenset(changed))


def _key(record: Record, name: str, path: str) -> str:
    own = type(record).model_fields[name].alias or name
    return f"{path}.{own}" if path else own


def _records(value: object, key: str) -> Iterator[tuple[str, Record]]:
    """The records that a value is or holds, with their keys; those of a list have the key of the list."""
    if isinstance(value, Record):
        yield key, value
    elif isinstance(value, dict):
        yield from ((f"{key}.{name}", inner) for name, inner in value.items() if isinstance(inner, Record))
    elif isinstance(value, tuple):
        yield from ((key, inner) for inner in value if isinstance(inner, Record))


@contextmanager
def recording(settings: Settings, groups: Iterable[str]) -> Iterator[Reads]:
    """Notes what is read of `settings`; `groups` are those that are taken of a dump of the whole."""
    reads, dump, dump_json, copy = Reads(settings, groups), Record.model_dump, Record.model_dump_json, Record.model_copy

    def getattribute(record, name):
        value = object.__getattribute__(record, name)
        if not name.startswith("_"):
            reads.read(record, name, value)
        return value

    def model_dump(record, **options):
        reads.dumped(record, options.get("exclude") or ())
        return dump(record, **options)

    def model_dump_json(record, **options):
        reads.dumped(record, options.get("exclude") or ())
        return dump_json(record, **options)

    def model_copy(record, *, update=None, deep=False):
        result = copy(record, update=update, deep=deep)
        reads.copied(record, result, update or ())
        return result

    with (
        mock.patch.object(Record, "__getattribute__", getattribute, create=True),
        mock.patch.object(Record, "model_dump", model_dump),
        mock.patch.object(Record, "model_dump_json", model_dump_json),
        mock.patch.object(Record, "model_copy", model_copy),
    ):
        yield reads
