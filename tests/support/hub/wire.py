"""The outermost layer of the emulated Hub: logs every request and injects faults into the connection."""

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.responses import Response

CONTROL = "/_control/"


@dataclass
class Fault:
    """What happens to requests whose "METHOD path" matches the regular expression `match`.

    The first `skip` matches pass, the next `times` fail: with an HTTP `status` (and `headers`), by cutting the
    connection once `cut_request` bytes of the body came in or `cut_response` bytes went out, or by doing the
    work and losing the whole response. `delay` (seconds) alone only slows down; `drip` (seconds) is the pause after
    every byte of the response. `body` stands for the answer's own, as text; with `status` None it comes with 200.
    """

    match: str
    times: int = 1
    skip: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_request: int | None = None
    cut_response: int | None = None
    lose_response: bool = False
    delay: float = 0
    drip: float = 0
    body: str | None = None
    content_type: str = "application/json"

    def takes(self, name: str) -> bool:
        if not re.search(self.match, name) or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Entry:
    """One request as it came and went; `sent` counts the bytes of the response's body."""

    method: str
    path: str
    query: str
    host: str
    authorised: bool
    status: int | None = None
    sent: int = 0
    fault: dict[str, Any] | None = None


class Wire:
    def __init__(self, app: Any) -> None:
        self.app, self.log, self.faults = app, [], []

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        # Route on the raw path, so that "refs%2Fpr%2F1" stays one segment.
        scope = {**scope, "path": scope["raw_path"].decode()}
        entry = _entry(scope)
        fault = None
        if not entry.path.startswith(CONTROL):
            self.log.append(entry)
            fault = next((each for each in self.faults if each.takes(f"{entry.method} {entry.path}")), None)
        if fault is None:
            return await self.app(scope, receive, _Counter(entry, send))
        entry.fault = asdict(fault)
        if fault.delay:
            import anyio

            await anyio.sleep(fault.delay)
        if fault.status is not None or fault.body is not None:
            body = json.dumps({"error": "injected"}) if fault.body is None else fault.body
            entry.status = fault.status or 200
            answer = Response(body, entry.status, fault.headers, fault.content_type)
            return await answer(scope, receive, _CutResponse(entry, fault, receive, send) if fault.drip else send)
        try:
            await self.app(scope, _CutRequest(fault, receive), _CutResponse(entry, fault, receive, send))
        except ConnectionResetError:
            entry.status = None


def _entry(scope: dict) -> Entry:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    host, authorised = headers.get("host", ""), "authorization" in headers
    return Entry(scope["method"], scope["path"], scope["query_string"].decode(), host, authorised)


class _Counter:
    def __init__(self, entry: Entry, send: Any) -> None:
        self.entry, self.send = entry, send

    async def __call__(self, message: dict) -> None:
        if message["type"] == "http.response.start":
            self.entry.status = message["status"]
        else:
            self.entry.sent += len(message.get("body", b""))
        await self.send(message)


class _CutRequest:
    def __init__(self, fault: Fault, receive: Any) -> None:
        self.limit, self.receive, self.received = fault.cut_request, receive, 0

    async def __call__(self) -> dict:
        message = await self.receive()
        self.received += len(message.get("body", b""))
        if self.limit is not None and self.received >= self.limit:
            _transport(self.receive).abort()
            raise ConnectionResetError("injected")
        return message


class _CutResponse:
    def __init__(self, entry: Entry, fault: Fault, receive: Any, send: Any) -> None:
        self.entry, self.fault, self.receive, self.send = entry, fault, receive, send

    async def __call__(self, message: dict) -> None:
        if self.fault.lose_response:
            _transport(self.receive).abort()
            return
        limit = self.fault.cut_response
        if (limit is None and not self.fault.drip) or message["type"] == "http.response.start":
            return await _Counter(self.entry, self.send)(message)
        body = message.get("body", b"")
        if self.fault.drip:
            return await self._drip(message, body)
        room = max(0, limit - self.entry.sent)
        self.entry.sent += len(body)
        if len(body) < room:
            return await self.send(message)
        await self.send({**message, "body": body[:room], "more_body": True})
        _transport(self.receive).close()
        raise ConnectionResetError("injected")

    async def _drip(self, message: dict, body: bytes) -> None:
        """One byte after the other."""
        import anyio

        for byte in body:
            await self.send({"type": message["type"], "body": bytes([byte]), "more_body": True})
            self.entry.sent += 1
            await anyio.sleep(self.fault.drip)
        await self.send({**message, "body": b""})


def _transport(receive: Any) -> Any:
    """The TCP connection below uvicorn's h11 protocol, which is the owner of `receive`."""
    return receive.__self__.transport
