"""uvicorn's HTTP protocol, with a deadline for each request, a bound for its head, and words of our own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.transport.handshake import Handshake, handshake_key, plain_handshake
from gateway.transport.websocket_protocol import WebSocketTransport, address_of
from gateway.transport.writers import encrypts

_BODY_FACTOR: Final = 3
"""A body may take so many times as long as a head."""

_LINGER_S: Final = 2.0
"""How long one that was refused may take to hear it."""

_PLAIN: Final = b"text/plain; charset=utf-8"


class HeadTooLarge(Exception):
    """Raised through the parser, which stops for it."""


class HttpTransport(HttpToolsProtocol):
    """An HTTP connection that is closed when a request does not come in time, or has an endless head."""

    head_timeout_s: ClassVar[float] = 10.0
    """Seconds from the connection's start, or a later request's, to the end of its headers."""
    max_head_bytes: ClassVar[int] = 32_768
    """Of the request line and headers together; more is answered 431."""
    refusals: ClassVar[Mapping[int, tuple[bytes, bytes]]] = {
        400: (_PLAIN, b"This is no HTTP/1.1 request, or no WebSocket handshake"),
        426: (_PLAIN, b"Only version 13 of WebSocket is spoken here"),
        431: (_PLAIN, b"The request head is too large"),
    }
    """By status: content type and body of what is said to requests that no application gets to see."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    """Read of a head that is not complete: a long value is shown by the parser only at its end."""
    _shown_bytes = 0
    """Shown of it by the parser."""
    _is_in_head = True
    _is_refused = False
    _is_upgrade = False
    """Whether the request in hand asks for a WebSocket."""

    logger = logging.getLogger("uvicorn.error")
    access_logger = logging.getLogger("uvicorn.access")
    access_log = False
    """Never: its lines show query strings."""

    # What uvicorn's own begins with, for those of its methods that are called in any case.
    timeout_keep_alive_task = None
    flow = None  # type: ignore[assignment]  # as it is with uvicorn
    cycle = None  # type: ignore[assignment]  # as it is with uvicorn
    client: tuple[str, int] | None = None
    expect_100_continue = False

    _is_new = True
    """Whether nothing was read yet: only then can it be one of those who come for a WebSocket and no more."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.config, self.server_state, self.app_state = config, server_state, app_state
        self.loop = _loop or asyncio.get_event_loop()
        self.connections = server_state.connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.connections.add(self)
        self.transport = transport
        self._due_in(self.head_timeout_s)

    def begin_http(self) -> None:
        """Make ready for requests: as uvicorn does it at once, but for what looks up loggers and sockets."""
        config = self.config
        self.app = config.loaded_app
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.ws_protocol_class = config.ws_protocol_class
        self.root_path = config.root_path
        self.asgi_version = config.asgi_version
        self.limit_concurrency = config.limit_concurrency
        self.timeout_keep_alive = config.timeout_keep_alive
        self.tasks = self.server_state.tasks
        self.pipeline = deque()
        # Not by a socket object, which would stay.
        self.server = address_of(self.transport, "sockname")
        self.client = address_of(self.transport, "peername")
        self.scheme = "https" if encrypts(self.transport) else "http"

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._is_new:
            self._is_new = False
            is_offered = self.config.ws_protocol_class is WebSocketTransport
            handshake = plain_handshake(data) if is_offered and len(data) <= self.max_head_bytes else None
            if handshake is not None:
                self._met()
                self._upgrade(handshake)
                return
            self.begin_http()
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._is_upgrade:
                self.handle_websocket_upgrade()
                return
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = self._shown_bytes = 0
        if self._deadline is None:
            self._due_in(self.head_timeout_s)

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._shown_bytes += len(name) + len(value) + 4  # not by `_count`: a call for each header
        if self._shown_bytes > self.max_head_bytes:
            raise HeadTooLarge
        lower = name.lower()
        if lower == b"expect":
            super().on_header(name, value)
        else:
            self.headers.append((lower, value))

    def _count(self, size: int) -> None:
        self._shown_bytes += size
        if self._shown_bytes > self.max_head_bytes:
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        # Found once: uvicorn would look for it four times.
        self._is_upgrade = self.parser.should_upgrade() and super()._should_upgrade()
        if not self._is_upgrade:
            # A trickled body would keep the connection for as long as it likes, answered or not.
            self._due_in(self.head_timeout_s * _BODY_FACTOR)
            if self.flow is None:
                self.flow = FlowControl(self.transport)
        super().on_headers_complete()

    def _should_upgrade(self) -> bool:
        return self._is_upgrade

    def on_message_complete(self) -> None:
        if not self._is_upgrade:  # else the deadline holds until it is taken over
            self._met()
            super().on_message_complete()

    def pause_writing(self) -> None:
        if self.flow is not None:
            super().pause_writing()

    def resume_writing(self) -> None:
        if self.flow is not None:
            super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._met()
        if self.ws_protocol_class is not WebSocketTransport:
            super().handle_websocket_upgrade()
            return
        is_get = (self.scope["method"], self.scope["http_version"]) == ("GET", "1.1")
        key = handshake_key(self.headers) if is_get else None
        if key is None:
            versions = [value for name, value in self.headers if name == b"sec-websocket-version"]
            self._refuse(400 if versions == [b"13"] else 426)
            return
        self._upgrade(Handshake(self.url, self.headers, key))
        self.parser = None  # type: ignore[assignment]  # it holds this object: only the collector would part them

    def _upgrade(self, handshake: Handshake) -> None:
        self.connections.discard(self)
        protocol = WebSocketTransport(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(protocol)
        protocol.begin(self.transport, handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        self._met()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        del msg  # ours says more
        self._refuse(431 if self._shown_bytes > self.max_head_bytes else 400)

    def _refuse(self, status: int) -> None:
        if self._is_refused:
            return
        self._is_refused = True
        kind, body = self.refusals[status]
        facts = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        if status == HTTPStatus.UPGRADE_REQUIRED:
            facts += [
                (b"connection", b"upgrade"),
                (b"upgrade", b"websocket"),
                (b"sec-websocket-version", b"13"),
            ]
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        self.transport.write(line + b"".join(b"%s: %s\r\n" % fact for fact in facts) + b"\r\n" + body)
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering or not self.transport.can_write_eof():
            self.transport.close()  # what is still being answered would write after the end
            return
        # To close while more keeps coming would reset the connection, and the answer with it.
        self.transport.write_eof()
        self._due_in(_LINGER_S)

    def _due_in(self, seconds: float) -> None:
        self._met()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
