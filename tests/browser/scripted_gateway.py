"""
A gateway that says what a test tells it to, for tests of the page alone.

It serves the real page with the real headers and speaks just enough of the
protocol: it takes a connection, sends what the test says, and hands over what
the page sent. What the page sends comes back to it, as it would in a topic.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.http.pages import page_routes
from tests.redis_server import free_port

FULL: Final = ("mcp/*", "chat")
PROPOSER: Final = {"id": "agent-1", "capabilities": ["mcp/proposal:*", "chat"]}
TARGET: Final = {"id": "files", "capabilities": ["mcp/response:*", "mcp/request:notifications/*", "chat"]}
WITHIN_S: Final = 15.0

JsonObject = dict[str, Any]


class Seat:
    """One connection of the page, from the gateway's side."""

    def __init__(self, socket: WebSocket, token: str) -> None:
        self.token = token
        self.sent: asyncio.Queue[JsonObject] = asyncio.Queue()
        """What the page sent and nobody has taken yet."""
        self._socket = socket

    async def say(self, text: str) -> None:
        """Send one frame."""
        await self._socket.send_text(text)

    async def next_sent(self) -> JsonObject:
        """Return the next envelope that the page sends."""
        async with asyncio.timeout(WITHIN_S):
            return await self.sent.get()

    async def close(self, code: int) -> None:
        """Close the connection with a code."""
        await self._socket.close(code)


class ScriptedGateway:
    """The script's hands: seats as they are taken, and envelopes to say."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.echoes = True
        """Whether what the page sends comes back to it."""
        self.refusal: tuple[int, JsonObject] | None = None
        """HTTP status and problem+json with which the next handshakes are refused."""
        self.asked: list[str] = []
        """URLs that were asked for, with their query, as a log would have them."""
        self._seats: asyncio.Queue[Seat] = asyncio.Queue()
        self._numbers = count(1)

    def link(self, topic: str = "ops", token: str = "secret-token") -> str:
        """An invite link."""
        return f"{self.url}/#topic={topic}&token={token}"

    async def next_seat(
        self,
        *,
        me: str = "ann",
        capabilities: Sequence[str] = FULL,
        others: Sequence[JsonObject] = (PROPOSER, TARGET),
    ) -> Seat:
        """Wait until the page connects, and welcome it."""
        seat = await self.next_unwelcome_seat()
        you = {"id": me, "capabilities": list(capabilities)}
        await seat.say(
            self.envelope(
                "system:gateway", "system/welcome", {"you": you, "participants": list(others)}, to=[me]
            )
        )
        return seat

    async def next_unwelcome_seat(self) -> Seat:
        """Wait until the page connects."""
        async with asyncio.timeout(WITHIN_S * 2):
            return await self._seats.get()

    def envelope(self, sender: str, kind: str, payload: JsonObject, **fields: Any) -> str:
        """Return an envelope as text; `to`, `correlation_id`, `id` and `ts` as given."""
        id = fields.pop("id", f"env-{next(self._numbers)}")
        return json.dumps(
            {"protocol": "mcpx/v0.1", "id": id, "from": sender, "kind": kind, **fields, "payload": payload}
        )

    def proposal(self, id: str, arguments: JsonObject, *, tool: str = "write_file", **fields: Any) -> str:
        """Return a proposal of agent-1 to call a tool of `files`."""
        expires_at = fields.pop("expires_at", None)
        params = {"name": tool, "arguments": arguments}
        payload = {"method": "tools/call", "params": params, "expiresAt": expires_at}
        fields = {"to": ["files"], "sender": "agent-1", **fields}
        return self.envelope(
            fields.pop("sender"), f"mcp/proposal:tools/call:{tool}", payload, id=id, **fields
        )

    def response(self, request: JsonObject, *, sender: str = "files", **outcome: Any) -> str:
        """Return the answer to an envelope that the page sent; `result` or `error` as given."""
        return self.envelope(
            sender,
            request["kind"].replace("mcp/request", "mcp/response", 1),
            {"jsonrpc": "2.0", "id": request["payload"]["id"], **outcome},
            to=[request["from"], "agent-1"],
            correlation_id=request["id"],
        )

    async def on_socket(self, socket: WebSocket) -> None:
        """Take a connection as the real gateway does."""
        self.asked.append(str(socket.url))
        if self.refusal is not None:
            await socket.send_denial_response(self._problem(socket.scope.get("path", "")))
            return
        offered = socket.scope["subprotocols"]
        token = next(
            text.removeprefix("base64url.bearer.mcpx.") for text in offered if text.startswith("base64url.")
        )
        await socket.accept(subprotocol="mcpx.v0.1")
        seat = Seat(socket, base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
        self._seats.put_nowait(seat)
        with suppress(WebSocketDisconnect):
            while True:
                text = await socket.receive_text()
                seat.sent.put_nowait(json.loads(text))
                if self.echoes:
                    await seat.say(text)

    async def on_get(self, request: Request) -> Response:
        """Say why, to a page that could not read it from the upgrade."""
        self.asked.append(str(request.url))
        if self.refusal is None:
            return JSONResponse({"title": "Upgrade required", "status": 426}, 426)
        return self._problem(request.url.path)

    def _problem(self, _: str) -> Response:
        assert self.refusal is not None
        status, problem = self.refusal
        return JSONResponse(problem, status, media_type="application/problem+json")


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    """Run a scripted gateway on a free port while the block runs."""
    script = ScriptedGateway()
    app = Starlette(
        routes=[Route("/ws", script.on_get), WebSocketRoute("/ws", script.on_socket), *page_routes()]
    )
    config = uvicorn.Config(
        app, host="127.0.0.1", port=script.port, log_level="error", lifespan="off", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[config.bind_socket()]))
        try:
            yield script
        finally:
            server.should_exit = True
            server.force_exit = True
            await serving
