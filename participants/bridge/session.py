"""
One conversation with one server, from meeting it to its end.

The SDK's dispatcher carries the messages. Results and errors stay as they were
sent: no typed model comes between, which could drop a member that it does not
know.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp.types import INTERNAL_ERROR, INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from participants.bridge.child import Child
from participants.eras import ServerFacts, with_envelope
from participants.inner_ids import (
    CANCELLED,
    PROGRESS,
    RpcId,
    is_rpc_id,
    subscription_id_of,
    with_progress_token,
)
from schemas import JsonObject

DISCOVER_WITHIN_S: Final = 10.0
"""Seconds for the answer to `server/discover`; then the older handshake is tried."""
INITIALIZE_WITHIN_S: Final = 50.0
"""Seconds for the answer to `initialize`; a first start may fetch a package."""

Heard = Callable[[str, JsonObject | None], None]
"""Takes a notification, in the order of arrival, and does not wait."""


@dataclass(slots=True)
class _Call:
    heard: Heard
    task: asyncio.Task[Any] | None
    ended_by_server: bool = False


class ChildSession:
    """Requests to a server that is up, and what it says of its own accord."""

    def __init__(self, child: Child, heard: Heard, client: JsonObject) -> None:
        self._child = child
        self._dispatcher: JSONRPCDispatcher[TransportContext] = JSONRPCDispatcher(child.read, child.write)
        self._heard = heard
        self._client = client
        self._calls: dict[RpcId, _Call] = {}
        self._last_id = 0
        self._started = asyncio.Event()
        self.facts: ServerFacts = ServerFacts.from_initialize({})
        """What the server said of itself; empty until it was met."""

    @classmethod
    @asynccontextmanager
    async def over(cls, child: Child, *, client: JsonObject, heard: Heard) -> AsyncGenerator[ChildSession]:
        """
        Talk with a server for the length of the block; `client` is how we introduce ourselves.

        `heard` gets the notifications that belong to no call.
        """
        session = cls(child, heard, client)
        # A task of its own and no group: an error of the block leaves it as it was raised.
        carrying = asyncio.create_task(session._carry(), name="bridge.session")
        try:
            await session._started.wait()
            yield session
        finally:
            carrying.cancel()
            await asyncio.wait({carrying})

    async def wait_over(self) -> None:
        """Return when the server has ended the conversation."""
        await self._child.ended.wait()

    @property
    def is_over(self) -> bool:
        """Whether the server ended the conversation, so that an error is ours and not its own."""
        return self._child.ended.is_set()

    async def _carry(self) -> None:
        try:
            await self._dispatcher.run(
                _refuse_request, _ignore_notification, self._intercept, task_status=_Started(self._started)
            )
        finally:
            self._started.set()

    async def meet(self) -> ServerFacts:
        """
        Find out which era the server speaks: `server/discover`, and on any error `initialize`.

        A server that is slow to start may answer the first after we asked the
        second, and refuse that for being modern; then the first is asked again.

        Raises:
            MCPError: it speaks neither, or ended meanwhile.
        """
        try:
            self.facts = await self._discover()
        except MCPError as no_discovery:
            if self.is_over:
                raise
            try:
                self.facts = await self._initialize()
            except MCPError as error:
                if error.code != UNSUPPORTED_PROTOCOL_VERSION:
                    raise
                self.facts = await self._discover()
            except TimeoutError:
                raise no_discovery from None
        return self.facts

    async def _discover(self) -> ServerFacts:
        for version in reversed(MODERN_PROTOCOL_VERSIONS):
            result = await self._request(
                "server/discover",
                with_envelope(None, client=self._client, version=version),
                {"timeout": DISCOVER_WITHIN_S, "cancel_on_abandon": False},
            )
            versions = result.get("supportedVersions")
            if isinstance(versions, list) and version in cast("list[object]", versions):
                return ServerFacts.from_discover(result, version)
        raise MCPError(
            UNSUPPORTED_PROTOCOL_VERSION, "it answers server/discover, and speaks no modern version"
        )

    async def _initialize(self) -> ServerFacts:
        offer: JsonObject = {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            # Nothing is declared that a topic could not attribute: over one pipe
            # nobody can tell for which of many requesters a server asks back.
            "capabilities": {},
            "clientInfo": self._client,
        }
        options: CallOptions = {"timeout": INITIALIZE_WITHIN_S, "cancel_on_abandon": False}
        facts = ServerFacts.from_initialize(await self._request("initialize", offer, options))
        if facts.version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise MCPError(UNSUPPORTED_PROTOCOL_VERSION, f"it speaks protocol version {facts.version[:32]!r}")
        await self.notify("notifications/initialized", None)
        return facts

    async def call(self, method: str, params: JsonObject | None, heard: Heard) -> JsonObject:
        """
        Ask the server, and return its result as it stands; `heard` gets what it says on the way.

        On cancellation the server is told to stop.

        Raises:
            MCPError: its error as it stands, or (`is_over`) it ended first.
        """
        id = self._new_id()
        call = self._calls[id] = _Call(heard, asyncio.current_task())
        try:
            asked = None if params is None else with_progress_token(params, id)
            return await self._send(id, method, asked, {})
        except asyncio.CancelledError:
            if call.ended_by_server and call.task is not None:
                call.task.uncancel()
                raise MCPError(INTERNAL_ERROR, "The server ended it") from None
            raise
        finally:
            del self._calls[id]

    async def notify(self, method: str, params: JsonObject | None) -> None:
        """Tell the server something; a server that is gone hears nothing."""
        await self._dispatcher.notify(method, params)

    async def _request(self, method: str, params: JsonObject, options: CallOptions) -> JsonObject:
        return await self._send(self._new_id(), method, params, options)

    async def _send(
        self, id: RpcId, method: str, params: JsonObject | None, options: CallOptions
    ) -> JsonObject:
        return await self._dispatcher.send_raw_request(method, params, {**options, "request_id": id})

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _intercept(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Sort a notification into its call, in the order in which results are resolved too."""
        message = None if params is None else dict(params)
        if method == PROGRESS:
            call = self._call((message or {}).get("progressToken"))
            if call is not None:  # else it comes after the result, and is nobody's any more
                call.heard(method, message)
        elif method == CANCELLED:
            call = self._call((message or {}).get("requestId"))
            if call is not None and call.task is not None:  # how a server ends a subscription
                call.ended_by_server = True
                call.task.cancel()
        elif (call := self._call(subscription_id_of(message))) is not None:
            call.heard(method, message)
        else:
            self._heard(method, message)
        return True

    def _call(self, id: object) -> _Call | None:
        if not is_rpc_id(id):
            return None
        found = self._calls.get(cast("RpcId", id))
        if found is None and isinstance(id, str) and id.isdecimal():
            return self._calls.get(int(id))  # some servers echo a number as a string
        return found


class _Started:
    """What the dispatcher calls when it takes requests."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def started(self, value: None = None) -> None:
        del value
        self._event.set()


async def _refuse_request(
    context: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Answer what a server asks of its client."""
    del context, params
    if method == "ping":
        return {}
    raise MCPError(
        INVALID_REQUEST, f"{method!r} is not offered: this client asks for many, and declared nothing"
    )


async def _ignore_notification(
    context: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
) -> None:
    """Never reached: the interceptor takes every notification."""
