"""
uvicorn's WebSocket protocol, with a way past ASGI for applications that want it.

Any application can use it as ASGI has it. One that finds this object under
`scope["extensions"]["transport"]` may, after accepting, `attach` a receiver:
from then on a `FramedConnection` moves the frames, the application's callable
can return, and nothing of the handshake is kept.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

from gateway.transport.frames import FramedConnection, Receiver
from gateway.transport.keepalive import Keepalive

EXTENSION: Final = "transport"
"""Key of this object in an ASGI scope's `extensions`."""

_MAX_EARLY_BYTES: Final = 1 << 16
"""What a client may send before its handshake is through; then reading pauses."""


class WebSocketTransport(WebSocketsSansIOProtocol):
    """A server-side WebSocket connection under uvicorn, until somebody attaches."""

    keepalives: ClassVar[dict[tuple[float, float], Keepalive]] = {}
    """One timer for all connections with the same times."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # Not this object, which would keep the whole handshake alive with each connection.
        self._owner = server_state

    _early: bytearray | None = None
    """What came after the handshake, while it is not known who will take it."""
    _has_begun = False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self
            self._early = bytearray()

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            super().data_received(data)
            return
        self._early += data
        if len(self._early) > _MAX_EARLY_BYTES:
            self.transport.pause_reading()

    async def receive(self) -> ASGIReceiveEvent:
        if self._has_begun and self._early is not None:
            self._take_early()
        self._has_begun = True
        return await super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self._early is not None and message["type"] in {"websocket.send", "websocket.close"}:
            # This application does as ASGI has it; pongs and the peer's close may be among what waits.
            self._take_early()

    def _take_early(self) -> None:
        early, self._early = bytes(self._early or b""), None
        if early:
            super().data_received(early)
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def attach(self, receiver: Receiver, *, max_waiting: int) -> FramedConnection:
        """
        Hand the connection over, after `websocket.accept`; the callable may return.

        `max_waiting` is how many bytes may wait to be sent.
        """
        assert self.handshake_complete, "accept comes first"
        assert self._early is not None, "who has received messages goes on receiving them"
        self.stop_keepalive()
        # What uvicorn closes when the callable returns; with a timer set it leaves that to the timer.
        self.close_timer = self.loop.call_later(0, _nothing)
        connection = FramedConnection(
            self.transport,
            receiver,
            self._owner,
            self._keepalive(),
            max_size=self.config.ws_max_size,
            max_waiting=max_waiting,
        )
        self.connections.discard(self)
        early, self._early = bytes(self._early), None
        if self.disconnected:
            self.loop.call_soon(connection.connection_lost, None)
            return connection
        self.transport.set_protocol(connection)
        self.transport.resume_reading()
        if early:
            connection.begin_with(early)
        return connection

    def _keepalive(self) -> Keepalive:
        times = (self.config.ws_ping_interval or 0.0, self.config.ws_ping_timeout or 0.0)
        known = self.keepalives.get(times)
        if known is None:
            known = self.keepalives[times] = Keepalive(*times)
        return known


def _nothing() -> None:
    pass
