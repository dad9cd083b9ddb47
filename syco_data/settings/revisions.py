"""Every revision on the Hub that the settings name, and that a build takes commits only: branches and tags can move."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from syco_data.errors import SycoError
from syco_data.settings import places
from syco_data.settings.places import HUB_ID
from syco_data.sources import SOURCES
from syco_data.words import listed

if TYPE_CHECKING:
    from syco_data.settings.whole import Settings

COMMIT = re.compile(r"[0-9a-f]{40}")
LOCK = "python -m syco_data lock"
SUITES = {"mmlu": "cais/mmlu", "bbh": "SaylorTwift/bbh"}
"""The data sets that lm-evaluation-harness takes the questions of a suite from."""
_SHOWN = 3  # revisions that a message names


@dataclass(frozen=True)
class Named:
    """A revision in params.yaml: its full key, the repository on the Hub that it is of, and its value."""

    key: str
    kind: Literal["dataset", "model"]
    repository: str
    revision: str | None

    @property
    def is_pinned(self) -> bool:
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None


def named(settings: "Settings") -> list[Named]:
    """Every revision in the settings, whether this build asks the Hub for it or not."""
    capability, surveys, instructions = settings.evaluate.capability, settings.probes.surveys, settings.instructions
    references = [
        Named(f"sources.{key}.revision", "dataset", SOURCES[key].hub_id, choice.revision)
        for key, choice in settings.sources.items()
    ]
    references += [
        Named(f"models.{name}.revision", "model", model.source, model.revision)
        for name, model in settings.models.items()
        if model.is_on_hub and HUB_ID.fullmatch(model.source)
    ]
    references.append(Named("probes.surveys.revision", "dataset", surveys.repository, surveys.revision))
    if instructions.hub_id is not None:
        references.append(Named("instructions.revision", "dataset", instructions.hub_id, instructions.revision))
    revisions = capability.revisions.model_dump()
    return references + [
        Named(f"evaluate.capability.revisions.{suite}", "dataset", SUITES[suite], revision)
        for suite, revision in revisions.items()
    ]


def used(settings: "Settings") -> list[Named]:
    """The revisions that this build asks the Hub for."""
    keys = _asked(settings)
    return [one for one in named(settings) if keys(one.key)]


def _asked(settings: "Settings") -> Callable[[str], bool]:
    capability = settings.evaluate.capability
    sources = settings.participating() if settings.acquire.origin == "hub" else []
    keys = {f"sources.{key}.revision" for key in sources}
    keys |= {f"models.{name}.revision" for name in settings.build.models}
    keys |= {"probes.surveys.revision"} if settings.probes.surveys.origin == "hub" else set()
    keys |= {"instructions.revision"} if settings.instructions.origin == "hub" else set()
    suites = {task.partition("_")[0] for task in capability.tasks} if capability.origin == "hub" else set()
    keys |= {f"evaluate.capability.revisions.{suite}" for suite in suites}
    return keys.__contains__


def require_commits(settings: "Settings") -> None:
    """Raises `SycoError` when a revision that this build asks for could move, or a folder or template is not there."""
    places.require(settings)
    loose = [one for one in used(settings) if not one.is_pinned]
    if not loose:
        return
    shown = listed((f"{one.key} is {one.revision or 'null'} ({one.repository})" for one in loose), 1000, _SHOWN)
    raise SycoError(
        f"params.yaml: {shown}: a revision on the Hub must be a commit of 40 digits, as others can move",
        f"{_folders(loose)}Pin all of them: {LOCK}",
    )


def _folders(loose: list[Named]) -> str:
    """A hint for a source that may be meant as a folder: OWNER/NAME is the form of both."""
    names = [one.repository for one in loose if one.kind == "model" and one.revision is None]
    if not names:
        return ""
    return f"There is no folder {names[0]} here{' (make smollm2 makes it)' if names[0] == 'models/smollm2' else ''}. "
