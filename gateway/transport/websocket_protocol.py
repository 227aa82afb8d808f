"""
uvicorn's WebSocket protocol, with what it lacks; knows nothing of MCPx.

An application finds this object under `scope["extensions"]["transport"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

EXTENSION: Final = "transport"
"""Key of this object in an ASGI scope's `extensions`."""

_TOO_BIG: Final = 1009
_END_GRACE_S: Final = 2.0
"""Seconds that a closed connection gets to take its last bytes."""


class WebSocketTransport(WebSocketsSansIOProtocol):
    """A server-side WebSocket connection under uvicorn."""

    too_big_farewell: Callable[[], bytes] | None = None
    """Makes a text frame to send before closing with 1009; set by the application."""
    no_pong_code: int = 1011
    """The close code when a ping stays unanswered, set by the application."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self

    def handle_parser_exception(self) -> None:
        sent = self.conn.close_sent
        if sent is not None and sent.code == _TOO_BIG and self.too_big_farewell is not None:
            farewell = Frame(Opcode.TEXT, self.too_big_farewell())
            self.transport.write(farewell.serialize(mask=False, extensions=[]))
        super().handle_parser_exception()
        self._end_soon()

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(self.no_pong_code, "No pong")
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.no_pong_code, "reason": "No pong"}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._end_soon()

    def abort(self) -> None:
        """Drop the connection at once, with whatever was still to be sent."""
        if not self.disconnected:
            self.transport.abort()

    def _end_soon(self) -> None:
        """Close; a peer that takes nothing keeps its socket no longer than the grace."""
        self.transport.close()
        self.loop.call_later(_END_GRACE_S, self.abort)
