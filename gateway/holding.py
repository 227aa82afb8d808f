"""Which topics this node hears: entered with the first who needs one, left after the last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from gateway.broker.protocol import Broker, BrokerUnavailable
from gateway.core import Topic
from gateway.fanout import Fanout

if TYPE_CHECKING:
    from gateway._flow import Flow

log = structlog.get_logger("gateway.holding")

_LOCKS: Final = 256
"""Entering and leaving one topic exclude each other; a lock for each would have to be forgotten: when?"""


@dataclass(slots=True, eq=False)
class Held:
    """A topic that this node hears, in one life: after a lost order there is another."""

    topic: Topic
    fanout: Fanout
    holders: int = 0
    """Handshakes and members that need it."""
    flow: Flow | None = None
    """What is decided once for many, while nothing changes (`gateway.flows`)."""
    reads: int = 0
    """Reads that were decided one by one since then."""

    @property
    def was_given(self) -> bool:
        """Whether its members may have something waiting."""
        return self.fanout.was_given or (self.flow is not None and self.flow.was_given)

    def end_flow(self) -> None:
        """End the flow: what it took is written, and what comes now comes behind it."""
        if self.flow is not None:
            flow, self.flow, self.reads = self.flow, None, 0
            self.fanout.was_given = True
            flow.shut()


class Holding:
    """The topics heard, each counted by those who need it."""

    def __init__(
        self,
        broker: Broker,
        turn: Callable[[Callable[[], None]], None],
        entered: Callable[[Held], None],
        delivered: Callable[[int, int], None],
        linger_s: float,
    ) -> None:
        """
        `turn` calls what a fan-out has to do in its next turn; `entered` is told of each topic
        that is heard from now on, `delivered` how much was put into outboxes: envelopes and bytes.
        For `linger_s` seconds after its last one has gone a topic is heard on: who comes back
        finds it as it was.
        """
        self._broker, self._turn, self._entered, self._delivered = broker, turn, entered, delivered
        self._held: dict[str, Held] = {}
        self.find: Callable[[str], Held | None] = self._held.get
        """Return a topic, if it is heard. The dictionary's own method: asked for each envelope, twice."""
        self._locks = tuple(asyncio.Lock() for _ in range(_LOCKS))
        self._linger_s = linger_s
        self._lingering: list[Held] = []
        self._leaving_soon: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    async def hold(self, topic: str) -> Held:
        """
        Hear a topic, and count one more who needs it; followed by `release`.

        Raises:
            BrokerUnavailable: the store does not answer, or nothing is held any more.
        """
        known = self._held.get(topic)
        if known is not None and not self._is_stopped:
            known.holders += 1
            return known
        async with self._lock(topic):
            if self._is_stopped:  # perhaps in the midst of leaving this very topic
                raise BrokerUnavailable("this node is going away")
            held = self._held.get(topic)
            if held is None:
                fanout = Fanout(self._turn, self._delivered)
                held = self._held[topic] = Held(Topic(topic, await self._broker.enter(topic)), fanout)
                self._entered(held)
            held.holders += 1
            return held

    def release(self, held: Held) -> None:
        """Count one less; a moment after the last the topic is left, unless somebody comes meanwhile."""
        held.holders -= 1
        if not held.holders and not self._is_stopped:
            self._lingering.append(held)
            if self._leaving_soon is None:
                loop = asyncio.get_running_loop()
                self._leaving_soon = loop.call_later(self._linger_s, self._leave_those_without_holders)

    def _leave_those_without_holders(self) -> None:
        lingering, self._lingering, self._leaving_soon = self._lingering, [], None
        for held in dict.fromkeys(lingering):
            if not held.holders:
                leaving = asyncio.get_running_loop().create_task(self._leave(held))
                self._leaving.add(leaving)
                leaving.add_done_callback(self._left)

    def lose(self, topic: str) -> Held | None:
        """Forget a topic whose order is broken; who comes next enters it anew."""
        return self._held.pop(topic, None)

    async def stop(self) -> None:
        """Leave what is being left, now, and hold nothing any more."""
        self._is_stopped = True
        if self._leaving_soon is not None:
            self._leaving_soon.cancel()
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _leave(self, held: Held) -> None:
        name = held.topic.name
        async with self._lock(name):
            if self._held.get(name) is held and not held.holders:
                del self._held[name]
                await self._broker.exit(name)

    def _lock(self, topic: str) -> asyncio.Lock:
        return self._locks[hash(topic) % _LOCKS]

    def _left(self, leaving: asyncio.Task[None]) -> None:
        self._leaving.discard(leaving)
        if not leaving.cancelled() and (error := leaving.exception()) is not None:
            log.error("topic.not_left", exc_info=error)
