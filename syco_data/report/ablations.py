"""Which arms of a build can be compared, read from their settings: conditions, seeds, and curves.

Two arms stand on one curve when they differ in the curve's own setting and, at most, in the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syco_data.report.figures import Axis
from syco_data.settings import Finetune, Settings


@dataclass(frozen=True)
class Curve:
    """Arms in the order of their places on the axis; `common` says what they share."""

    name: str
    title: str
    says: str
    axis: Axis
    arms: tuple[str, ...]
    places: tuple[float, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Seeds:
    """Arms that differ in the seed alone; the first of them names the group."""

    arms: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class _Kind:
    """A setting that a curve runs over: `of` reads its value, `keys` are the settings that may differ."""

    name: str
    title: str
    says: str
    axis: str
    form: str
    logarithmic: bool
    keys: tuple[str, ...]
    of: Callable[[Finetune], float]


def share(choice: Finetune) -> float:
    """The share of generated rows among all that are trained on."""
    return choice.parts.generated / (choice.parts.generated + choice.parts.instruction)


_KINDS = (
    _Kind(
        "mixture", "How much of the training is generated data", "Figures 11 and 12 of the paper. The rest is "
        "ordinary instruction data; the number of steps stays the same.",
        "generated data", ".0%", False, ("parts",), share,
    ),
    _Kind(
        "steps", "How long the model is tuned", "Figures 13 and 14 of the paper. The mixture stays the same.",
        "optimiser steps", ",.0f", True, ("steps",), lambda choice: float(choice.steps),
    ),
)  # fmt: skip


def plain(settings: Settings) -> tuple[str, ...]:
    """The arms that differ in their data alone: those that are compared side by side."""
    arms = tuple(arm for arm in settings.build.arms if not settings.arms[arm].finetune)
    return arms or settings.build.arms[:1]


def conditions(settings: Settings) -> tuple[str, ...]:
    """The first arm of every different training set."""
    first = {_data(settings, arm): arm for arm in reversed(settings.build.arms)}
    return tuple(arm for arm in settings.build.arms if arm in first.values())


def _data(settings: Settings, arm: str) -> str:
    return settings.arms[arm].model_copy(update={"finetune": {}}).model_dump_json()


def _rest(settings: Settings, arm: str, free: tuple[str, ...]) -> tuple[str, str]:
    """Everything about an arm but the free settings of its tuning: what must be equal."""
    choice: dict[str, Any] = settings.tuning(arm).model_dump(mode="json", exclude=set(free))
    return _data(settings, arm), str(sorted(choice.items()))


def _groups(settings: Settings, free: tuple[str, ...]) -> list[list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for arm in settings.build.arms:
        groups.setdefault(_rest(settings, arm, free), []).append(arm)
    return list(groups.values())


def seeds(settings: Settings) -> tuple[Seeds, ...]:
    """Groups of at least two arms that differ in the seed alone."""
    groups = [group for group in _groups(settings, ("seed",)) if len(group) > 1]
    return tuple(Seeds(tuple(arms), tuple(settings.tuning(arm).seed for arm in arms)) for arms in groups)


def curves(settings: Settings) -> tuple[Curve, ...]:
    """A curve for every setting that takes at least three values among arms that are alike otherwise."""
    return tuple(
        _curve(kind, group, settings)
        for kind in _KINDS
        for group in _groups(settings, (*kind.keys, "seed"))
        if len({kind.of(settings.tuning(arm)) for arm in group}) > 2
    )


def _curve(kind: _Kind, arms: list[str], settings: Settings) -> Curve:
    placed = sorted((kind.of(settings.tuning(arm)), settings.tuning(arm).seed, arm) for arm in arms)
    places, numbers, names = zip(*placed, strict=True)
    axis = Axis(kind.axis, tuple(dict.fromkeys(places)), kind.form, kind.logarithmic)
    name = f"{kind.name}-{arms[0].replace('_', '-')}"
    return Curve(name, kind.title, kind.says, axis, names, places, numbers)
