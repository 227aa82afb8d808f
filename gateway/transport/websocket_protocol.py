"""
uvicorn's WebSocket protocol, with a way past ASGI for applications that want it.

Any application can use it as ASGI has it. One that finds this object under
`scope["extensions"]["transport"]` may, after accepting, `attach` a receiver:
from then on a `FramedConnection` moves the frames, the application's callable
can return, and nothing of the handshake is kept. For one that receives and
sends instead, uvicorn's own class takes over after the handshake.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import logging
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from starlette.types import Message, Scope
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import STATUS_PHRASES, WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol as WebSocketProtocol
from websockets.protocol import Side, State

from gateway.transport.deflate import negotiate
from gateway.transport.frames import FramedConnection, Receiver
from gateway.transport.handshake import Handshake, Header
from gateway.transport.keepalive import Keepalive
from gateway.transport.writers import encrypts

EXTENSION: Final = "transport"
"""Key of this object in an ASGI scope's `extensions`."""

_MAX_EARLY_BYTES: Final = 1 << 16
"""What a client may send before its handshake is through; then reading pauses."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONNECT: Final = {"type": "websocket.connect"}

log = logging.getLogger("uvicorn.error")


def address_of(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    """Return host and port of one end, `sockname` or `peername`; a socket file has none."""
    address = transport.get_extra_info(name)
    return (
        (str(address[0]), int(address[1]))
        if isinstance(address, tuple | list) and len(address) >= 2
        else None
    )


def _texts_of(header: bytes, headers: Iterable[Header]) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == header]


class _Stage(Enum):
    CONNECTING = "nothing is answered"
    DENYING = "an HTTP response is on its way"
    OPEN = "accepted; nobody has taken it over"
    TAKEN = "attached, conversing as ASGI has it, or over"


class WebSocketTransport(asyncio.Protocol):
    """A server-side WebSocket under uvicorn, from a valid handshake until somebody takes it over."""

    keepalives: ClassVar[dict[tuple[float, float], Keepalive]] = {}
    """One timer for all connections with the same times."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config, self._server, self._app_state = config, server_state, app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._stage = _Stage.CONNECTING
        self._has_told_connect = False
        self._early = bytearray()
        """What came after the handshake, while it is not known who will take it."""
        self._gone: asyncio.Event | None = None
        """Made for who waits for the end before it has accepted."""
        self._answer = b""
        """
        What says yes, until it leaves: in the loop's next turn, with what else is said by then.

        Not sooner: epoll would have the newcomer before those who said something earlier.
        """
        self._denial: list[bytes] = []
        self._deflate: tuple[str, PerMessageDeflate] | None = None
        self._plain: WebSocketsSansIOProtocol | None = None
        """Moves the messages for an application that receives and sends."""
        self.disconnected = False

    # The handshake

    def begin(self, transport: asyncio.Transport, handshake: Handshake) -> None:
        """Take over from the HTTP protocol, which has read this handshake."""
        self._transport, self._key = transport, handshake.key
        self._server.connections.add(self)  # type: ignore[arg-type]  # uvicorn calls shutdown() and no more
        self.scope = self._scope_of(handshake)
        if self._config.ws_per_message_deflate:
            self._deflate = negotiate(_texts_of(b"sec-websocket-extensions", handshake.headers))
        task = self._loop.create_task(self._run())
        task.add_done_callback(self._server.tasks.discard)
        self._server.tasks.add(task)

    def _scope_of(self, handshake: Handshake) -> Scope:
        raw_path, _, query_string = handshake.target.partition(b"?")
        path = raw_path.decode("ascii")
        root_path = self._config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if encrypts(self._transport) else "ws",
            "server": address_of(self._transport, "sockname"),
            "client": address_of(self._transport, "peername"),
            "root_path": root_path,
            "path": root_path + (unquote(path) if "%" in path else path),
            "raw_path": root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": handshake.headers,
            "state": self._app_state.copy(),
            "subprotocols": [
                offered.strip()
                for offers in _texts_of(b"sec-websocket-protocol", handshake.headers)
                for offered in offers.split(",")
            ],
            "extensions": {"websocket.http.response": {}, EXTENSION: self},
        }

    async def _run(self) -> None:
        try:
            await self._config.loaded_app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            log.exception("Exception in ASGI application")
        if self._stage is _Stage.CONNECTING:
            self._respond(500, [(b"content-type", b"text/plain; charset=utf-8")], b"Internal Server Error")
        if self._stage is not _Stage.TAKEN or (self._plain is not None and self._plain.close_timer is None):
            self._answer_now()
            self._transport.close()
        self.scope = {}  # it names this object: only the collector would part them

    # What the application says and hears

    async def receive(self) -> Message:
        """As ASGI has it."""
        if not self._has_told_connect:
            self._has_told_connect = True
            return dict(_CONNECT)
        if self._stage is _Stage.OPEN:
            self._converse()
        if self._plain is not None:
            return dict(await self._plain.receive())
        if not self.disconnected:
            self._gone = self._gone or asyncio.Event()
            await self._gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: Message) -> None:
        """As ASGI has it."""
        if self.disconnected and self._plain is None:
            raise ClientDisconnected
        kind = message["type"]
        if self._stage is _Stage.OPEN:
            self._converse()
        if self._plain is not None:
            await self._plain.send(message)  # type: ignore[arg-type]  # a mapping, as this one is
        elif kind == "websocket.accept" and self._stage is _Stage.CONNECTING:
            self._accept(message.get("subprotocol"), message.get("headers", ()))
        elif kind == "websocket.close" and self._stage is _Stage.CONNECTING:
            self._respond(403, (), b"")
        elif kind == "websocket.http.response.start" and self._stage is _Stage.CONNECTING:
            self._stage = _Stage.DENYING
            self._status, self._headers = message["status"], list(message.get("headers", ()))
        elif kind == "websocket.http.response.body" and self._stage is _Stage.DENYING:
            self._denial.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._respond(self._status, self._headers, b"".join(self._denial))
        else:
            raise RuntimeError(f"{kind} does not follow what was sent before")

    def _accept(self, subprotocol: str | None, headers: Iterable[Header]) -> None:
        sha1 = hashlib.sha1(self._key + _GUID, usedforsecurity=False)
        digest = binascii.b2a_base64(sha1.digest(), newline=False)
        lines = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + digest,
            *[name + b": " + value for name, value in self._server.default_headers],
            *[name + b": " + value for name, value in headers],
        ]
        if subprotocol:
            lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("latin-1"))
        if self._deflate is not None:
            lines.append(b"Sec-WebSocket-Extensions: " + self._deflate[0].encode("latin-1"))
        self._answer = b"\r\n".join((*lines, b"", b""))
        self._stage = _Stage.OPEN
        self._loop.call_soon(self._answer_now)

    def _answer_now(self) -> None:
        answer, self._answer = self._answer, b""
        if answer and not self.disconnected:
            self._transport.write(answer)

    def _respond(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer the handshake with an HTTP response, and end."""
        self._stage = _Stage.DENYING
        present = {name.lower() for name, _ in headers}
        lines = [b"HTTP/1.1 %d %s" % (status, STATUS_PHRASES.get(status, "").encode())]
        lines += [name + b": " + value for name, value in (*self._server.default_headers, *headers)]
        if b"content-length" not in present:
            lines.append(b"content-length: %d" % len(body))
        lines.append(b"connection: close")
        self._transport.write(b"\r\n".join((*lines, b"", body)))
        self._transport.close()
        self._over()

    # Who takes over

    @property
    def is_deflated(self) -> bool:
        """Whether the client reads compressed messages."""
        return self._deflate is not None

    @property
    def _extensions(self) -> Sequence[Extension]:
        return () if self._deflate is None else (self._deflate[1],)

    def attach(self, receiver: Receiver, *, max_waiting: int) -> FramedConnection:
        """
        Hand the connection over, after `websocket.accept`; the callable may return.

        `max_waiting` is how many bytes may wait to be sent.
        """
        assert self._stage is _Stage.OPEN, "accept comes first; who receives messages goes on receiving them"
        self._stage = _Stage.TAKEN
        connection = FramedConnection(
            self._transport,
            receiver,
            self._server,
            self._keepalive(),
            max_size=self._config.ws_max_size,
            max_waiting=max_waiting,
            extensions=self._extensions,
        )
        self._server.connections.discard(self)
        if self.disconnected:
            self._loop.call_soon(connection.connection_lost, None)
            return connection
        connection.take_over()
        if self._answer:
            connection.cork(self._answer)
            self._answer = b""
            self._loop.call_soon(connection.uncork)
        self._transport.resume_reading()
        if self._early:
            connection.begin_with(bytes(self._early))
        return connection

    def _keepalive(self) -> Keepalive:
        times = (self._config.ws_ping_interval or 0.0, self._config.ws_ping_timeout or 0.0)
        known = self.keepalives.get(times)
        if known is None:
            known = self.keepalives[times] = Keepalive(*times)
        return known

    def _converse(self) -> None:
        """Let uvicorn's own class move messages from here on."""
        self._answer_now()
        self._stage = _Stage.TAKEN
        plain = self._plain = WebSocketsSansIOProtocol(
            self._config, self._server, self._app_state, self._loop
        )
        plain.conn = WebSocketProtocol(  # type: ignore[assignment]  # a handshake is all that it lacks
            Side.SERVER, state=State.OPEN, max_size=self._config.ws_max_size
        )
        plain.conn.extensions = list(self._extensions)
        plain.handshake_initiated = plain.handshake_complete = True
        self._server.connections.discard(self)
        plain.connection_made(self._transport)
        if self.disconnected:
            plain.connection_lost(None)
            return
        self._transport.set_protocol(plain)
        plain.start_keepalive()
        if self._early:
            plain.data_received(bytes(self._early))
        if not plain.read_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    # What the connection brings meanwhile

    def data_received(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > _MAX_EARLY_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._over()

    def _over(self) -> None:
        self.disconnected = True
        self._server.connections.discard(self)
        if self._gone is not None:
            self._gone.set()

    def shutdown(self) -> None:
        """Uvicorn goes away: nobody has taken this connection over, so nothing is lost."""
        if self._stage is _Stage.CONNECTING:
            self._respond(503, [(b"content-type", b"text/plain; charset=utf-8")], b"Service Unavailable")
        self._transport.close()
