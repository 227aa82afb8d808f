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

from gateway.transport.websocket_protocol import WebSocketTransport, handshake_key

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

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # As uvicorn does it, but for looking up its loggers, and for what only a response needs.
        self.config = config
        self.app = config.loaded_app
        self.loop = _loop or asyncio.get_event_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.ws_protocol_class = config.ws_protocol_class
        self.root_path = config.root_path
        self.asgi_version = config.asgi_version
        self.limit_concurrency = config.limit_concurrency
        self.app_state = app_state
        self.timeout_keep_alive_task = None
        self.timeout_keep_alive = config.timeout_keep_alive
        self.server_state = server_state
        self.connections = server_state.connections
        self.tasks = server_state.tasks
        self.flow = None  # type: ignore[assignment]  # as it is with uvicorn
        self.pipeline = deque()
        self.expect_100_continue = False
        self.cycle = None  # type: ignore[assignment]  # as it is with uvicorn

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        # As uvicorn does it, but for asking the transport for a socket object, which would stay.
        self.connections.add(self)
        self.transport = transport
        self.server, self.client = _address(transport, "sockname"), _address(transport, "peername")
        self.scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"
        self._due_in(self.head_timeout_s)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
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
            if cast("FlowControl | None", self.flow) is None:
                self.flow = FlowControl(self.transport)
        super().on_headers_complete()

    def _should_upgrade(self) -> bool:
        return self._is_upgrade

    def on_message_complete(self) -> None:
        if not self._is_upgrade:  # else the deadline holds until it is taken over
            self._met()
            super().on_message_complete()

    def pause_writing(self) -> None:
        if cast("FlowControl | None", self.flow) is not None:
            super().pause_writing()

    def resume_writing(self) -> None:
        if cast("FlowControl | None", self.flow) is not None:
            super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._met()
        if self.ws_protocol_class is not WebSocketTransport:
            super().handle_websocket_upgrade()
            return
        key = handshake_key(self.scope["method"], self.scope["http_version"], self.headers)
        if key is None:
            versions = [value for name, value in self.headers if name == b"sec-websocket-version"]
            self._refuse(400 if versions == [b"13"] else 426)
            return
        self.connections.discard(self)
        protocol = WebSocketTransport(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(protocol)
        protocol.begin(self.transport, self.scope, self.url, key)
        self.parser = None  # type: ignore[assignment]  # it holds this object: only the collector would part them

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


def _address(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    """Return host and port of one end; a socket file has none."""
    address = transport.get_extra_info(name)
    return (
        (str(address[0]), int(address[1]))
        if isinstance(address, tuple | list) and len(address) >= 2
        else None
    )
