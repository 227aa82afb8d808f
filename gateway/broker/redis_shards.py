"""Which connection leads to a key: the one there is, or that of its shard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import hiredis
import structlog

from gateway.broker.redis_address import Address, Form, Place
from gateway.broker.redis_connection import Connection, User
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_limits import RedisTimes
from gateway.broker.redis_link import Refused
from gateway.broker.redis_refusals import ELSEWHERE
from gateway.broker.redis_sentinel import Sentinels
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

Command = Sequence[bytes | str | int]

_LOOK_S: Final = 1.0
"""
Between questions to the Sentinels. A master that has handed over still says yes
for some ten seconds, and forgets it all then.
"""


class Shards(Protocol):
    """The ways to Redis."""

    @property
    def connections(self) -> Sequence[Connection]:
        """All of them."""
        ...

    @property
    def store(self) -> Connection:
        """The one to rights, revocations, and the lists of topics and nodes."""
        ...

    def of(self, topic: str) -> Connection:
        """The one to a topic."""
        ...

    async def open(self, node: str) -> None:
        """
        Connect.

        Raises:
            BrokerUnavailable: with the reason, for an operator.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """
        Carry out commands, each of which may be carried out twice.

        Those to one shard go there in their order; shards are asked one after
        the other, in the order in which the commands name them.

        Raises:
            BrokerUnavailable
        """
        ...

    def doubt(self, error: Refused | None = None) -> None:
        """A shard may have gone elsewhere: see where all of them are."""
        ...


class OneServer:
    """All there is lies on one server; with Sentinels on whichever is the master."""

    def __init__(self, place: Place, keys: Keys, times: RedisTimes, user: User) -> None:
        self._place, self._keys, self._node = place, keys, ""
        self._sentinels = Sentinels(place)
        self._watching: asyncio.Task[None] | None = None
        self.store = Connection(
            str(place),
            self._find,
            times,
            user,
            lambda: keys.probe(self._node),
            has_heirs=place.form is Form.SENTINEL,
        )
        self.connections = (self.store,)

    def of(self, topic: str) -> Connection:  # noqa: ARG002 - all are there
        return self.store

    async def open(self, node: str) -> None:
        self._node = node
        await self.store.open(node)
        if self._place.form is Form.SENTINEL:
            self._watching = asyncio.create_task(self._watch(), name="broker.sentinels")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.store.close()
        self._sentinels.close()

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        for is_last in (False, True):
            replies = await self.store.ask_each(commands)
            error = first_refusal(replies)
            if error is None:
                return replies
            if error.word in ELSEWHERE:
                self.store.note_refusal(error)
            if is_last or error.word not in ELSEWHERE:
                raise BrokerUnavailable(str(error)) from error
            await self.store.wait_ready()
        raise AssertionError("returned or raised")

    def doubt(self, error: Refused | None = None) -> None:
        """It is where it is."""

    async def _find(self) -> Address:
        if self._place.form is Form.SENTINEL:
            return await self._sentinels.master()
        return self._place.redis

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            session = self.store.session
            if session is None or not self.store.is_ready:
                continue  # whoever connects asks them
            try:
                master = await self._sentinels.master()
            except BrokerUnavailable:
                continue  # without Sentinels the master that we have goes on
            except Exception:  # the edge of a task that nobody awaits
                log.exception("broker.sentinels_unread", next="asking again")
                continue
            if session.server != master:
                session.link.abort(f"the Sentinels have another master, {master}")


def first_refusal(replies: Sequence[Any]) -> Refused | None:
    """Return the first of the replies that is an error."""
    return next((Refused(str(reply)) for reply in replies if isinstance(reply, hiredis.ReplyError)), None)
