"""What the emulated Hub keeps on disk: git repositories, large objects, and the Xet store beside them."""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hub.xet import XetStore

LFS_ENDINGS = ("7z", "arrow", "bin", "bz2", "gz", "npy", "npz", "parquet", "safetensors", "tar", "zip", "zst")
GIT_ATTRIBUTES = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LFS_ENDINGS)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
POINTER_FORM = re.compile(rb"version https://git-lfs\S+\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
POINTER_MOST = 200  # bytes; no larger blob can be a pointer


class HubError(Exception):
    """An answer other than success: status, message, and the code that the client turns into its exception."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


def timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


@dataclass(frozen=True)
class Repo:
    """A repository's address: `kind` is datasets or models, `name` is owner/name."""

    kind: str
    name: str

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Change:
    """One file of a commit; content None deletes it."""

    path: str
    content: bytes | None


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("repos", "lfs", "tmp"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self.xet = XetStore(root / "xorbs")
        self.part_bytes: int | None = None
        """Larger objects come over LFS in parts of this size; null: every object in one piece."""
        self._locks: dict[Repo, threading.RLock] = {}
        self._pointers: dict[str, dict[str, Any] | None] = {}
        self._lock = threading.RLock()

    def clear(self) -> None:
        """Forgets every repository and object, as if freshly started."""
        shutil.rmtree(self.root)
        self.tree.cache_clear()
        self.__init__(self.root)

    # Repositories

    def folder(self, repo: Repo) -> Path:
        return self.root / "repos" / repo.kind / f"{repo.name}.git"

    def meta(self, repo: Repo) -> dict[str, Any] | None:
        path = self.folder(repo) / "hub.json"
        return json.loads(path.read_text()) if path.exists() else None

    def git(self, repo: Repo, *arguments: str, data: bytes | None = None) -> bytes:
        command = ["git", "--git-dir", str(self.folder(repo)), *arguments]
        result = subprocess.run(command, input=data, capture_output=True, check=False)
        if result.returncode:
            raise HubError(500, f"git {arguments[0]}: {result.stderr.decode()[:500]}")
        return result.stdout

    def git_text(self, repo: Repo, *arguments: str) -> str:
        return self.git(repo, *arguments).decode().strip()

    def commit_of(self, repo: Repo, ref: str) -> str | None:
        try:
            return self.git_text(repo, "rev-parse", "-q", "--verify", f"{ref}^{{commit}}")
        except HubError:
            return None

    @contextmanager
    def locked(self, repo: Repo) -> Iterator[None]:
        with self._lock:
            lock = self._locks.setdefault(repo, threading.RLock())
        with lock:
            yield

    def create(self, repo: Repo, private: bool) -> None:
        folder = self.folder(repo)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
        first = [Change(".gitattributes", GIT_ATTRIBUTES.encode())]
        self.commit(repo, "main", None, "initial commit", "system", first)
        # Last: a repository is there for others only when it has its first commit.
        (folder / "hub.json").write_text(json.dumps({"private": private, "createdAt": timestamp(time.time())}))

    def resolve(self, repo: Repo, revision: str) -> str:
        """The commit of a branch, a tag, a full ref or a commit id; a name is tried as branch, then as tag."""
        plain = re.fullmatch("[0-9a-f]{7,40}", revision) or revision.startswith("refs/")
        candidates = [revision] if plain else []
        for candidate in (*candidates, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if commit := self.commit_of(repo, candidate):
                return commit
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def commit(
        self, repo: Repo, branch: str, parent: str | None, message: str, author: str, changes: list[Change]
    ) -> str:
        who = f"{author} <{author}@users.noreply.local> {int(time.time())} +0000"
        head = f"commit refs/heads/{branch}\nauthor {who}\ncommitter {who}\ndata {len(message.encode())}\n{message}\n"
        stream = [head.encode(), f"from {parent}\n".encode() if parent else b""]
        for change in changes:
            name = json.dumps(change.path, ensure_ascii=False)
            if change.content is None:
                stream.append(f"D {name}\n".encode())
            else:
                stream += [f"M 100644 inline {name}\ndata {len(change.content)}\n".encode(), change.content, b"\n"]
        self.git(repo, "fast-import", "--quiet", "--force", data=b"".join(stream) + b"\n")
        return self.git_text(repo, "rev-parse", f"refs/heads/{branch}")

    @functools.lru_cache(maxsize=4096)  # noqa: B019 (one store per process; a commit's tree never changes)
    def tree(self, repo: Repo, commit: str) -> dict[str, dict[str, Any]]:
        """Path -> entry, for every file and folder of a commit, as the Hub's API shows them."""
        entries: dict[str, dict[str, Any]] = {}
        for row in self.git(repo, "ls-tree", "-r", "-t", "-l", "-z", commit).split(b"\0")[:-1]:
            head, path = row.decode().split("\t", 1)
            _, kind, oid, size = head.split()
            if kind == "tree":
                entries[path] = {"type": "directory", "oid": oid, "size": 0, "path": path}
            else:
                entries[path] = {"type": "file", "oid": oid, "size": int(size), "path": path}
        for entry in entries.values():
            if entry["type"] == "file" and (pointer := self._pointer(repo, entry)):
                entry.update(size=pointer["size"], lfs=pointer)
                if pointer["oid"] in self.xet.by_sha256:
                    entry["xetHash"] = self.xet.by_sha256[pointer["oid"]]
        return entries

    def _pointer(self, repo: Repo, entry: dict[str, Any]) -> dict[str, Any] | None:
        """What the API calls `lfs` of a file whose blob is an LFS pointer."""
        if entry["size"] >= POINTER_MOST:
            return None
        if entry["oid"] not in self._pointers:
            match = POINTER_FORM.fullmatch(self.blob(repo, entry))
            self._pointers[entry["oid"]] = match and {
                "oid": match[1].decode(),
                "size": int(match[2]),
                "pointerSize": entry["size"],
            }
        return self._pointers[entry["oid"]]

    def blob(self, repo: Repo, entry: dict[str, Any]) -> bytes:
        return self.git(repo, "cat-file", "blob", entry["oid"])

    # Large objects

    def object_path(self, sha256: str) -> Path:
        return self.root / "lfs" / sha256[:2] / sha256

    def keep_object(self, sha256: str, temporary: Path) -> None:
        path = self.object_path(sha256)
        path.parent.mkdir(exist_ok=True)
        os.replace(temporary, path)

    def keep_part(self, sha256: str, number: int, content: bytes) -> str:
        """Keeps one part of an object; its ETag."""
        (self.root / "tmp" / f"{sha256}.part-{number}").write_bytes(content)
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def join_parts(self, sha256: str, etags: list[str]) -> None:
        """Makes an object of its parts, which are gone then: as on S3, the same request again finds no upload."""
        whole = self.root / "tmp" / f"{sha256}.whole"
        parts = [self.root / "tmp" / f"{sha256}.part-{number}" for number in range(1, len(etags) + 1)]
        if not all(part.exists() for part in parts):
            raise HubError(404, "NoSuchUpload")
        contents = [part.read_bytes() for part in parts]
        if [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in contents] != etags:
            raise HubError(400, "InvalidPart")
        if hashlib.sha256(b"".join(contents)).hexdigest() != sha256:
            raise HubError(400, "content does not match its sha256")
        whole.write_bytes(b"".join(contents))
        self.keep_object(sha256, whole)
        for part in parts:
            part.unlink()

    def has_object(self, sha256: str) -> bool:
        """True if the object is here; one that came over Xet is rebuilt, checked and kept."""
        if self.object_path(sha256).exists():
            return True
        if sha256 not in self.xet.by_sha256:
            return False
        temporary = self.root / "tmp" / f"{sha256}.{threading.get_ident()}"
        if self.xet.rebuild(sha256, temporary) != sha256:
            raise HubError(400, "xet content does not hash to the sha256 that was declared")
        self.keep_object(sha256, temporary)
        return True
