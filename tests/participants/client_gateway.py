"""
A gateway that does what a test tells it: the peer that misbehaves, closes, refuses, or says nothing.

    async with scripted_gateway() as gateway:
        async with gateway.connect("alice", "mcp/*") as (me, visit): ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import count
from typing import Any

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from participants import Participant
from participants.dialing import Backoff
from schemas import GATEWAY_ID, Envelope, JsonObject, encode_envelope

AT_ONCE = Backoff(first=0.0, most=0.0)
TS = "2025-08-26T14:00:00Z"


class Visit:
    """One connection, from the gateway's side."""

    def __init__(self, gateway: ScriptedGateway, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.request = connection.request
        self.connection = connection
        self._gateway = gateway
        self.participant = ""

    async def welcome(self, id: str, *capabilities: str, others: dict[str, list[str]] | None = None) -> None:
        self.participant = id
        you = {"id": id, "capabilities": list(capabilities)}
        present = [{"id": name, "capabilities": held} for name, held in (others or {}).items()]
        await self.say("system/welcome", {"you": you, "participants": present}, to=[id])

    async def say(
        self,
        kind: str,
        payload: JsonObject,
        *,
        sender: str = GATEWAY_ID,
        to: Iterable[str] = (),
        correlation_id: str | None = None,
        id: str | None = None,
    ) -> str:
        envelope_id = id or self._gateway.new_id()
        await self.pass_on(
            encode_envelope(
                id=envelope_id,
                ts=TS,
                sender=sender,
                kind=kind,
                payload=payload,
                to=tuple(to),
                correlation_id=correlation_id,
            )
        )
        return envelope_id

    async def pass_on(self, data: bytes) -> None:
        await self.connection.send(data, text=True)

    async def heard(self) -> Envelope:
        """The next envelope that the participant sent."""
        return Envelope.parse(await self.connection.recv(decode=False))

    async def accepted(self) -> Envelope:
        """The next envelope that the participant sent, given back to it as a gateway does."""
        envelope = await self.heard()
        await self.pass_on(envelope.data)
        return envelope

    async def answer(self, request: Envelope, result: JsonObject, *, sender: str) -> None:
        rpc_id = orjson.loads(bytes(request.raw_payload))["id"]
        await self.say(
            str(request.kind.with_family("mcp/response")),
            {"jsonrpc": "2.0", "id": rpc_id, "result": result},
            sender=sender,
            to=[request.sender],
            correlation_id=request.id,
        )

    async def close(self, code: int, reason: str = "") -> None:
        await self.connection.close(code, reason)


class ScriptedGateway:
    """Listens on a free port; every connection is a `Visit` that a test awaits."""

    def __init__(self) -> None:
        self.url = ""
        self.refusals: list[Response] = []
        """Answers to the next handshakes, before any is let in."""
        self.broken_handshakes = 0
        """How many of the next handshakes end as a broken TCP connection."""
        self.requests: list[Request] = []
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()
        self._ids = count(1)

    def new_id(self) -> str:
        return f"gateway-{next(self._ids)}"

    def refuse(self, status: int, body: Any = None, **headers: str) -> None:
        """Answer one handshake with an HTTP error."""
        data = orjson.dumps(body) if body is not None else b""
        fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        fields["Content-Length"] = str(len(data))
        self.refusals.append(Response(status, HTTPStatus(status).phrase, fields, data))

    async def next_visit(self) -> Visit:
        return await self._visits.get()

    def participant(self, **options: Any) -> Participant:
        return Participant.connect(
            self.url, "ops", "the-secret-token", **{"backoff": AT_ONCE, "open_timeout": 30.0, **options}
        )

    @asynccontextmanager
    async def connect(
        self, id: str = "me", *capabilities: str, others: dict[str, list[str]] | None = None, **options: Any
    ) -> AsyncIterator[tuple[Participant, Visit]]:
        """Let a participant in, and leave with it."""
        me = self.participant(**options)
        entering = asyncio.create_task(me.__aenter__())
        visit = await self.next_visit()
        await visit.welcome(id, *(capabilities or ("mcp/*", "chat")), others=others)
        await entering
        try:
            yield me, visit
        finally:
            await me.close()

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.broken_handshakes:
            self.broken_handshakes -= 1
            connection.transport.abort()
        return self.refusals.pop(0) if self.refusals else None

    async def handle(self, connection: ServerConnection) -> None:
        self._visits.put_nowait(Visit(self, connection))
        await connection.wait_closed()


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway()
    server: Server
    async with (
        asyncio.timeout(60),
        serve(
            gateway.handle,
            "127.0.0.1",
            0,
            process_request=gateway.process_request,
            compression=None,
            close_timeout=1,
            max_size=None,
        ) as server,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        gateway.url = f"ws://127.0.0.1:{port}"
        yield gateway


__all__ = ["AT_ONCE", "ConnectionClosed", "ScriptedGateway", "Visit", "scripted_gateway"]
