"""Who asks, for which repository, and whether they may: shared by every request of the emulated Hub."""

import hashlib
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from tests.support.hub.store import HubError, Repo, Store

# Tokens long and odd enough to be found wherever one of them should not be.
WRITER, READER, OTHER = "hf_kQvWriterZx81", "hf_kQvReaderZx82", "hf_kQvOtherZx83"


@dataclass(frozen=True)
class User:
    """The owner of a token: namespaces they belong to (their own name first) and the token's role."""

    name: str
    namespaces: tuple[str, ...]
    role: str  # read | write

    def may_write(self, owner: str) -> bool:
        return self.role == "write" and owner in self.namespaces


@dataclass(frozen=True)
class Desk:
    """The state behind every request; `base` and `cdn` are the two addresses it is served under."""

    store: Store
    base: str
    cdn: str
    users: dict[str, User]

    def user(self, request: Request) -> User | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        user = self.users.get(header.removeprefix("Bearer "))
        if user is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return user

    def known_user(self, request: Request) -> User:
        user = self.user(request)
        if user is None:
            raise HubError(401, "Invalid username or password.")
        return user

    def repo(self, request: Request, write: bool = False) -> Repo:
        """The repository of the request's path, if the user may see (or write) it."""
        part = request.path_params
        repo = Repo(part.get("kind", "models"), f"{part['owner']}/{part['name'].removesuffix('.git')}")
        user, meta = self.user(request), self.store.meta(repo)
        hidden = meta is not None and meta["private"] and (user is None or repo.owner not in user.namespaces)
        if meta is None or hidden:
            raise HubError(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and not self.known_user(request).may_write(repo.owner):
            raise HubError(403, "You don't have the rights to write to this repo: use a token with write access")
        return repo

    def commit(self, request: Request, repo: Repo) -> str:
        """The commit that the request's revision names."""
        return self.store.resolve(repo, unquote(request.path_params.get("revision", "main")))

    def url(self, repo: Repo) -> str:
        return f"{self.base}/{'' if repo.kind == 'models' else repo.kind + '/'}{repo.name}"

    def sign(self, text: str) -> str:
        return hashlib.sha256(f"emulated:{text}".encode()).hexdigest()[:16]

    def check_signature(self, request: Request, text: str) -> None:
        if request.query_params.get("sig") != self.sign(text):
            raise HubError(403, "signature mismatch")

    def part_url(self, sha256: str, number: int) -> str:
        return f"{self.cdn}/_part/{sha256}/{number}?sig={self.sign(f'{sha256}/{number}')}"

    def object_url(self, folder: str, sha256: str) -> str:
        return f"{self.cdn}/{folder}/{sha256}?sig={self.sign(sha256)}"


def ranged(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    """`data`, or the part of it that the request's Range header asks for."""
    rows = request.headers.get("range", "")
    if not rows.startswith("bytes="):
        return Response(data, 200, headers)
    first, last = rows.removeprefix("bytes=").split("-")
    start, end = int(first), min(int(last or len(data)), len(data) - 1)
    if start >= len(data):
        raise HubError(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{len(data)}"})
    part = headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
    return Response(data[start : end + 1], 206, part)
