"""The requests of the emulated Xet store: tokens, xorbs, shards and the plan by which a file is rebuilt."""

import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.hub.desk import Desk, ranged
from tests.support.hub.store import HubError
from tests.support.hub.xet import Term, XetError, XetStore

TOKEN_SECONDS = 900


def token(desk: Desk, request: Request, body: bytes) -> Response:
    write = request.path_params["scope"] == "write"
    desk.repo(request, write=write)
    expires = int(time.time()) + TOKEN_SECONDS
    value = f"{'w' if write else 'r'}.{expires}.{desk.sign(f'xet{write}{expires}')}"
    url = f"{desk.cdn}/_cas"
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": value, "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"casUrl": url, "exp": expires, "accessToken": value}, headers=headers)


def _check_token(desk: Desk, request: Request, write: bool) -> None:
    header = request.headers.get("authorization", "").removeprefix("Bearer ")
    scope, expires, signature = (header + "..").split(".")[:3]
    if signature != desk.sign(f"xet{scope == 'w'}{expires}") or int(expires) < time.time():
        raise HubError(401, "bad or expired xet token")
    if write and scope != "w":
        raise HubError(403, "token has no write scope")


def add_xorb(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    _check_token(desk, request, write=True)
    return {"was_inserted": desk.store.xet.add_xorb(request.path_params["hash"], body)}


def add_shard(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    _check_token(desk, request, write=True)
    try:
        desk.store.xet.add_shard(body)
    except XetError as error:
        raise HubError(400, str(error)) from error
    return {"result": 1}


def reconstruction(desk: Desk, request: Request, body: bytes) -> dict[str, Any]:
    """Which chunks of which xorbs make up the asked range of a file, and where to fetch them."""
    _check_token(desk, request, write=False)
    xet = desk.store.xet
    if request.path_params["hash"] not in xet.files:
        raise HubError(404, "file not found")
    terms = xet.files[request.path_params["hash"]]
    total = sum(term.size for term in terms)
    rows = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", f"bytes=0-{total}"))
    start, end = int(rows[1]), min(int(rows[2]) + 1, total)
    if start >= total:
        raise HubError(416, "range not satisfiable")
    skip, shown, fetch, at = None, [], {}, 0
    for term in terms:
        kept = _overlap(xet, term, start - at, end - at)
        if kept:
            if skip is None:
                skip = start - at - sum(chunk.size for chunk in xet.chunks(term.xorb)[term.first : kept[0]])
            where = {"start": kept[0], "end": kept[-1] + 1}
            size = sum(xet.chunks(term.xorb)[index].size for index in kept)
            shown.append({"hash": term.xorb, "unpacked_length": size, "range": where})
            fetch.setdefault(term.xorb, []).append(_fetch(desk, term.xorb, where))
        at += term.size
    return {"offset_into_first_range": skip or 0, "terms": shown, "fetch_info": fetch}


def _overlap(xet: XetStore, term: Term, start: int, end: int) -> list[int]:
    """The chunks of a term that touch the bytes start..end-1, counted from the term's first byte."""
    at, kept = 0, []
    for index in range(term.first, term.last):
        size = xet.chunks(term.xorb)[index].size
        if at < end and at + size > start:
            kept.append(index)
        at += size
    return kept


def _fetch(desk: Desk, xorb: str, where: dict[str, int]) -> dict[str, Any]:
    chunks = desk.store.xet.chunks(xorb)
    bytes_range = {"start": chunks[where["start"]].start, "end": chunks[where["end"] - 1].end - 1}
    return {"range": where, "url": desk.object_url("_xorb", xorb), "url_range": bytes_range}


def xorb_bytes(desk: Desk, request: Request, body: bytes) -> Response:
    desk.check_signature(request, request.path_params["oid"])
    return ranged(request, (desk.store.xet.folder / request.path_params["oid"]).read_bytes(), {})
