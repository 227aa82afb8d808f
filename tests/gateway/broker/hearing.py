"""A node as its broker sees it, which only writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.broker.protocol import Broker
from gateway.core import (
    Amended,
    ConnectionRecord,
    Draft,
    Ended,
    Entry,
    Gone,
    Joined,
    Left,
    Member,
    Relayed,
    Snapshot,
)
from tests.gateway.seats import NOW, seat


@dataclass(slots=True)
class Hearing:
    """
    One node: its broker, and what the broker said.

    Drafts handed back are judged anew by the place that the node has reached,
    as a node with unchanged rights would.
    """

    node: str
    broker: Broker
    heard: dict[str, list[tuple[int, Entry]]] = field(default_factory=dict)
    handed_back: list[Draft] = field(default_factory=list)
    not_taken: list[Draft] = field(default_factory=list)
    lost_topics: list[str] = field(default_factory=list)
    judges_anew: bool = False
    _position: dict[str, int] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: int = 0

    def hear(self, topic: str, position: int, entries: Sequence[Entry]) -> None:
        self.heard.setdefault(topic, []).extend(enumerate(entries, position))
        self._position[topic] = position + len(entries) - 1
        self._changed.set()

    def stale(self, topic: str, drafts: Sequence[Draft]) -> None:
        self.handed_back.extend(drafts)
        if self.judges_anew:
            for draft in drafts:
                again = Draft(draft.entry, draft.member, self._position[topic])
                self.broker.publish(topic, [again])
        self._changed.set()

    def unavailable(self, topic: str, drafts: Sequence[Draft]) -> None:
        self.not_taken.extend(drafts)
        self._changed.set()

    def lost(self, topic: str) -> None:
        self.lost_topics.append(topic)
        self._changed.set()

    async def enter(self, topic: str) -> Snapshot:
        snapshot = await self.broker.enter(topic)
        self._position[topic] = snapshot.position
        self.heard[topic] = []
        return snapshot

    def member(
        self,
        participant: str,
        *,
        topic: str = "ops",
        jti: str | None = None,
        base: tuple[str, ...] = ("chat",),
        iat: int = int(NOW),
    ) -> Member:
        """Make a member of this node, with a connection of its own."""
        self._connections += 1
        member = seat(
            participant,
            *base,
            connection=f"{self.node}/{self._connections}",
            node=self.node,
            jti=jti,
            iat=iat,
        )
        member.topic = topic
        return member

    async def join(self, participant: str, *, topic: str = "ops", jti: str | None = None) -> Member:
        """Join as a node does: by the standing that the store tells, again if that has changed."""
        member = self.member(participant, topic=topic, jti=jti)
        while not await self._has_joined(member):
            pass
        return member

    async def _has_joined(self, member: Member) -> bool:
        topic = member.topic
        standing = await self.broker.standing(topic, member.id, member.record.jti)
        in_force = [amendment.to_json() for amendment in standing.record.amendments_in(topic)]
        entry = Joined(member.record, standing.record.version, in_force)
        draft = Draft(entry, member, standing.position)
        self.broker.publish(topic, [draft])
        await self.until(lambda: entry in self.entries(topic) or draft in self.handed_back)
        return entry in self.entries(topic)

    def say(self, member: Member, text: str, *, judged_at: int | None = None) -> Draft:
        """Publish an envelope of a member, judged by the place that the node has reached or by another."""
        entry = Relayed(member.connection, member.id, (), text.encode())
        at = self._position.get(member.topic, 0) if judged_at is None else judged_at
        draft = Draft(entry, member, at)
        self.broker.publish(member.topic, [draft])
        return draft

    def leave(self, member: Member) -> None:
        self.broker.publish(member.topic, [Draft(Left(member.connection, NOW), None, 0)])

    def position(self, topic: str = "ops") -> int:
        """Of the last entry heard, or of the snapshot."""
        return self._position[topic]

    def entries(self, topic: str = "ops") -> list[Entry]:
        return [entry for _, entry in self.heard.get(topic, [])]

    def said(self, topic: str = "ops") -> list[str]:
        """The texts heard, in order."""
        return [entry.data.decode() for entry in self.entries(topic) if isinstance(entry, Relayed)]

    def gone(self, topic: str = "ops") -> list[str]:
        return [entry.node for entry in self.entries(topic) if isinstance(entry, Gone)]

    async def until(self, condition: Callable[[], bool], within_s: float = 30.0) -> None:
        """Wait until what was told makes `condition` true."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_said(self, text: str, topic: str = "ops", within_s: float = 30.0) -> None:
        await self.until(lambda: text in self.said(topic), within_s)


async def all_until(
    nodes: Sequence[Hearing], holds: Callable[[Hearing], bool], within_s: float = 30.0
) -> None:
    """Wait until something holds of each node."""
    for node in nodes:
        await node.until(partial(holds, node), within_s)


def roster_after(snapshot: Snapshot, heard: Sequence[tuple[int, Entry]]) -> dict[str, ConnectionRecord]:
    """Who is there when all of `heard` has happened to a snapshot."""
    roster = {joined.record.connection: joined.record for joined in snapshot.joined}
    for _, entry in heard:
        match entry:
            case Joined():
                roster[entry.record.connection] = entry.record
            case Left():
                roster.pop(entry.connection, None)
            case Gone():
                roster = {key: record for key, record in roster.items() if record.node != entry.node}
            case Relayed() | Amended() | Ended():
                pass
    return roster
