"""A repository on the Hub, as publishing, pulling and comparing need it.

Every call of the client goes through `Remote.ask`, which holds it to the limits of time and to the form that an
answer has; what may pass is tried again; every error leaves as one `SycoError` that cannot hold the token. The token
comes from the environment or the login cache and is kept nowhere else.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from syco_data import files, redaction
from syco_data.errors import SycoError
from syco_data.hub import limits, retries
from syco_data.hub.addresses import COMMIT, check_repository
from syco_data.hub.errors import SIGN_IN, explained, short
from syco_data.hub.retries import Misunderstood
from syco_data.settings import Hub

Answer = TypeVar("Answer")
Kind = Literal["dataset", "model"]

RETRY = Hub(attempts=5, first_wait=1.0, longest_wait=30.0, no_answer=60.0, total=21_600.0)
"""For reading, which also happens where no params.yaml is; in seconds."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class State:
    """A repository as it is now: its visibility and the commit at the head of `main`."""

    private: bool
    head: str


@dataclass(frozen=True)
class Blob:
    """A file of a commit: `sha256` of a large file's content, else None and `git_id` is its git blob id."""

    bytes: int
    sha256: str | None
    git_id: str


def sign_in(retry: Hub = RETRY) -> str | None:
    """The user's token, checked to be one that can be sent at all; None when there is none.

    Raises `SycoError` where the login cache, or who else gives tokens, cannot be used.
    """
    from huggingface_hub import get_token

    if not redaction.in_environment():
        _check_login_cache()
    try:
        # The client may ask the Hub for a token, or for a fresh one.
        token = retries.ask(get_token, "sign in", retry, limits.deadline(retry.total))
    except retries.failures() as error:
        raise SycoError(f"no token can be had: {short(error)}", SIGN_IN) from error
    # The HTTP client would quote a header that it cannot send, token and all.
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise SycoError("the token holds characters that no token has", SIGN_IN)
    if token is not None:
        redaction.remember(token)
    return token


def _check_login_cache() -> None:
    """The client would wait for a pipe, and stumble over what is not text."""
    from huggingface_hub import constants

    try:
        files.read_text(Path(constants.HF_TOKEN_PATH), redaction.LARGEST)
    except FileNotFoundError:
        return
    except SycoError as error:
        raise SycoError(
            f"the token that `hf auth login` keeps: {error.what}", "Remove that file, or set HF_TOKEN"
        ) from error


class Remote:
    """One repository; the methods raise `SycoError`, apart from `commit` and `create_tag` (see there)."""

    def __init__(self, repository: str, kind: Kind, retry: Hub) -> None:
        from huggingface_hub import HfApi

        token = sign_in(retry)
        self.repository, self.kind, self.retry = check_repository(repository), kind, retry
        self.deadline = limits.deadline(retry.total)
        self.signed_in = token is not None
        # False, not None: the client would look for a token again, past the check.
        self.api = HfApi(token=token or False)
        self._same = {"repo_id": repository, "repo_type": kind}

    @property
    def name(self) -> str:
        return f"{self.kind} repository '{self.repository}'"

    def attempt(self, doing: str, call: Callable[[], Answer], also: frozenset[int] = frozenset()) -> Answer:
        """What `call` returns, tried again where it helps; its last error in one line.

        Whatever `call` asks of the client it asks by `ask`. `doing` names the step for people.
        """
        try:
            return retries.persistent(call, self.retry, self.deadline, also)
        except SycoError:
            raise
        except retries.failures() as error:
            raise explained(error, self.name, doing, self.signed_in) from error

    def ask(self, doing: str, call: Callable[[], Answer], folder: Path | None = None) -> Answer:
        """The answer to one call of the client, and of nothing else, within the limits of time; see `retries.ask`.

        `folder` is where downloaded files arrive, to say what is there when the time is over.
        """
        return retries.ask(call, doing, self.retry, self.deadline, folder)

    def _answer(self, doing: str, call: Callable[[], Answer]) -> Answer:
        """One call, tried again where it helps."""
        return self.attempt(doing, lambda: self.ask(doing, call))

    def state(self) -> State | None:
        """None where the Hub shows no such repository."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def look() -> State | None:
            try:
                info = self.ask("look up", lambda: self.api.repo_info(**self._same))
            except RepositoryNotFoundError as error:
                # A 401 may speak of the token; without one, the Hub answers so for every unknown name.
                if retries.status(error) == 401 and self.signed_in:
                    raise
                return None
            if not isinstance(info.private, bool):
                raise Misunderstood("no visibility")
            return State(private=info.private, head=commit_id(info.sha))

        return self.attempt("look up", look)

    def existing(self) -> State:
        """The state of a repository that must be there."""
        state = self.state()
        if state is None:
            raise SycoError(f"{self.name} is not there, or this token may not see it", "Compare with: hf auth whoami")
        return state

    def create(self, private: bool) -> None:
        self._answer("create", lambda: self.api.create_repo(**self._same, private=private, exist_ok=True))

    def tags(self) -> dict[str, str]:
        """Tag -> commit."""

        def look() -> dict[str, str]:
            refs = self.ask("list tags", lambda: self.api.list_repo_refs(**self._same))
            if not all(isinstance(tag.name, str) for tag in refs.tags):
                raise Misunderstood("a tag without a name")
            return {tag.name: commit_id(tag.target_commit) for tag in refs.tags}

        return self.attempt("list tags", look)

    def tree(self, commit: str) -> dict[str, Blob]:
        """Path -> file, for every file of a commit; nothing is downloaded."""
        from huggingface_hub import RepoFile

        def look() -> dict[str, Blob]:
            listing = lambda: list(self.api.list_repo_tree(**self._same, revision=commit, recursive=True))  # noqa: E731
            # A commit without any file is rare, and a hasty answer that says so is not: it is asked for twice.
            entries = self.ask("list files", listing) or self.ask("list files", listing)
            files = [entry for entry in entries if isinstance(entry, RepoFile)]
            return dict(map(_blob, files))

        return self.attempt("list files", look)

    def listing(self, commit: str) -> dict[str, Blob]:
        """The files of a commit; an empty listing is not believed at once: it would hide a card that holds words."""
        return self.tree(commit) or self.tree(commit)

    def url(self, revision: str) -> str:
        """The page of the repository at a revision."""
        kind = "datasets/" if self.kind == "dataset" else ""
        return f"{self.api.endpoint}/{kind}{self.repository}/tree/{revision}"

    def file(self, commit: str, path: str, folder: Path) -> Path:
        """Downloads one file into a folder."""
        from huggingface_hub import hf_hub_download

        call = lambda: hf_hub_download(  # noqa: E731
            **self._same, filename=path, revision=commit, local_dir=folder, token=self.api.token
        )
        return Path(self._answer(f"download {path}", call))

    def commit(self, operations: Iterable[Any], parent: str, message: str) -> str:
        """One commit on top of `parent`, tried once: a lost answer is ambiguous. Raises the client's own errors."""
        call = lambda: self.api.create_commit(  # noqa: E731
            **self._same, operations=operations, commit_message=message, parent_commit=parent
        )
        return commit_id(self.ask("commit", call).oid)

    def create_tag(self, tag: str, commit: str) -> None:
        """Tried once, for the same reason; raises the client's own errors."""
        self.ask("set the tag", lambda: self.api.create_tag(**self._same, tag=tag, revision=commit))


def commit_id(answer: Any) -> str:
    """A commit as the Hub names it: 40 digits, or the answer is not understood."""
    if not isinstance(answer, str) or not COMMIT.fullmatch(answer):
        raise Misunderstood("no commit of 40 digits")
    return answer


def _blob(file: Any) -> tuple[str, Blob]:
    """A file of a listing, its values of the types and the form that they have."""
    sha256 = file.lfs.sha256 if file.lfs else None
    sound = isinstance(file.path, str) and type(file.size) is int and file.size >= 0 and isinstance(file.blob_id, str)
    if not sound or not (sha256 is None or (isinstance(sha256, str) and _SHA256.fullmatch(sha256))):
        raise Misunderstood("a file of another form")
    return file.path, Blob(file.size, sha256, file.blob_id)
