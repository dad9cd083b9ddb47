"""Routes of the emulated Hub, its test controls, and the server itself."""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.hub import cas, reading, writing
from tests.support.hub.desk import Desk, User
from tests.support.hub.store import HubError, Store
from tests.support.hub.wire import CONTROL, Fault, Wire

Handler = Callable[[Desk, Request, bytes], Any]

API = "/api/{kind:str}/{owner}/{name}"
HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/whoami-v2", reading.whoami),
    ("POST", "/api/repos/create", writing.create_repo),
    ("POST", "/api/validate-yaml", writing.validate_card),
    ("GET", API, reading.info),
    ("GET", API + "/revision/{revision}", reading.info),
    ("GET", API + "/refs", reading.refs),
    ("GET", API + "/commits/{revision}", reading.commits),
    ("GET", API + "/tree/{revision}", reading.tree),
    ("GET", API + "/tree/{revision}/{path:path}", reading.tree),
    ("POST", API + "/paths-info/{revision}", reading.paths_info),
    ("POST", API + "/preupload/{revision}", writing.preupload),
    ("POST", API + "/commit/{revision}", writing.commit),
    ("GET", API + "/xet-{scope}-token/{revision}", cas.token),
    ("POST DELETE", API + "/{ref}/{revision}", writing.write_ref),
    ("POST", "/datasets/{owner}/{name}/info/lfs/objects/batch", writing.lfs_batch),
    ("POST", "/{owner}/{name}/info/lfs/objects/batch", writing.lfs_batch),
    ("GET HEAD", "/datasets/{owner}/{name}/resolve/{revision}/{path:path}", reading.resolve),
    ("GET HEAD", "/{owner}/{name}/resolve/{revision}/{path:path}", reading.resolve),
    ("POST", "/_lfs/{kind}/{owner}/{name}/verify", writing.verify_object),
    ("PUT", "/_put/{oid}", writing.put_object),
    ("PUT", "/_part/{oid}/{number}", writing.put_part),
    ("POST", "/_complete/{oid}", writing.complete_parts),
    ("GET HEAD", "/_cdn/{oid}", reading.large_object),
    ("POST", "/_cas/v1/xorbs/{prefix}/{hash}", cas.add_xorb),
    ("POST", "/_cas/v1/shards", cas.add_shard),
    ("GET", "/_cas/v1/reconstructions/{hash}", cas.reconstruction),
    ("GET", "/_xorb/{oid}", cas.xorb_bytes),
)


def application(desk: Desk) -> Wire:
    routes = [
        Route(path, _endpoint(desk, handler, path), methods=methods.split()) for methods, path, handler in HANDLERS
    ]
    wire = Wire(Starlette())
    wire.app = Starlette(routes=[*_controls(desk, wire), *routes])
    return wire


def _endpoint(desk: Desk, handler: Handler, path: str) -> Callable:
    async def endpoint(request: Request) -> Response:
        if path.startswith("/datasets/"):
            request.path_params["kind"] = "datasets"
        try:
            answer = await run_in_threadpool(handler, desk, request, await request.body())
        except HubError as error:
            header = {"X-Error-Message": error.message.replace("\n", " ")}
            code = {"X-Error-Code": error.code} if error.code else {}
            return JSONResponse({"error": error.message}, error.status, {**error.headers, **header, **code})
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return endpoint


def _controls(desk: Desk, wire: Wire) -> list[Route]:
    """What tests set and read from outside: faults, the log, and everything there is."""

    async def faults(request: Request) -> Response:
        wire.faults[:] = [Fault(**fault) for fault in json.loads(await request.body())]
        return JSONResponse({})

    async def log(request: Request) -> Response:
        entries = [asdict(entry) for entry in wire.log]
        if request.method == "DELETE":
            wire.log.clear()
        return JSONResponse(entries)

    async def part_bytes(request: Request) -> Response:
        desk.store.part_bytes = json.loads(await request.body())
        return JSONResponse({})

    async def everything(request: Request) -> Response:
        await run_in_threadpool(desk.store.clear)
        return JSONResponse({})

    return [
        Route(CONTROL + "faults", faults, methods=["PUT"]),
        Route(CONTROL + "log", log, methods=["GET", "DELETE"]),
        Route(CONTROL + "part-bytes", part_bytes, methods=["PUT"]),
        Route(CONTROL + "everything", everything, methods=["DELETE"]),
    ]


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


def serve(data: Path, port: int, cdn_host: str, users: dict[str, User]) -> None:
    """Serves until ended; prints its address, as one line, once it can be reached."""
    first = _listen("127.0.0.1", port)
    port = first.getsockname()[1]
    sockets = [first] if cdn_host == "127.0.0.1" else [first, _listen(cdn_host, port)]
    for each in sockets:
        each.listen(128)
    base = f"http://127.0.0.1:{port}"
    wire = application(Desk(Store(data), base, f"http://{cdn_host}:{port}", users))
    print(base, flush=True)
    # Cut connections are meant; below "critical" uvicorn reports every one.
    config = uvicorn.Config(wire, log_level="critical", timeout_keep_alive=30, http="h11", lifespan="off")
    uvicorn.Server(config).run(sockets=sockets)
