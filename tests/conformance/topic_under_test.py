"""A topic of a real gateway, and participants that speak to it over bare WebSockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from schemas import PROTOCOL, Envelope, JsonObject
from tests.gateway_process import GatewayProcess

PATIENCE_S: Final = 30.0
MARKER: Final = "x-test/marker"


class Seat:
    """One connection: sends what the test says, byte for byte, and keeps what it hears."""

    def __init__(self, topic: TopicUnderTest, id: str, socket: ClientConnection, welcome: JsonObject) -> None:
        self.topic, self.id, self.socket, self.welcome = topic, id, socket, welcome

    async def send(self, kind: str, payload: JsonObject | None = None, **members: Any) -> Envelope:
        """Send an envelope in this participant's name, with some members changed; return it."""
        content: JsonObject = {
            "protocol": PROTOCOL,
            "id": str(uuid4()),
            "from": self.id,
            "kind": kind,
            "payload": {} if payload is None else payload,
        }
        content.update({"from" if name == "from_" else name: value for name, value in members.items()})
        data = orjson.dumps(content)
        await self.socket.send(data.decode())
        return Envelope(content["id"], content["from"], None, (), None, None, data)  # type: ignore[arg-type]  # what was sent, unchecked

    async def send_text(self, text: str) -> None:
        """Send a text frame as it is."""
        await self.socket.send(text)

    async def next(self) -> JsonObject:
        """Return the next envelope heard, past markers."""
        return json.loads(await self.next_text())  # type: ignore[no-any-return]  # JSON enters here

    async def next_text(self) -> str:
        """Return the next text frame, past markers."""
        while True:
            text = await self._text()
            if f'"kind":"{MARKER}"' not in text:
                return text

    async def _text(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            data = await self.socket.recv()
        assert isinstance(data, str)
        return data

    async def next_of(self, kind: str) -> JsonObject:
        """Return the next envelope of a kind, past all others."""
        while True:
            envelope = await self.next()
            if envelope["kind"] == kind:
                return envelope

    async def next_error(self) -> JsonObject:
        """Return the next `system/error`."""
        return await self.next_of("system/error")

    async def heard(self) -> list[JsonObject]:
        """Return everything heard until a marker comes by, sent after what was sent here is dealt with."""
        async with asyncio.timeout(PATIENCE_S):
            await (await self.socket.ping())  # answered in its turn: the gateway has read what came before
        marker = await self.topic.mark()
        heard: list[JsonObject] = []
        while True:
            envelope = json.loads(await self._text())
            if envelope["id"] == marker:
                return heard
            if envelope["kind"] != MARKER:
                heard.append(envelope)

    async def heard_nothing(self) -> bool:
        """Whether nothing came; a marker sent now proves it, and not the time waited."""
        return await self.heard() == []

    async def close_code(self) -> int | None:
        """Return the code with which the gateway closes, past everything still heard."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None


class TopicUnderTest:
    """One topic, alone in it but for a silent conductor that sends markers."""

    def __init__(self, gateway: GatewayProcess, name: str | None = None) -> None:
        self.gateway, self.name = gateway, name or f"t-{uuid4().hex[:10]}"
        self._conductor: Seat | None = None

    async def mark(self) -> str:
        """Send a marker to everybody and return its id."""
        assert self._conductor is not None, "join first: the conductor comes with the first seat"
        return (await self._conductor.send(MARKER)).id

    @asynccontextmanager
    async def conducted(self) -> AsyncIterator[TopicUnderTest]:
        """Bring in the conductor."""
        async with self.join("conductor", MARKER) as conductor:
            self._conductor = conductor
            async with listening(conductor):
                yield self

    @asynccontextmanager
    async def join(
        self,
        id: str,
        *capabilities: str,
        mode: str = "all",
        token: str | None = None,
        gateway: GatewayProcess | None = None,
        **claims: Any,
    ) -> AsyncIterator[Seat]:
        """Join with these capabilities; what is heard up to the own join is read already."""
        gateway = gateway or self.gateway
        token = token or gateway.token(id, topics=[self.name], capabilities=list(capabilities), **claims)
        async with self.connect(token, mode=mode, gateway=gateway) as socket:
            seat = Seat(self, id, socket, {})
            seat.welcome = await seat.next()
            assert seat.welcome["kind"] == "system/welcome"
            own_join = await seat.next()
            assert own_join["payload"]["participant"]["id"] == id
            yield seat

    async def refused(self, token: str | None, **options: Any) -> Response:
        """Knock, be refused, and return the answer to the handshake."""
        with pytest.raises(InvalidStatus) as refused:
            async with self.connect(token, **options):
                pass
        return refused.value.response

    def connect(
        self,
        token: str | None,
        *,
        mode: str | None = None,
        gateway: GatewayProcess | None = None,
        headers: dict[str, str] | None = None,
        subprotocols: Sequence[Any] | None = None,
        query: str | None = None,
        base: str | None = None,
        **options: Any,
    ) -> connect:
        """Open a WebSocket to the topic as the test says."""
        gateway = gateway or self.gateway
        if query is None:
            query = f"?topic={self.name}" + (f"&mode={mode}" if mode is not None else "")
        return connect(
            f"{base or gateway.url}/ws{query}",
            additional_headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})},
            subprotocols=subprotocols,
            proxy=None,
            open_timeout=PATIENCE_S,
            max_size=None,
            **{"max_queue": None, **options},
        )


def bearer_subprotocol(token: str) -> str:
    """Return the subprotocol by which a browser offers its token."""
    return "base64url.bearer.mcpx." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@asynccontextmanager
async def listening(seat: Seat) -> AsyncIterator[None]:
    """Take what comes to a seat and forget it, so that it never stands behind."""

    async def take() -> None:
        with suppress(ConnectionClosed):
            async for _ in seat.socket:
                pass

    taking = asyncio.create_task(take())
    try:
        yield
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
