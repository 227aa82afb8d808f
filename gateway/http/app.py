"""The whole of HTTP in one application, and what it stands on."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.audit import AuditLog
from gateway.broker.choice import broker_for
from gateway.clock import Clock, SystemClock
from gateway.errors import AuditUnavailable, GatewayError
from gateway.http.admin import admin_routes
from gateway.http.documents import document_routes
from gateway.http.guard import Guard, HostCheck
from gateway.http.metrics_port import served_beside
from gateway.http.ops import metrics_app, ops_routes
from gateway.http.pages import page_routes
from gateway.http.problems import EXCEPTION_HANDLERS, unread
from gateway.http.turnstile import DoorLimits
from gateway.http.websocket import OutboxLimits, WebSocketDoor
from gateway.keys import Keys
from gateway.logs import configure_logs
from gateway.metrics import Metrics
from gateway.node import Node
from gateway.reload import Reloading
from gateway.settings import Settings
from gateway.transport import HttpTransport

log = structlog.get_logger("gateway")

_KEPT_BYTES: Final = 1 << 24
"""Of freed memory that are not given back at once."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As `malloc.h` of glibc numbers them."""


def new_id() -> str:
    """Return an envelope id that nobody has used or can guess."""
    return str(uuid4())


def create_app(
    settings: Settings, *, clock: Clock | None = None, reread: Callable[[], Settings] | None = None
) -> Starlette:
    """
    Build the gateway's application; its lifespan starts and stops the node.

    `reread` reads the settings as they are now, for `app.state.reloading`.

    Raises:
        SettingsError: a file that the settings name is missing or wrong.
    """
    clock = clock or SystemClock()
    settings = settings.with_secret()
    keys = Keys(settings)
    metrics = Metrics()
    broker = broker_for(settings, clock)
    audit = AuditLog(settings.ready_state_dir() / "audit.jsonl", clock.now)
    node = Node(
        broker,
        id=secrets.token_hex(6),
        clock=clock,
        new_id=new_id,
        metrics=metrics,
        rate=settings.rate_limit,
        max_envelope_bytes=settings.max_envelope_bytes,
        max_topic_connections=settings.max_topic_connections,
    )
    guard = Guard.of(settings.host, settings.allowed_hosts, settings.allowed_origins)
    door = WebSocketDoor(
        node,
        keys.read_participant,
        guard,
        clock=clock,
        new_id=new_id,
        limits=OutboxLimits(settings.outbox_bytes, settings.outbox_seconds),
        door_limits=DoorLimits(
            settings.max_token_connections, settings.max_address_connections, settings.join_rate
        ),
        handshake_timeout_s=settings.handshake_timeout_s,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            audit.check()
        except AuditUnavailable as error:
            log.error("audit.unavailable", why=error.why, next="mend it: until then admins can do nothing")  # noqa: TRY400
        try:
            await keys.start()
            await node.start()
        except GatewayError as error:
            app.state.failure = error
            log.error("gateway.refused_to_start", why=str(error))  # noqa: TRY400  # says it all
            logging.getLogger("uvicorn.error").disabled = True  # it would add a traceback that says no more
            raise
        beside = metrics_app(node.broker, metrics, lambda: node.is_draining, guard)
        try:
            async with served_beside(beside, settings.host, settings.metrics_port):
                # Of the process that serves, which may be a worker's and not the one that read its flags.
                HttpTransport.head_timeout_s = settings.handshake_timeout_s
                HttpTransport.refusals = unread()
                _settle_memory()
                yield
        finally:
            await node.stop()
            await keys.stop()

    app = _Gateway(
        HostCheck(door, guard.knows_host),
        routes=[
            Route("/ws", door),
            WebSocketRoute("/ws", door),
            *admin_routes(node.broker, lambda: keys.reader, audit, clock, metrics),
            *ops_routes(
                node.broker,
                metrics,
                lambda: node.is_draining,
                metrics_to_loopback=settings.metrics_port is None,
            ),
            *document_routes(),
            *page_routes(),
        ],
        middleware=[Middleware(HostCheck, knows=guard.knows_host)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.state.node = node
    app.state.reloading = Reloading(
        settings, reread or (lambda: settings), keys=keys, guard=guard, door=door, node=node
    )
    metrics.gauge("connections", "Connections on this node", lambda: node.connections)
    metrics.gauge("outbox_bytes", "Bytes that wait for slow connections", lambda: node.waiting_bytes)
    metrics.gauge("topics", "Topics that this node hears", lambda: len(node.topics))
    metrics.gauge("broker_up", "Whether the broker answers", lambda: node.broker.is_available)
    return app


class _Gateway(Starlette):
    """The application; its door is asked before routes and middleware, which cost as much as a join does."""

    def __init__(self, door: ASGIApp, **options: Any) -> None:
        super().__init__(**options)
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == "/ws":
            await self._door(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _settle_memory() -> None:
    """
    Leave what stays for ever out of garbage collection, and collect the rest less often.

    Envelopes are freed by reference counts; with the default thresholds the
    collector would walk every connection again and again for nothing. And what
    long messages leave is kept for the next ones: fresh pages cost as much as all the rest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc's
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES // 2)


def from_environment() -> Starlette:
    """Build the application in a worker process, from `MCPX_*`."""
    settings = Settings.read(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    return create_app(settings, reread=lambda: Settings.read(os.environ))
