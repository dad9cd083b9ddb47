"""The requests of the emulated Hub that write: repositories, LFS objects, commits, tags and branches."""

import base64
import fnmatch
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.hub.desk import Desk
from tests.support.hub.reading import FRONT_MATTER
from tests.support.hub.store import GIT_ATTRIBUTES, POINTER, Change, HubError, Repo

REGULAR_MOST = 10 * 1024 * 1024  # bytes; larger files go to LFS whatever their name


def create_repo(desk: Desk, request: Request, body: bytes) -> Any:
    payload, user = json.loads(body), desk.known_user(request)
    owner, kind = payload.get("organization") or user.name, f"{payload.get('type', 'model')}s"
    if not user.may_write(owner):
        raise HubError(403, f'You don\'t have the rights to create a repo under the namespace "{owner}"')
    repo = Repo(kind, f"{owner}/{payload['name']}")
    with desk.store.locked(repo):
        if desk.store.meta(repo):
            return JSONResponse({"error": "You already created this repo", "url": desk.url(repo)}, 409)
        desk.store.create(repo, payload.get("visibility") == "private")
    return {"url": desk.url(repo), "name": repo.name}


def card_faults(text: str) -> list[str]:
    """What the Hub refuses in a card's metadata."""
    match = FRONT_MATTER.match(text)
    try:
        card = (yaml.safe_load(match[1]) or {}) if match else {}
    except yaml.YAMLError as error:
        return [f"YAML Metadata Error: {error}"]
    if not isinstance(card, dict):
        return ["YAML metadata must be a mapping"]
    return [] if isinstance(card.get("license", ""), str | list) else ['"license" must be a string']


def validate_card(desk: Desk, request: Request, body: bytes) -> Response:
    faults = [{"message": fault} for fault in card_faults(json.loads(body)["content"])]
    return JSONResponse({"errors": faults, "warnings": []}, 400 if faults else 200)


def write_ref(desk: Desk, request: Request, body: bytes) -> dict:
    """Creates or deletes a tag or a branch."""
    repo, payload = desk.repo(request, write=True), json.loads(body or b"{}")
    branch, revision = request.path_params["ref"] == "branch", unquote(request.path_params["revision"])
    name = revision if branch or request.method == "DELETE" else payload["tag"]
    ref = f"refs/{'heads' if branch else 'tags'}/{name}"
    with desk.store.locked(repo):
        exists = desk.store.commit_of(repo, ref)
        if request.method == "DELETE":
            if not exists:
                raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
            desk.store.git(repo, "update-ref", "-d", ref)
        elif exists:
            raise HubError(409, f"Reference already exists: {ref}")
        else:
            start = payload.get("startingPoint", "main") if branch else revision
            desk.store.git(repo, "update-ref", ref, desk.store.resolve(repo, start))
    return {}


def preupload(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    """Says for each file whether it goes inline or over LFS (or Xet), and which content is there now."""
    repo = desk.repo(request, write=True)
    commit = desk.commit(request, repo)
    tree = desk.store.tree(repo, commit)
    attributes = desk.store.blob(repo, tree[".gitattributes"]).decode() if ".gitattributes" in tree else GIT_ATTRIBUTES
    patterns = [line.split()[0] for line in attributes.splitlines() if "filter=lfs" in line]
    rows = []
    for file in json.loads(body)["files"]:
        name, old = file["path"].rsplit("/", 1)[-1], tree.get(file["path"])
        large = file["size"] > REGULAR_MOST or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        row = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if old and old["type"] == "file":
            row["oid"] = old["lfs"]["oid"] if "lfs" in old else old["oid"]
        rows.append(row)
    return {"files": rows, "commitOid": commit}


def lfs_batch(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    payload = json.loads(body)
    repo = desk.repo(request, write=payload["operation"] == "upload")
    rows = []
    for item in payload["objects"]:
        oid = item["oid"]
        row = {"oid": oid, "size": item["size"], "authenticated": True}
        if payload["operation"] == "download":
            row["actions"] = {"download": {"href": desk.object_url("_cdn", oid)}}
        elif not desk.store.has_object(oid):
            verify = {"href": f"{desk.base}/_lfs/{repo.kind}/{repo.name}/verify"}
            row["actions"] = {"upload": _upload_action(desk, oid, item["size"]), "verify": verify}
        rows.append(row)
    return {"transfer": "basic", "objects": rows}


def _upload_action(desk: Desk, oid: str, size: int) -> dict[str, Any]:
    """Where to send an object: in one piece, or each part to an address of its own and then word that all are sent."""
    part = desk.store.part_bytes
    if part is None or size <= part:
        return {"href": desk.object_url("_put", oid), "header": {}}
    parts = {f"{number:05}": desk.part_url(oid, number) for number in range(1, -(-size // part) + 1)}
    return {"href": f"{desk.base}/_complete/{oid}?sig={desk.sign(oid)}", "header": {"chunk_size": str(part), **parts}}


def put_part(desk: Desk, request: Request, body: bytes) -> Response:
    oid, number = request.path_params["oid"], request.path_params["number"]
    desk.check_signature(request, f"{oid}/{number}")
    if len(body) > desk.store.part_bytes:
        raise HubError(400, "EntityTooLarge")
    return Response(headers={"ETag": f'"{desk.store.keep_part(oid, int(number), body)}"'})


def complete_parts(desk: Desk, request: Request, body: bytes) -> dict:
    oid, payload = request.path_params["oid"], json.loads(body)
    desk.check_signature(request, oid)
    numbers = [part["partNumber"] for part in payload["parts"]]
    if payload["oid"] != oid or numbers != list(range(1, len(numbers) + 1)):
        raise HubError(400, "InvalidPartOrder")
    desk.store.join_parts(oid, [part["etag"].strip('"') for part in payload["parts"]])
    return {}


def put_object(desk: Desk, request: Request, body: bytes) -> Response:
    """Keeps a large object; the content must hash to its name."""
    oid = request.path_params["oid"]
    desk.check_signature(request, oid)
    if hashlib.sha256(body).hexdigest() != oid:
        raise HubError(400, "content does not match its sha256")
    with tempfile.NamedTemporaryFile(dir=desk.store.root / "tmp", delete=False) as out:
        out.write(body)
    desk.store.keep_object(oid, Path(out.name))
    return Response(status_code=200)


def verify_object(desk: Desk, request: Request, body: bytes) -> dict:
    desk.repo(request, write=True)
    payload = json.loads(body)
    path = desk.store.object_path(payload["oid"])
    if not path.exists() or path.stat().st_size != payload["size"]:
        raise HubError(404, "object not found or of another size")
    return {}


def commit(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    """One commit on a branch; refused when the branch has moved on from `parentCommit`."""
    repo, branch = desk.repo(request, write=True), unquote(request.path_params["revision"])
    head, *lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    with desk.store.locked(repo):
        parent = desk.store.commit_of(repo, f"refs/heads/{branch}")
        if parent is None:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if not parent.startswith(head["value"].get("parentCommit", "")):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        changes = [_change(desk, line, desk.store.tree(repo, parent)) for line in lines]
        author = desk.known_user(request).name
        oid = desk.store.commit(repo, branch, parent, head["value"]["summary"], author, changes)
    url = f"{desk.url(repo)}/commit/{oid}"
    return {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}


def _change(desk: Desk, line: dict[str, Any], tree: dict[str, Any]) -> Change:
    kind, value = line["key"], line["value"]
    path = value["path"].strip("/")
    if {"..", ".git"} & set(path.split("/")):
        raise HubError(400, f"invalid path {path}")
    if kind == "lfsFile":
        if not desk.store.has_object(value["oid"]):
            raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
        size = desk.store.object_path(value["oid"]).stat().st_size
        return Change(path, POINTER.format(value["oid"], size).encode())
    if kind == "file":
        content = base64.b64decode(value["content"])
        if path == "README.md" and (faults := card_faults(content.decode())):
            raise HubError(400, faults[0])
        return Change(path, content)
    if path not in tree:
        raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
    return Change(path, None)
