"""How things on the Hub are called: repositories, commits, versions and their tags."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from syco_data import redaction
from syco_data.errors import SycoError
from syco_data.settings.revisions import COMMIT

NUMBER = re.compile(r"v?(\d{1,9}\.\d{1,9}\.\d{1,9})", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")


def check_repository(name: str) -> str:
    """The name itself, if the Hub could have a repository of that name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise SycoError(f"{name!r} is not a name of a repository: {error}", "Write it as OWNER/NAME") from error
    if not _REPOSITORY.fullmatch(name):
        raise SycoError(f"{name!r} is not a name of a repository", "Write it as OWNER/NAME")
    if redaction.masked(name) != name:
        raise SycoError(f"{name!r} holds a token, and a name is public. Nothing was asked", "Write it as OWNER/NAME")
    return name


@dataclass(frozen=True)
class Address:
    """A release on the Hub: OWNER/NAME@VERSION, where a version is like 1.2.0 (v1.2.0) or a commit of 40 digits."""

    repository: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        repository, at, version = text.partition("@")
        if not at:
            raise SycoError(f"{text!r} names no version", f"Write it as {repository}@VERSION, such as @1.0.0")
        return cls.of(repository, version)

    @classmethod
    def of(cls, repository: str, version: str) -> "Address":
        number = NUMBER.fullmatch(version)
        if not number and not COMMIT.fullmatch(version):
            raise SycoError(f"{version!r} is not a version of a release", "Give one like 1.2.0, or a full commit id")
        return cls(check_repository(repository), number[1] if number else version)

    @staticmethod
    def looks_like(text: str) -> bool:
        """Whether a command's argument means a release on the Hub, and no folder or git revision."""
        repository, at, _ = text.partition("@")
        return bool(at) and _REPOSITORY.fullmatch(repository) is not None

    @property
    def is_commit(self) -> bool:
        return COMMIT.fullmatch(self.version) is not None

    def __str__(self) -> str:
        return f"{self.repository}@{self.version}"


def tag_of(version: str) -> str:
    """The tag under which a version stands on the Hub."""
    return f"v{version}"


def versions(tags: Mapping[str, str]) -> dict[tuple[int, ...], str]:
    """The commits of published versions, the greatest first: a tag of another form may stand on anything."""
    numbers = {tuple(map(int, match[1].split("."))): commit for tag, commit in tags.items()
               if (match := NUMBER.fullmatch(tag))}  # fmt: skip
    return dict(sorted(numbers.items(), reverse=True))
