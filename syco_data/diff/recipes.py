"""What two releases were made from, compared: settings, sources, models, templates, programs, code; in words."""

from dataclasses import dataclass
from typing import Any

from syco_data.diff.records import Revision, Setting
from syco_data.releasing.manifest import Manifest

MISSING = "nothing"


@dataclass(frozen=True)
class Differences:
    """`settings` and `revisions` that differ between two manifests, and questions that the causes ask of them."""

    settings: tuple[Setting, ...]
    revisions: tuple[Revision, ...]
    sources_a: frozenset[str]
    sources_b: frozenset[str]

    def words(self, *prefixes: str) -> str | None:
        """The settings below these keys that differ, in words; None when none does."""
        found = [s.words for s in self.settings if any(f"{s.key}.".startswith(f"{prefix}.") for prefix in prefixes)]
        return "; ".join(found) or None

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
        found = self.revised("commit")
        return found["program"].words if "program" in found else None


def differences(a: Manifest, b: Manifest) -> Differences:
    settings = tuple(_settings("", a.settings, b.settings))
    revisions = (
        *_sources(a, b),
        *_models(a, b),
        *_pairs("template", a.templates, b.templates),
        *_environment(a, b),
        *_commit(a, b),
    )
    return Differences(settings, revisions, frozenset(a.sources), frozenset(b.sources))


def _settings(key: str, a: Any, b: Any) -> list[Setting]:
    """Leaves that differ; a list is one leaf."""
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted({*a, *b})
        return [s for name in names for s in _settings(f"{key}.{name}".lstrip("."), a.get(name), b.get(name))]
    # A flag is no number here: true and 1 are different settings.
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return []
    return [Setting(key=key, a=a, b=b, words=f"{key}: {say(a)} -> {say(b)}")]


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
    """Per source: its presence, and separately what identifies its rows and how they may be shown."""
    found = []
    for name in sorted({*a.sources, *b.sources}):
        one, other = a.sources.get(name), b.sources.get(name)
        if one is None or other is None:
            found.append(
                _revision("source", name, "absent" if one is None else "used", "used" if one is None else "absent")
            )
            continue
        if one.get("content_digest") != other.get("content_digest"):
            found.append(_revision("source", f"{name} rows", _rows(one), _rows(other)))
        elif one.get("revision") != other.get("revision"):
            found.append(_revision("source", f"{name} revision", one.get("revision"), other.get("revision")))
        if one.get("release") != other.get("release"):
            found.append(_revision("source", f"{name} licence", one.get("release"), other.get("release")))
    return found


def _rows(record: dict[str, Any]) -> str:
    """What names the rows of a source: its revision and the digest of what was read."""
    return f"{record.get('revision') or record.get('origin')} ({str(record.get('content_digest'))[:12]})"


def _models(a: Manifest, b: Manifest) -> list[Revision]:
    return _pairs("model", *({name: model_words(record) for name, record in side.models.items()} for side in (a, b)))


def model_words(record: dict[str, Any]) -> str:
    """A model's source, revision and the digest of its weights, whichever are known."""
    known = (record.get("source"), record.get("revision"), record.get("digest"))
    return " ".join(str(part) for part in known if part is not None)


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
    return _pairs("commit", *({"program": word} if word else {} for word in words))


def _pairs(kind: str, a: dict[str, str], b: dict[str, str]) -> list[Revision]:
    return [_revision(kind, name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)]


def _revision(kind: str, name: str, a: str | None, b: str | None) -> Revision:
    words = f"{kind} {name}: {short(a)} -> {short(b)}"
    return Revision(kind=kind, name=name, a=a, b=b, words=words)


def short(value: str | None) -> str:
    """A long digest or commit by its first 12 digits."""
    if value is None:
        return MISSING
    return " ".join(part[:12] if len(part) >= 32 and part.isalnum() else part for part in value.split(" "))
