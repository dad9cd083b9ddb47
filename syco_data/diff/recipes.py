"""What two releases were made from, compared: settings, sources, models, templates, programs, code; in words."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from syco_data.diff.records import Revision, RevisionKind, Setting
from syco_data.release.manifest import Manifest

MISSING = "nothing"
_ABSENT = object()
"""What a side has under a key that it lacks; null is a value of its own."""
_NAMING = ("source", "revision", "digest")
"""Fields of a model's record that `model_words` names it by."""


@dataclass(frozen=True)
class Differences:
    """`settings` and `revisions` that differ between two manifests, and questions that the causes ask of them."""

    settings: tuple[Setting, ...]
    revisions: tuple[Revision, ...]
    sources_a: frozenset[str]
    sources_b: frozenset[str]

    def words(self, *prefixes: str) -> str | None:
        """The settings below these keys that differ, in words; None when none does."""
        # A key that one side spells as null and the other leaves out decides nothing.
        settings = [s for s in self.settings if not (s.a is None and s.b is None)]
        texts = [s.words for s in settings if any(f"{s.key}.".startswith(f"{prefix}.") for prefix in prefixes)]
        return "; ".join(texts) or None

    def model(self, name: str) -> str | None:
        """What differs in the record of one model, in words."""
        words = [item.words for key, item in self.revised("model").items() if key == name or key.startswith(f"{name} ")]
        return "; ".join(words) or None

    def revised(self, kind: str) -> dict[str, Revision]:
        return {revision.name: revision for revision in self.revisions if revision.kind == kind}

    @property
    def upstream(self) -> list[str]:
        """Sources of both sides whose rows differ."""
        rows = (name.removesuffix(" rows") for name in self.revised("source") if name.endswith(" rows"))
        return sorted(rows)

    @property
    def one_sided(self) -> list[str]:
        """Sources that one side alone was built from."""
        return sorted(self.sources_a ^ self.sources_b)

    @property
    def code(self) -> str | None:
        """The commits of the two programs, where they differ."""
        commits = self.revised("commit")
        return commits["program"].words if "program" in commits else None


def differences(a: Manifest, b: Manifest) -> Differences:
    settings = tuple(_settings(a.settings, b.settings))
    revisions = (
        *_sources(a, b),
        *_models(a, b),
        *_pairs("template", a.templates, b.templates),
        *_environment(a, b),
        *_commit(a, b),
        *_stamps(a, b),
    )
    return Differences(settings, revisions, frozenset(a.sources), frozenset(b.sources))


def _settings(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Setting]:
    for key, *sides in _leaves("", a, b):
        one, other = (None if side is _ABSENT else side for side in sides)
        yield Setting(key=key, a=one, b=other, words=f"{key}: {_both(*sides)}")


def _leaves(key: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    """The dotted key and both values of each leaf that differs; a list is one leaf."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted({*a, *b}):
            yield from _leaves(f"{key}.{name}".lstrip("."), a.get(name, _ABSENT), b.get(name, _ABSENT))
    elif _spelled(a) != _spelled(b):
        yield key, a, b


def _spelled(value: Any) -> str:
    """A value as JSON has it: a flag is not a number there, and a number is not text."""
    return MISSING if value is _ABSENT else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _both(a: Any, b: Any) -> str:
    """Two values that differ, in words that differ."""
    words = [MISSING if value is _ABSENT else say(value) for value in (a, b)]
    return " -> ".join(words if words[0] != words[1] else map(_spelled, (a, b)))


def say(value: Any) -> str:
    """A setting's value as params.yaml would spell it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(say, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {say(item)}" for key, item in value.items()) + "}"
    return str(value)


def _sources(a: Manifest, b: Manifest) -> list[Revision]:
    """Per source: its presence, and separately what identifies its rows, how they may be shown, and all else."""
    revisions = []
    for name in sorted({*a.sources, *b.sources}):
        one, other = a.sources.get(name), b.sources.get(name)
        if one is None or other is None:
            revisions.append(
                _revision("source", name, "absent" if one is None else "used", "used" if one is None else "absent")
            )
            continue
        if one.get("content_digest") != other.get("content_digest"):
            revisions.append(_revision("source", f"{name} rows", _rows(one), _rows(other)))
        elif one.get("revision") != other.get("revision"):
            revisions.append(_revision("source", f"{name} revision", one.get("revision"), other.get("revision")))
        if one.get("release") != other.get("release"):
            revisions.append(_revision("source", f"{name} licence", one.get("release"), other.get("release")))
        changed = {key for key in ("content_digest", "revision", "release") if one.get(key) != other.get(key)}
        revisions += _fields("source", name, one, other, changed)
    return revisions


def _fields(
    kind: RevisionKind, name: str, a: dict[str, Any], b: dict[str, Any], named: Collection[str]
) -> Iterator[Revision]:
    """The fields of a record that differ, but for those that are named already."""
    rest = ({key: value for key, value in side.items() if key not in named} for side in (a, b))
    for key, *sides in _leaves("", *rest):
        # "licence" alone says how the rows of a source may be shown.
        field = f"{name} {'licence of upstream' if (kind, key) == ('source', 'licence') else key}"
        one, other = (None if value is _ABSENT or value is None else say(value) for value in sides)
        brief = one and other and short(one) != short(other)
        yield _revision(kind, field, one, other, None if brief else _both(*sides))


def _rows(record: dict[str, Any]) -> str:
    """What names the rows of a source: its revision and the digest of what was read."""
    return f"{record.get('revision') or record.get('origin')} ({str(record.get('content_digest'))[:12]})"


def _models(a: Manifest, b: Manifest) -> list[Revision]:
    """Per model: what it is named by, and each other field of its record, as its device and engine."""
    names = ({name: model_words(record) for name, record in side.models.items()} for side in (a, b))
    by_name = {revision.name: [revision] for revision in _pairs("model", *names)}
    for name in sorted({*a.models} & {*b.models}):
        fields = _NAMING if name in by_name else ()
        by_name.setdefault(name, []).extend(_fields("model", name, a.models[name], b.models[name], fields))
    return [revision for name in sorted(by_name) for revision in by_name[name]]


def model_words(record: dict[str, Any]) -> str:
    """A model's source, revision and the digest of its weights, whichever are known."""
    identity = (record.get("source"), record.get("revision"), record.get("digest"))
    return " ".join(str(part) for part in identity if part is not None)


def _environment(a: Manifest, b: Manifest) -> list[Revision]:
    sides = [
        {"python": side.environment.python, "system": side.environment.system, "machine": side.environment.machine}
        for side in (a, b)
    ]
    return _pairs("environment", *sides) + _pairs("package", a.environment.packages, b.environment.packages)


def _commit(a: Manifest, b: Manifest) -> list[Revision]:
    words = [
        f"{side.git.commit}{' with edits' if side.git.dirty else ''}" if side.git.commit else None for side in (a, b)
    ]
    revisions = _pairs("commit", *({"program": word} if word else {} for word in words))
    return revisions or list(_fields("commit", "program", a.git.model_dump(), b.git.model_dump(), ()))


def _stamps(a: Manifest, b: Manifest) -> list[Revision]:
    """What a release says of itself: its version, the step and the release before it, how many texts it has."""
    sides = [
        {
            "text": side.text,
            "version": side.version,
            "change": side.change,
            **({"previous": f"{side.previous.version} {side.previous.manifest}"} if side.previous else {}),
        }
        for side in (a, b)
    ]
    return _pairs("release", *sides)


def other_bytes(a: str, b: str) -> Revision:
    """Two manifests, by their digests, that say the same in other bytes."""
    return _revision("release", "manifest", a, b, change=f"{short(a)} -> {short(b)} (the same, written differently)")


def _pairs(kind: RevisionKind, a: dict[str, str], b: dict[str, str]) -> list[Revision]:
    return [_revision(kind, name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)]


def _revision(kind: RevisionKind, name: str, a: str | None, b: str | None, change: str | None = None) -> Revision:
    words = f"{kind} {name}: {change or f'{short(a)} -> {short(b)}'}"
    return Revision(kind=kind, name=name, a=a, b=b, words=words)


def short(value: str | None) -> str:
    """A long digest or commit by its first 12 digits."""
    if value is None:
        return MISSING
    return " ".join(part[:12] if len(part) >= 32 and part.isalnum() else part for part in value.split(" "))
