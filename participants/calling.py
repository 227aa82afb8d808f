"""
Call any peer of a topic with the official SDK's client.

`topic_transport` is a transport like stdio or HTTP: two streams of messages.
What the client asks becomes a request to the peer, or, where this participant
may not make it, a proposal; the client sees the result in either case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import (
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from participants.client import Request
from participants.conversation import Notification, kind_for
from participants.eras import Era, ServerFacts
from participants.errors import INTERNAL_ERROR, ParticipantError, RequestFailed
from participants.inner_ids import CANCELLED, RpcId, progress_token_of, readdressed, resubscribed
from participants.mcp_errors import as_mcp_error
from participants.switchboard import ClientEnd, Member, Switchboard
from schemas import JsonObject

_log: Final = logging.getLogger(__name__)

NEGOTIATION: Final = frozenset({"initialize", "server/discover"})
"""How a client and a server meet. Nobody should have to approve that."""
_LASTING: Final = frozenset({"subscriptions/listen"})
"""Requests whose answer is the end of them."""

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@asynccontextmanager
async def topic_transport(
    me: Member, target: str, *, timeout: float | None = 60.0, expires_in: float | None = 300.0
) -> AsyncGenerator[Streams]:
    """
    Yield the SDK's (read, write) streams to the peer `target`: `Client(topic_transport(me, "files"))`.

    `timeout` is in seconds for one call, `expires_in` for a proposal; the SDK's
    own timeouts stand beside them. Both eras work. Where a call fails because of
    the topic, the client gets a JSON-RPC error that says how (see
    `participants.mcp_errors`): a rejected proposal is -32003 and names who
    rejected it, and why.

    To meet the peer is never proposed: a participant that may not ask for it
    gets a modest answer from here, and its client goes on at the last handshake
    version. The client's callbacks (sampling, elicitation, roots) answer what
    the peer asks back, if it may.
    """
    line = _Line(me, target, timeout, expires_in)
    with Switchboard.of(me).calling(ClientEnd(target, line.answer, line.hear)):
        carrying = asyncio.create_task(line.carry(), name="calling.carry")
        try:
            yield line.read, line.write
        finally:
            carrying.cancel()
            await line.hang_up(carrying)


class _Line:
    """One SDK client's line to one peer."""

    def __init__(self, me: Member, target: str, timeout: float | None, expires_in: float | None) -> None:
        self._me, self._target = me, target
        self._timeout, self._expires_in = timeout, expires_in
        self._to_client, self.read = anyio.create_memory_object_stream[SessionMessage | Exception](64)
        self.write, self._from_client = anyio.create_memory_object_stream[SessionMessage](0)
        self._calls: dict[RpcId, asyncio.Task[None]] = {}
        self._asked_back: dict[RpcId, asyncio.Future[JsonObject]] = {}

    async def carry(self) -> None:
        """Act on what the client sends, until it has nothing more to send."""
        async with self._from_client as from_client:
            async for item in from_client:
                match item.message:
                    case JSONRPCRequest() as request:
                        self._calls[request.id] = asyncio.create_task(
                            self._call(request), name="calling.call"
                        )
                    case JSONRPCNotification(method=method, params=params):
                        await self._notify(method, params)
                    case JSONRPCResponse(id=id, result=result):
                        self._answered_back(id, result)
                    case JSONRPCError(id=id, error=error):
                        self._answered_back(id, RequestFailed(error.code, error.message, error.data))

    async def hang_up(self, carrying: asyncio.Task[None]) -> None:
        """Give up what is under way: requests are cancelled, proposals withdrawn."""
        ending = [carrying, *self._calls.values()]
        for task in ending:
            task.cancel()
        for asked in self._asked_back.values():
            asked.cancel()
        self._to_client.close()
        self._from_client.close()
        await asyncio.wait(ending)
        self.read.close()
        self.write.close()

    async def _call(self, request: JSONRPCRequest) -> None:
        answer: JSONRPCMessage
        try:
            result = self._met_here(request) or await self._ask(request)
            answer = JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)
        except ParticipantError as error:
            answer = _error(request.id, as_mcp_error(error))
        except MCPError as error:
            answer = _error(request.id, error)
        except Exception:  # noqa: BLE001 - the edge of a task: the client is told nothing internal
            _log.exception("call.failed", extra={"method": request.method, "target": self._target})
            answer = _error(request.id, MCPError(INTERNAL_ERROR, "The call could not be made"))
        finally:
            self._calls.pop(request.id, None)
        await self._deliver(answer)

    def _met_here(self, request: JSONRPCRequest) -> JsonObject | None:
        """Answer for the peer where the participant may not ask it who it is."""
        if request.method not in NEGOTIATION:
            return None
        if self._me.capabilities.grants(kind_for("mcp/request", request.method, request.params)):
            return None
        if request.method == "server/discover":
            raise MCPError(
                METHOD_NOT_FOUND, f"This participant may not ask {self._target} for 'server/discover'"
            )
        everything: JsonObject = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
        facts = ServerFacts(Era.HANDSHAKE, LATEST_HANDSHAKE_VERSION, everything, {"name": self._target})
        return facts.as_initialize_result(None)

    async def _ask(self, request: JSONRPCRequest) -> JsonObject:
        progress_token = progress_token_of(request.params)

        async def heard(notification: Notification) -> None:
            params = readdressed(
                notification.method,
                notification.params,
                request_id=request.id,
                progress_token=progress_token,
            )
            await self._tell_client(notification.method, params)

        outcome = await self._me.request(
            self._target,
            request.method,
            request.params,
            timeout=None if request.method in _LASTING else self._timeout,
            expires_in=self._expires_in,
            on_progress=None if progress_token is None else heard,
            on_notification=heard,
        )
        return resubscribed(outcome.result, request.id)

    async def _notify(self, method: str, params: JsonObject | None) -> None:
        if method == CANCELLED:
            call = self._calls.get((params or {}).get("requestId", ""))
            if call is not None:
                call.cancel()  # the participant tells the peer, or withdraws the proposal
            return
        try:
            await self._me.notify(self._target, method, params)
        except ParticipantError as error:
            _log.debug("notification.not_sent", extra={"method": method, "why": str(error)})

    async def hear(self, notification: Notification) -> None:
        """Pass on what the peer says of its own accord."""
        await self._tell_client(notification.method, notification.params or None)

    async def answer(self, request: Request) -> JsonObject:
        """Let the client answer what the peer asks back."""
        answered: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        cancelled = asyncio.ensure_future(request.cancelled.wait())
        self._asked_back[request.id] = answered
        try:
            await self._deliver(
                JSONRPCRequest(jsonrpc="2.0", id=request.id, method=request.method, params=request.params)
            )
            await asyncio.wait((answered, cancelled), return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                await self._tell_client(CANCELLED, {"requestId": request.id})
            if not answered.done() or answered.cancelled():
                raise RequestFailed(-32000, "Nobody answers this any more")
            return answered.result()
        finally:
            cancelled.cancel()
            del self._asked_back[request.id]

    def _answered_back(self, id: RpcId | None, answer: JsonObject | RequestFailed) -> None:
        asked = None if id is None else self._asked_back.get(id)
        if asked is None or asked.done():
            return
        if isinstance(answer, RequestFailed):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    async def _tell_client(self, method: str, params: JsonObject | None) -> None:
        if params is None:
            await self._deliver(JSONRPCNotification(jsonrpc="2.0", method=method))
        else:
            await self._deliver(JSONRPCNotification(jsonrpc="2.0", method=method, params=params))

    async def _deliver(self, message: JSONRPCMessage) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._to_client.send(SessionMessage(message))


def _error(id: RpcId, error: MCPError) -> JSONRPCError:
    return JSONRPCError(
        jsonrpc="2.0", id=id, error=ErrorData(code=error.code, message=error.message, data=error.data)
    )
