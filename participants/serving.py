"""
Serve any MCP server object of the official SDK in a topic.

Each request goes straight to the server's handlers. No stream lies between, so
two peers cannot collide: the server sees the envelope's id as the request's,
and what it sends on the way goes to the one who asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.models import InitializationOptions
from mcp.server.runner import ServerRunner, aclose_shielded
from mcp.shared.dispatcher import CallOptions, Outbound
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp.shared.message import MessageMetadata, ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from participants.client import Request
from participants.conversation import Notification
from participants.eras import CHANGES_LISTENED_TO, LIST_CHANGED, has_envelope, is_modern_only, with_envelope
from participants.errors import INTERNAL_ERROR, ParticipantError, RequestFailed
from participants.fitting import fitting
from participants.inner_ids import (
    PROGRESS,
    RESOURCE_UPDATED,
    progress_token_of,
    readdressed,
    resubscribed,
    unsubscribed,
)
from participants.mcp_errors import as_mcp_error
from participants.pacing import Pace
from participants.switchboard import Member, Switchboard
from schemas import JsonObject

_log: Final = logging.getLogger(__name__)

MAX_HANDSHAKES: Final = 1024
"""Peers whose handshake is remembered; the one that asked longest ago is forgotten first."""
STOPPED: Final = -32000
"""JSON-RPC error code: the work was stopped before it was done, by whoever asked or by the end of serving."""
ASKING_BACK_S: Final = 300.0
"""Seconds for a peer to answer what the server asks of it, where the server sets no time."""


@asynccontextmanager
async def serve(
    me: Member, server: Server[Any] | MCPServer, *, options: InitializationOptions | None = None
) -> AsyncGenerator[None]:
    """
    Let `server` answer this participant's requests for as long as the block lasts.

    Peers may shake hands first (MCP 2024-11-05 … 2025-11-25), say all in each
    request (2026-07-28), or just ask. `options` is what a handshake is answered
    with, if not what the server says by itself. A handler finds the `Request`
    itself as `ctx.request`: who asked, and the proposal that it fulfills.

    Entered before the participant's own block, it misses no request:
    `async with serve(me, server), me:`. When lists change the whole topic is
    told (`notifications/…/list_changed`). A participant serves one server at a time.
    """
    lowlevel = _lowlevel(server)
    board = Switchboard.of(me)
    async with lowlevel.lifespan(lowlevel) as state:
        service = _Service(me, lowlevel, state, options or lowlevel.create_initialization_options())
        listening = asyncio.create_task(service.announce_changes(), name="serving.announce_changes")
        try:
            with board.serving(service.answer, service.hear):
                yield
        finally:
            listening.cancel()
            await asyncio.wait({listening})
            await service.close()


def _lowlevel(server: Server[Any] | MCPServer) -> Server[Any]:
    if isinstance(server, MCPServer):
        # The SDK's own client unwraps it in the same way; it offers no public one yet.
        return server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return server


class _Service:
    """One server, and the peers that shook hands with it."""

    def __init__(
        self, me: Member, server: Server[Any], state: object, options: InitializationOptions
    ) -> None:
        self._me, self._server, self._state, self._options = me, server, state, options
        self._handshakes: OrderedDict[str, ServerRunner[Any]] = OrderedDict()
        self._working: set[asyncio.Task[JsonObject]] = set()
        self._pace = Pace()

    async def answer(self, request: Request) -> JsonObject:
        """Answer one request, or raise `RequestFailed`; a cancelled one stops its handler."""
        params: JsonObject | None = request.params or None
        handshake = self._handshake_of(request.sender, request.method, params)
        if handshake is None and is_modern_only(request.method) and not has_envelope(params):
            params = with_envelope(params, client={"name": request.sender, "version": ""})
        runner = handshake or self._runner_for(request.sender, request.method, params)
        context = _RequestContext(
            self._me, request, params, pace=self._pace, may_ask_back=handshake is not None
        )
        try:
            result = await self._work(request, context, runner, params)
        except Exception as error:
            raise _failure(error, request.method) from error
        finally:
            context.close()
            if handshake is None and request.method != "initialize":
                await aclose_shielded(runner.connection)
        if request.method == "initialize":
            await self._remember(request.sender, runner)
        return fitting(resubscribed(result, request.rpc_id))

    def _handshake_of(self, peer: str, method: str, params: JsonObject | None) -> ServerRunner[Any] | None:
        """What a peer's handshake left, where this request is one of that era."""
        if method == "initialize" or is_modern_only(method) or has_envelope(params):
            return None
        if peer in self._handshakes:
            self._handshakes.move_to_end(peer)
        return self._handshakes.get(peer)

    def _runner_for(self, peer: str, method: str, params: JsonObject | None) -> ServerRunner[Any]:
        outbound = _ToPeer(self._me, peer)
        if method == "initialize":
            return self._runner(Connection.for_loop(outbound))
        if has_envelope(params):
            return self._modern_runner(outbound, method, params)
        return self._runner(Connection.from_envelope(LATEST_HANDSHAKE_VERSION, None, {}, outbound=outbound))

    def _modern_runner(self, outbound: Outbound, method: str, params: JsonObject | None) -> ServerRunner[Any]:
        route = classify_inbound_request({"method": method, "params": params})
        if isinstance(route, InboundLadderRejection):
            raise RequestFailed(route.code, route.message, route.data)
        return self._runner(
            Connection.from_envelope(
                route.protocol_version, route.client_info, route.client_capabilities, outbound=outbound
            )
        )

    def _runner(self, connection: Connection) -> ServerRunner[Any]:
        return ServerRunner(self._server, connection, self._state, init_options=self._options)

    async def _work(
        self, request: Request, context: _RequestContext, runner: ServerRunner[Any], params: JsonObject | None
    ) -> JsonObject:
        async def in_its_name() -> JsonObject:
            _current.set(context)
            return await runner.on_request(context, request.method, params)

        work = asyncio.create_task(in_its_name(), name="serving.request")
        cancelled = asyncio.create_task(request.cancelled.wait())
        self._working.add(work)
        try:
            await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                context.cancel_requested.set()
                raise RequestFailed(STOPPED, "Cancelled by the one who asked")
            if work.cancelled():
                raise RequestFailed(STOPPED, "The server is not served any more")
            return work.result()
        finally:
            self._working.discard(work)
            for task in (work, cancelled):
                task.cancel()
            await asyncio.wait({work, cancelled})

    async def _remember(self, peer: str, runner: ServerRunner[Any]) -> None:
        forgotten = [self._handshakes.pop(peer, None)]
        self._handshakes[peer] = runner
        if len(self._handshakes) > MAX_HANDSHAKES:
            forgotten.append(self._handshakes.popitem(last=False)[1])
        for old in forgotten:
            if old is not None:
                await aclose_shielded(old.connection)

    async def hear(self, notification: Notification) -> None:
        """Give the server what a peer that shook hands says (`initialized`, `roots/list_changed`)."""
        runner = self._handshakes.get(notification.sender)
        if runner is not None:
            await runner.on_notify(_NotificationContext(), notification.method, notification.params or None)

    async def announce_changes(self) -> None:
        """
        Tell the topic of every change that the server publishes for subscribers (MCP 2026-07-28).

        The participant subscribes to its own server, as any client could.
        """
        if self._server.get_request_handler("subscriptions/listen") is None:
            return
        wanted = {"notifications": dict.fromkeys(CHANGES_LISTENED_TO, True)}
        params = with_envelope(wanted, client={"name": "mcpx", "version": ""})
        runner = self._modern_runner(_ToPeer(self._me, None), "subscriptions/listen", params)
        with suppress(MCPError):  # a server may serve no lists that change
            await runner.on_request(_AnnouncingContext(self._me), "subscriptions/listen", params)

    async def close(self) -> None:
        """Stop what is being worked on, and run what handlers left to be cleaned up after a handshake."""
        working = tuple(self._working)
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        while self._handshakes:
            await aclose_shielded(self._handshakes.popitem()[1].connection)


def _failure(error: Exception, method: str) -> RequestFailed:
    if isinstance(error, RequestFailed):
        return error
    known = handler_exception_to_error_data(error)
    if known is not None:
        return RequestFailed(known.code, known.message, known.data)
    _log.error("request.failed", extra={"method": method}, exc_info=error)
    return RequestFailed(INTERNAL_ERROR, "Internal server error")


_current: Final[ContextVar[_RequestContext | None]] = ContextVar("mcpx_request", default=None)
"""The request that this task works on: a server's connection does not say in whose name it speaks."""


class _ToPeer(Outbound):
    """What a server says on its connection; it is said in the request that it works on."""

    def __init__(self, me: Member, peer: str | None) -> None:
        self._me, self._peer = me, peer

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        # Who is asked has to be the one that asked: outside a request nobody is.
        context = _current.get()
        if context is None:
            raise NoBackChannelError(method)
        return await context.send_raw_request(method, params, opts)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        context = _current.get()
        if method in LIST_CHANGED.values():
            await _tell(self._me, None, method, params)
        elif context is not None and method != RESOURCE_UPDATED:
            await context.notify(method, params, opts)
        else:
            await _tell(self._me, self._peer, method, params)


class _RequestContext:
    """The SDK's `DispatchContext` for one request of the topic."""

    def __init__(
        self, me: Member, request: Request, params: JsonObject | None, *, pace: Pace, may_ask_back: bool
    ) -> None:
        self._me, self._request, self._params = me, request, params
        self._pace = pace
        self._open = True
        self._progress_token = progress_token_of(params)
        self.transport = TransportContext(kind="mcpx", can_send_request=may_ask_back)
        self.request_id = request.id
        self.message_metadata: MessageMetadata = ServerMessageMetadata(request_context=request)
        self.cancel_requested = anyio.Event()

    @property
    def can_send_request(self) -> bool:
        return self.transport.can_send_request and self._open

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        if not self.can_send_request:
            raise NoBackChannelError(method)
        timeout = (opts or {}).get("timeout", ASKING_BACK_S)
        try:
            # Never by way of a proposal: a third person would answer for the one who asked.
            outcome = await self._me.request(
                self._request.sender, method, dict(params or {}), timeout=timeout, mode="request"
            )
        except ParticipantError as error:
            raise as_mcp_error(error) from error
        return outcome.result

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        del opts
        if not (self._open and self._pace.lets_through(method, asyncio.get_running_loop().time())):
            return
        message = readdressed(
            method,
            None if params is None else dict(params),
            request_id=self._request.rpc_id,
            progress_token=self._progress_token,
        )
        try:
            await self._request.notify(method, message)
        except ParticipantError as error:
            _log.warning("notification.not_sent", extra={"method": method, "why": str(error)})

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self._progress_token is None:
            return
        params: JsonObject = {"progressToken": self._progress_token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.notify(PROGRESS, params)

    def close(self) -> None:
        """The request is answered: nothing more may be said in its name."""
        self._open = False


class _NotificationContext:
    """The SDK's `DispatchContext` for a notification: nothing can be answered."""

    def __init__(self, request_id: str | None = None) -> None:
        self.transport = TransportContext(kind="mcpx", can_send_request=False)
        self.can_send_request = False
        self.request_id = request_id
        self.message_metadata: MessageMetadata = None
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del params, opts
        raise NoBackChannelError(method)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Nobody is there to hear it."""
        del method, params, opts

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Nobody waits for it."""


class _AnnouncingContext(_NotificationContext):
    """The participant as a subscriber of its own server: what it hears, the topic hears."""

    def __init__(self, me: Member) -> None:
        super().__init__("announcements")
        self._me = me

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        del opts
        if method in LIST_CHANGED.values():
            await _tell(self._me, None, method, params)


async def _tell(me: Member, peer: str | None, method: str, params: Mapping[str, Any] | None) -> None:
    """Send a notification that nothing depends on: what cannot be sent now is logged, and lost."""
    try:
        await me.notify(peer, method, unsubscribed(dict(params)) if params else None)
    except ParticipantError as error:
        _log.warning("notification.not_sent", extra={"method": method, "why": str(error)})
