"""Callers over HTTP, each in the topic by their own token: what they may, the gateway says."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final

from participants import Participant, ParticipantError
from router_agent.carrying import TopicCarrier
from router_agent.core.directory import Directory
from router_agent.errors import IntentRefused
from router_agent.keeping import Keeper
from router_agent.thinking import Thinker

_Key = tuple[bytes, str]
"""A token's hash, and a topic."""
MOST: Final = 64
"""Callers that are connected at once; the one who was quiet longest makes room."""
TOOLS_WITHIN_S: Final = 1.0
"""Seconds to wait for the tools of those present, on a first request; who offers none may stay silent."""


@dataclass
class Caller:
    """One token in one topic."""

    me: Participant
    directory: Directory
    keeper: Keeper
    hearing: asyncio.Task[None]
    carrier: TopicCarrier
    uses: int = field(default=0)

    async def close(self) -> None:
        """Leave the topic."""
        self.hearing.cancel()
        await asyncio.wait({self.hearing})
        await self.keeper.close()
        await self.me.close()


class Callers:
    """Connections by token and topic. Tokens are kept in memory only, by their hash."""

    def __init__(self, url: str, thinker: Thinker, today: Callable[[], date], *, most: int = MOST) -> None:
        """`url` is the gateway's."""
        self._url, self._thinker, self._today, self._most = url, thinker, today, most
        self._known: OrderedDict[_Key, Caller] = OrderedDict()
        self._entering: dict[_Key, asyncio.Task[Caller]] = {}

    @asynccontextmanager
    async def caller(self, token: str, topic: str) -> AsyncIterator[Caller]:
        """
        Yield the caller's connection for one request.

        Raises:
            HandshakeRefused: the gateway does not let this token into this topic.
            ConnectionLost: the gateway cannot be reached.
            IntentRefused: too many callers are at work (`busy`).
        """
        key = hashlib.sha256(token.encode()).digest(), topic
        known = self._known.get(key)
        if known is None or not known.me.connected:
            known = await self._entered(key, token)
        if self._known.get(key) is not known:  # it made room before anybody could use it
            raise IntentRefused("busy", "Too many callers are at work; try again later.")
        known.uses += 1
        self._known.move_to_end(key)
        try:
            yield known
        finally:
            known.uses -= 1

    async def close(self) -> None:
        """Let everybody leave."""
        entering = list(self._entering.values())
        for task in entering:
            task.cancel()
        if entering:
            await asyncio.wait(entering)
        while self._known:
            _, caller = self._known.popitem()
            await caller.close()

    async def _entered(self, key: _Key, token: str) -> Caller:
        """Enter once for all requests that wait; one that is given up leaves the others waiting."""
        entering = self._entering.get(key)
        if entering is None:
            entering = self._entering[key] = asyncio.create_task(self._enter(key, token))
            entering.add_done_callback(partial(self._no_more_entering, key))
        return await asyncio.shield(entering)

    def _no_more_entering(self, key: _Key, entering: asyncio.Task[Caller]) -> None:
        del self._entering[key]
        if not entering.cancelled():
            entering.exception()  # looked at, also where nobody waits any more

    async def _enter(self, key: _Key, token: str) -> Caller:
        before = self._known.pop(key, None)
        if before is not None:
            await before.close()
        elif len(self._known) + len(self._entering) > self._most:
            await self._make_room()
        caller = self._known[key] = await self._opened(key[1], token)
        return caller

    async def _make_room(self) -> None:
        idle = next((key for key, caller in self._known.items() if caller.uses == 0), None)
        if idle is None:
            raise IntentRefused("busy", "Too many callers are at work; try again later.")
        await self._known.pop(idle).close()

    async def _opened(self, topic: str, token: str) -> Caller:
        me = Participant.connect(self._url, topic, token, reconnect=False)
        directory = Directory()
        keeper = Keeper(me, directory, lambda: self._thinker.meet(directory.catalogue))
        events = me.events()

        async def hear() -> None:
            async for event in events:
                keeper.hear(event)

        await me.__aenter__()
        hearing = asyncio.create_task(hear(), name="router.caller")
        carrier = TopicCarrier(
            me, self._thinker, lambda: directory.catalogue, me.id, lambda: me.capabilities, self._today
        )
        caller = Caller(me, directory, keeper, hearing, carrier)
        try:
            await asyncio.sleep(0)  # the welcome is waiting: let it be heard, so that questions are under way
            with suppress(TimeoutError, ParticipantError):
                async with asyncio.timeout(TOOLS_WITHIN_S):
                    await keeper.settled()
        except BaseException:
            await caller.close()
            raise
        return caller
