"""
What links the nodes of a topic: the seam between a node and its broker.

A broker keeps each topic's one order. A node drafts entries; the broker
appends them, unless the rights by which a draft was judged have changed since,
and tells every node that hears the topic, its own included, each entry in
order and once. What it cannot promise it says: `lost` when the order is broken,
`unavailable` when a draft was never appended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from capabilities import Amendment, Revocation
from gateway.core import ConnectionRecord, Draft, Ended, Entry, Snapshot
from gateway.errors import BrokerUnavailable

__all__ = ["Broker", "BrokerUnavailable", "Hearer", "ParticipantRecord", "Standing"]


@dataclass(frozen=True, slots=True)
class ParticipantRecord:
    """What the store knows of one participant, wherever it is."""

    id: str
    version: int = 0
    """Rises by one with each change of `amendments`."""
    amendments: tuple[Amendment, ...] = ()
    """Promotions in force, at most one for all topics and one for each topic."""
    base: tuple[str, ...] = ()
    """The capabilities that its last token brought."""
    seen_at: float = 0.0
    """Unix seconds of the last join."""

    def amendments_in(self, topic: str) -> tuple[Amendment, ...]:
        """The amendments that count in one topic, the narrower last."""
        if not self.amendments:
            return ()
        mine = [amendment for amendment in self.amendments if amendment.topic in (None, topic)]
        return tuple(sorted(mine, key=lambda amendment: amendment.topic is not None))

    def amendments_at(self, now: float) -> tuple[Amendment, ...]:
        """The amendments without what has expired (Unix seconds)."""
        live = (
            replace(amendment, changes=tuple(change for change in amendment.changes if change.is_live(now)))
            for amendment in self.amendments
        )
        return tuple(amendment for amendment in live if amendment.changes)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a participant stands as it asks to join a topic."""

    position: int
    """Of the topic, when this was read: a join judged by it is stale after a later change."""
    record: ParticipantRecord
    revocations: tuple[Revocation, ...] = ()
    """Those that could mean its token."""


class Hearer(Protocol):
    """The node, as its broker sees it. Every call is synchronous and must not raise."""

    def hear(self, topic: str, position: int, entries: Sequence[Entry]) -> None:
        """The next entries, from `position` on, of a topic that the node has entered."""
        ...

    def stale(self, topic: str, drafts: Sequence[Draft]) -> None:
        """These were not appended: rights changed since they were judged, and `hear` has told how."""
        ...

    def unavailable(self, topic: str, drafts: Sequence[Draft]) -> None:
        """These were not appended and will not be."""
        ...

    def lost(self, topic: str) -> None:
        """The topic's order is broken for this node: close its members; the topic is entered anew."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of making connections end."""

    closed: tuple[ConnectionRecord, ...] = field(default=())
    topics: tuple[str, ...] = field(default=())


class Broker(Protocol):
    """
    One store for topics, promotions and revocations.

    Methods that wait raise `BrokerUnavailable` when the store cannot answer.
    """

    @property
    def is_available(self) -> bool:
        """Whether the store answered when last asked."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether there is one node, and it is told what it publishes before `publish` returns."""
        ...

    @property
    def description(self) -> dict[str, Any]:
        """Facts for `/readyz?verbose` and logs: kind of broker, durability; no secrets."""
        ...

    async def start(self, node: str, hearer: Hearer) -> None:
        """Connect, on behalf of the node with this id (one life of one process)."""
        ...

    async def stop(self) -> None:
        """Disconnect. Drafts still queued are `unavailable`."""
        ...

    # Topics

    async def enter(self, topic: str) -> Snapshot:
        """Hear a topic: every entry after the snapshot's position will be told."""
        ...

    async def exit(self, topic: str) -> None:
        """Hear a topic no more."""
        ...

    def publish(self, topic: str, drafts: Sequence[Draft]) -> None:
        """
        Queue entries for the topic's order; what comes of each comes back through the hearer.

        Several are of one member, and were judged at the same place.
        """
        ...

    async def topics(self) -> Sequence[str]:
        """The topics in which somebody is, on any node."""
        ...

    async def look(self, topic: str) -> Snapshot | None:
        """A topic as it is now, without hearing it; `None` when nobody is there."""
        ...

    # Rights

    async def standing(self, topic: str, participant: str, jti: str) -> Standing:
        """What counts for a participant that asks to join."""
        ...

    async def remember(self, participant: str, base: Sequence[str], at: float) -> None:
        """Note that a participant was here, with the capabilities of its token."""
        ...

    async def participant(self, id: str) -> ParticipantRecord | None:
        """What is known of a participant; `None` if it was never seen."""
        ...

    async def participants(self) -> Sequence[ParticipantRecord]:
        """Everybody ever seen in this store."""
        ...

    async def amend(
        self, participant: str, change: Callable[[ParticipantRecord], Sequence[Amendment]], at: float
    ) -> ParticipantRecord:
        """
        Change a participant's promotions, atomically.

        `change` is pure and may be called again when another change comes
        between; what it raises passes through and changes nothing. When this
        returns, no draft judged by the old rights is appended any more, on any
        node.
        """
        ...

    async def revoke(self, revocation: Revocation, ended: Ended) -> Ending:
        """
        Keep a revocation and end what it means; in force everywhere when this returns.

        It takes the place of an earlier one of the same name and topic (`with_revocation`).
        """
        ...

    async def end(self, topic: str | None, ended: Ended) -> Ending:
        """End connections, in one topic or all, without forbidding new ones."""
        ...

    async def revocations(self) -> Sequence[Revocation]:
        """Those kept, oldest first."""
        ...
