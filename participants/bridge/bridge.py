"""A real stdio MCP server, as a participant of a topic."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, assert_never

from mcp.shared.exceptions import MCPError

from participants.bridge.backoff import Backoff
from participants.bridge.child import ChildCommand
from participants.bridge.courier import Courier
from participants.bridge.errors import RESTARTING
from participants.bridge.log import log
from participants.bridge.requests import (
    Answer,
    Ask,
    Refusal,
    Subscribers,
    decide,
    log_level_of,
    subscribed_uri,
)
from participants.bridge.session import ChildSession
from participants.bridge.tools import sound_tools
from participants.bridge.upkeep import Upkeep
from participants.client import Request
from participants.conversation import Notification
from participants.eras import CHANGES_LISTENED_TO, LIST_CHANGED, Era, ServerFacts, with_envelope
from participants.errors import RequestFailed
from participants.fitting import MAX_RESULT_BYTES, fitting
from participants.inner_ids import (
    CANCELLED,
    LOG_MESSAGE,
    RESOURCE_UPDATED,
    progress_token_of,
    readdressed,
    resubscribed,
    unsubscribed,
)
from participants.pacing import Pace
from participants.switchboard import Member, Switchboard
from schemas import JsonObject

LEVELS_REMEMBERED: Final = 1024
SUBSCRIBED_WITHIN_S: Final = 5.0
"""Seconds for a restarted server to take a subscription up again."""
CLIENT: Final[JsonObject] = {"name": "mcpx-bridge", "version": "0.1.0"}


class Bridge:
    """
    Answers a participant's requests with a server that runs as a child process.

    Requests wait for nothing: while the server is being started again they get
    a JSON-RPC error -32000 that says so. A call that the server did not live to
    answer gets one too, and is never made again by the bridge: it may have
    taken effect.
    """

    def __init__(
        self,
        command: ChildCommand,
        *,
        max_result_bytes: int = MAX_RESULT_BYTES,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._max_result_bytes = max_result_bytes
        self._me: Member | None = None
        self._in_flight: dict[str, Request] = {}
        self._levels: OrderedDict[str, str] = OrderedDict()
        self._subscribers = Subscribers()
        self._pace = Pace()
        self._announcer = Courier(self._announce)
        self.upkeep = Upkeep(
            command, client=CLIENT, heard=self._announcer.bring, backoff=backoff, chance=chance
        )
        self.upkeep.on_met = self._met
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[ServerFacts]:
        """
        Run the server for as long as the block lasts; yields what it said of itself.

        Raises:
            ChildNotStarted: it cannot be run.
            ChildNotMet: it is no MCP server.
        """
        async with self.upkeep.kept() as facts:
            try:
                yield facts
            finally:
                if self._listening is not None:
                    self._listening.cancel()
                    await asyncio.wait({self._listening})

    @asynccontextmanager
    async def serving(self, me: Member) -> AsyncGenerator[None]:
        """Answer the participant's requests for as long as the block lasts, within `running()`."""
        self._me = me
        try:
            async with self._announcer.at_work():
                with Switchboard.of(me).serving(self._answer, _ignore):
                    yield
        finally:
            self._me = None

    async def _answer(self, request: Request) -> JsonObject:
        session = self.upkeep.session
        if session is None:
            raise self._restarting()
        decision = decide(
            request.method,
            request.params,
            session.facts,
            client={"name": request.sender, "version": ""},
            log_level=self._levels.get(request.sender),
        )
        match decision:
            case Answer(result=result):
                self._remember_level(request)
                return result
            case Refusal(code=code, message=message, data=data):
                raise RequestFailed(code, message, data)
            case Ask(params=params):
                result = await self._ask(session, request, params)
                return self._fitting(request, result)
            case _:
                assert_never(decision)

    async def _ask(self, session: ChildSession, request: Request, params: JsonObject | None) -> JsonObject:
        if session.facts.era is Era.HANDSHAKE and not self._may_change_subscription(request):
            return {}
        token = progress_token_of(request.params)

        async def notify(method: str, said: JsonObject | None) -> None:
            if self._pace.lets_through(method, asyncio.get_running_loop().time()):
                await request.notify(
                    method, readdressed(method, said, request_id=request.rpc_id, progress_token=token)
                )

        self._in_flight[request.id] = request
        courier = Courier(notify)
        try:
            async with courier.at_work():
                result = await self._call(session, request, params, courier)
                await courier.wait_delivered()
        finally:
            del self._in_flight[request.id]
        return resubscribed(result, request.rpc_id)

    async def _call(
        self, session: ChildSession, request: Request, params: JsonObject | None, courier: Courier
    ) -> JsonObject:
        call = asyncio.create_task(session.call(request.method, params, courier.bring), name="bridge.call")
        cancelled = asyncio.create_task(request.cancelled.wait())
        try:
            await asyncio.wait({call, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise RequestFailed(RESTARTING, "Cancelled by the one who asked")
            return call.result()
        except MCPError as error:
            if session.is_over:
                raise self._ended_during(request) from error
            self._forget_subscription(request)
            raise RequestFailed(error.code, error.message, error.data) from error
        finally:
            for task in (call, cancelled):
                task.cancel()
            await asyncio.wait({call, cancelled})

    def _fitting(self, request: Request, result: JsonObject) -> JsonObject:
        """Leave out what clients would choke on, and let through what can be sent."""
        if request.method == "tools/list":
            result, left_out = sound_tools(result)
            for name, why in left_out:
                log.warning("tool.left_out", tool=name, why=why, server=self.upkeep.name)
        return fitting(result, self._max_result_bytes)

    def _restarting(self) -> RequestFailed:
        wait = self.upkeep.retry_in_s
        return RequestFailed(
            RESTARTING,
            f"{self.upkeep.name} is restarting; ask again in a moment",
            {"state": str(self.upkeep.state), "retry_after_ms": round(wait * 1000)},
        )

    def _ended_during(self, request: Request) -> RequestFailed:
        return RequestFailed(
            RESTARTING,
            f"{self.upkeep.name} ended while it worked on this, and is restarting; it may have taken effect",
            {"state": str(self.upkeep.state), "request": request.id},
        )

    # What one requester asked for, that a server with a single client cannot keep apart.

    def _remember_level(self, request: Request) -> None:
        level = log_level_of(request.method, request.params)
        if level is None:
            return
        self._levels.pop(request.sender, None)
        self._levels[request.sender] = level
        if len(self._levels) > LEVELS_REMEMBERED:
            self._levels.popitem(last=False)

    def _may_change_subscription(self, request: Request) -> bool:
        """Keep the books of subscriptions; `False`: the server need not hear of this one."""
        uri = subscribed_uri(request.method, request.params)
        if uri is None:
            return True
        if request.method == "resources/unsubscribe":
            return self._subscribers.remove(uri, request.sender)
        if not self._subscribers.add(uri, request.sender):
            raise RequestFailed(RESTARTING, "Too many subscriptions")
        return True

    def _forget_subscription(self, request: Request) -> None:
        uri = subscribed_uri(request.method, request.params)
        if uri is not None:
            self._subscribers.remove(uri, request.sender)

    # What the server says of its own accord.

    async def _announce(self, method: str, params: JsonObject | None) -> None:
        me = self._me
        if me is None or method == CANCELLED:
            return
        if method == RESOURCE_UPDATED:
            for uri, peer in self._subscribers.of(params):
                if peer in me.roster:
                    await me.notify(peer, method, params)
                else:
                    self._subscribers.remove(uri, peer)
        elif method == LOG_MESSAGE and len(self._in_flight) == 1:
            # The era of handshakes does not say for whom; with one requester there is no doubt.
            (request,) = self._in_flight.values()
            if self._pace.lets_through(method, asyncio.get_running_loop().time()):
                await request.notify(method, params)
        elif method == LOG_MESSAGE:
            log.info("child.logged", server=self.upkeep.name, level=str((params or {}).get("level"))[:16])
        else:
            await me.notify(None, method, params)

    def _listen(self, session: ChildSession) -> asyncio.Task[None] | None:
        """Ask a modern server to say when its lists change; one of the other era does so by itself."""
        wanted = {
            flag: True for flag, part in CHANGES_LISTENED_TO.items() if session.facts.says_when_changed(part)
        }
        if session.facts.era is not Era.MODERN or not wanted:
            return None
        params = with_envelope({"notifications": wanted}, client=CLIENT, version=session.facts.version)

        def heard(method: str, said: JsonObject | None) -> None:
            if method in LIST_CHANGED.values():
                self._announcer.bring(method, unsubscribed(said or {}) or None)

        async def listen() -> None:
            try:
                await session.call("subscriptions/listen", params, heard)
            except MCPError as error:
                if not session.is_over:
                    log.warning("changes.not_announced", server=self.upkeep.name, why=error.message)

        return asyncio.create_task(listen(), name="bridge.listen")

    async def _met(self, session: ChildSession) -> None:
        """After a restart ask again for what peers had asked, and say that the lists may be others."""
        self._listening = self._listen(session)
        if self.upkeep.restarts == 0:
            return
        for uri in self._subscribers.uris:
            if session.facts.era is Era.HANDSHAKE:
                try:
                    async with asyncio.timeout(SUBSCRIBED_WITHIN_S):
                        await session.call("resources/subscribe", {"uri": uri}, _deaf)
                except (MCPError, TimeoutError) as error:
                    log.warning("subscription.lost", server=self.upkeep.name, why=str(error))
        for part, method in LIST_CHANGED.items():
            if part in session.facts.capabilities:
                self._announcer.bring(method, None)


def _deaf(method: str, params: JsonObject | None) -> None:
    """Take a notification that nobody waits for."""


async def _ignore(notification: Notification) -> None:
    """Take what peers say to a server with one client: `initialized` is said once, by the bridge."""
