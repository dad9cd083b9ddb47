"""The requests of the emulated Hub that read: repositories, trees, refs, history and files."""

import re
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import yaml
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from tests.support.hub.desk import Desk, ranged
from tests.support.hub.store import HubError, Repo, timestamp

FRONT_MATTER = re.compile(r"---\r?\n(.*?)\r?\n---", re.S)


def whoami(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    user = desk.known_user(request)
    return {
        "type": "user",
        "id": user.name,
        "name": user.name,
        "fullname": user.name,
        "email": None,
        "orgs": [{"name": name} for name in user.namespaces[1:]],
        "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": user.role}},
    }


def info(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    store, repo = desk.store, desk.repo(request)
    commit, meta = desk.commit(request, repo), store.meta(repo)
    files = [entry for entry in store.tree(repo, commit).values() if entry["type"] == "file"]
    return {
        "_id": repo.name,
        "id": repo.name,
        "author": repo.owner,
        "sha": commit,
        "private": meta["private"],
        "lastModified": timestamp(int(store.git_text(repo, "log", "-1", "--format=%ct", commit))),
        "createdAt": meta["createdAt"],
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": _card(desk, repo, commit),
        "siblings": [_sibling(entry, "blobs" in request.query_params) for entry in files],
        "usedStorage": sum(entry["size"] for entry in files),
    }


def _sibling(entry: dict[str, Any], blobs: bool) -> dict[str, Any]:
    shown = {"rfilename": entry["path"]}
    if blobs:
        shown |= {"size": entry["size"], "blobId": entry["oid"]}
        if "lfs" in entry:
            shown["lfs"] = {**entry["lfs"], "sha256": entry["lfs"]["oid"]}
    return shown


def _card(desk: Desk, repo: Any, commit: str) -> dict[str, Any]:
    entry = desk.store.tree(repo, commit).get("README.md")
    match = FRONT_MATTER.match(desk.store.blob(repo, entry).decode()) if entry else None
    return yaml.safe_load(match[1]) if match else {}


def tree(desk: Desk, request: Request, body: bytes) -> Response:
    """One page of a folder, or of everything below it; the next page is named in the Link header."""
    repo, query = desk.repo(request), request.query_params
    commit = desk.commit(request, repo)
    base = unquote(request.path_params.get("path", "")).strip("/")
    entries = desk.store.tree(repo, commit)
    if base and entries.get(base, {}).get("type") != "directory":
        raise HubError(404, f"{base} does not exist on {commit}", "EntryNotFound")
    inside, deep = f"{base}/" if base else "", query.get("recursive") == "true"
    rows = [
        entry
        for path, entry in entries.items()
        if path.startswith(inside) and (deep or "/" not in path.removeprefix(inside))
    ]
    expanded = query.get("expand", "").lower() == "true"
    limit, start = int(query.get("limit", 1000)), int(query.get("cursor", 0))
    headers = {}
    if start + limit < len(rows):
        url = f"{desk.base}{quote(request.url.path)}?recursive={str(deep).lower()}&expand={str(expanded).lower()}"
        headers["Link"] = f'<{url}&limit={limit}&cursor={start + limit}>; rel="next"'
    page = rows[start : start + limit]
    return JSONResponse(_with_commits(desk, repo, commit, page) if expanded else page, headers=headers)


def _with_commits(desk: Desk, repo: Repo, commit: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of a tree, each with the commit that last touched it."""
    result = []
    for row in rows:
        line = desk.store.git_text(repo, "log", "-1", "--format=%H%x00%ct%x00%s", commit, "--", row["path"])
        oid, date, title = line.split("\0")
        result.append({**row, "lastCommit": {"id": oid, "date": timestamp(int(date)), "title": title}})
    return result


def paths_info(desk: Desk, request: Request, body: bytes) -> list[dict[str, Any]]:
    repo = desk.repo(request)
    commit = desk.commit(request, repo)
    entries = desk.store.tree(repo, commit)
    form = parse_qs(body.decode())
    entries_of = [entries[path.strip("/")] for path in form.get("paths", []) if path.strip("/") in entries]
    expanded = form.get("expand", [""])[0].lower() == "true"
    return _with_commits(desk, repo, commit, entries_of) if expanded else entries_of


def refs(desk: Desk, request: Request, body: bytes) -> dict[str, list]:
    repo, result = desk.repo(request), {"branches": [], "converts": [], "tags": [], "pullRequests": []}
    form = "%(refname)%00%(objectname)%00%(*objectname)"
    for line in desk.store.git_text(repo, "for-each-ref", f"--format={form}").splitlines():
        ref, oid, peeled = line.split("\0")
        kind = "tags" if ref.startswith("refs/tags/") else "branches"
        result[kind].append({"name": ref.split("/", 2)[2], "ref": ref, "targetCommit": peeled or oid})
    return result


def commits(desk: Desk, request: Request, body: bytes) -> list[dict[str, Any]]:
    repo = desk.repo(request)
    form = "--format=%H%x00%an%x00%ct%x00%s"
    lines = desk.store.git_text(repo, "log", form, desk.commit(request, repo)).splitlines()
    return [
        {"id": oid, "authors": [{"user": author}], "date": timestamp(int(date)), "title": title, "message": ""}
        for oid, author, date, title in (line.split("\0") for line in lines)
    ]


def resolve(desk: Desk, request: Request, body: bytes) -> Response:
    """A file: small ones at once, large ones by a redirect to the other address."""
    store, repo, path = desk.store, desk.repo(request), unquote(request.path_params["path"])
    commit = desk.commit(request, repo)
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    entry = store.tree(repo, commit).get(path)
    if entry is None or entry["type"] != "file":
        raise HubError(404, "Entry not found", "EntryNotFound", headers)
    if "lfs" not in entry:
        plain = {"ETag": f'"{entry["oid"]}"', "Content-Type": "application/octet-stream"}
        return ranged(request, store.blob(repo, entry), headers | plain)
    oid = entry["lfs"]["oid"]
    headers |= {"ETag": f'"{oid}"', "X-Linked-ETag": f'"{oid}"', "X-Linked-Size": str(entry["size"])}
    headers["Location"] = desk.object_url("_cdn", oid)
    if "xetHash" in entry:
        token_url = f"{desk.base}/api/{repo.kind}/{repo.name}/xet-read-token/{commit}"
        headers |= {"X-Xet-Hash": entry["xetHash"], "Link": f'<{token_url}>; rel="xet-auth"'}
    return Response(b"Found. Redirecting", 302, headers)


def large_object(desk: Desk, request: Request, body: bytes) -> Response:
    oid = request.path_params["oid"]
    desk.check_signature(request, oid)
    if not desk.store.has_object(oid):
        raise HubError(404, "no such object")
    return FileResponse(desk.store.object_path(oid), headers={"ETag": f'"{oid}"'})
