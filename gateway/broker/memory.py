"""A broker for one process: the same promises as the one over Redis, and no network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final

import structlog

from capabilities import Amendment, Revocation, still_needed, with_revocation
from gateway.broker.protocol import Ending, Hearer, ParticipantRecord, Standing
from gateway.broker.state_file import StateFile
from gateway.core import Amended, Draft, Ended, Entry, Gone, Joined, Left, Relayed, Snapshot, token_subject
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_entry_of: Final = attrgetter("entry")
"""Mapped over the drafts of each read: a comprehension of one takes twice as long."""


@dataclass(slots=True)
class _Order:
    """One topic's order, as far as anyone could still ask for it."""

    epoch: str
    position: int = 0
    joined: dict[str, Joined] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    """Subject -> position of the last change of its rights."""
    is_heard: bool = False

    def is_stale(self, draft: Draft) -> bool:
        return any(self.changed.get(subject, 0) > draft.judged_at for subject in draft.subjects)

    def append(self, entries: Sequence[Entry]) -> int:
        """Append these; return the place of the first."""
        first = self.position + 1
        for entry in entries:
            self.position += 1
            if not isinstance(entry, Relayed):  # nearly every entry is one
                self._note(entry)
        return first

    def _note(self, entry: Entry) -> None:
        match entry:
            case Joined():
                self.joined[entry.record.connection] = entry
            case Left():
                self.joined.pop(entry.connection, None)
            case Gone():
                self.joined = {
                    key: entry_ for key, entry_ in self.joined.items() if entry_.record.node != entry.node
                }
            case Amended():
                self.changed[entry.participant] = self.position
                for key, join in self.joined.items():
                    if join.record.participant == entry.participant:
                        self.joined[key] = Joined(join.record, entry.version, entry.amendments)
            case Ended():
                for subject in (entry.participant, entry.jti and token_subject(entry.jti)):
                    if subject:
                        self.changed[subject] = self.position


class MemoryBroker:
    """
    Topics in this process's memory; promotions and revocations in a state file, if given.

    An entry is told to the node before `publish` returns, unless the node is
    being told another at that moment: then right after that one.
    """

    def __init__(self, *, new_epoch: Callable[[], str], state: StateFile | None = None) -> None:
        self._new_epoch, self._state = new_epoch, state
        self._participants: dict[str, ParticipantRecord] = {}
        self._revocations: list[Revocation] = []
        self._orders: dict[str, _Order] = {}
        self._told: deque[tuple[str, int, Sequence[Entry]]] = deque()
        self._is_telling = False
        self._unsaved = False
        self._hearer: Hearer | None = None
        if state is not None:
            self._participants, self._revocations = state.load()

    @property
    def is_available(self) -> bool:
        return self._hearer is not None

    @property
    def is_local(self) -> bool:
        return True

    @property
    def description(self) -> dict[str, Any]:
        return {"broker": "memory", "durable_rights": self._state is not None}

    async def start(self, node: str, hearer: Hearer) -> None:  # noqa: ARG002  # one node, one hearer
        self._hearer = hearer

    async def stop(self) -> None:
        if self._unsaved:
            try:
                self._save()
            except BrokerUnavailable as error:
                log.warning("state.not_saved", why=error.why, next="stops all the same")
        self._hearer = None

    # Topics

    async def enter(self, topic: str) -> Snapshot:
        order = self._orders.setdefault(topic, _Order(self._new_epoch()))
        order.is_heard = True
        return Snapshot(order.epoch, order.position, tuple(order.joined.values()))

    async def exit(self, topic: str) -> None:
        order = self._orders.get(topic)
        if order is not None:
            order.is_heard = False
            self._drop_if_empty(topic, order)

    def publish(self, topic: str, drafts: Sequence[Draft]) -> None:
        order, hearer = self._orders.get(topic), self._hearer
        if hearer is None:
            return
        if order is None:
            unsaid = [draft for draft in drafts if not isinstance(draft.entry, Left)]
            if unsaid:
                hearer.unavailable(topic, unsaid)
        elif order.changed and order.is_stale(drafts[0]):
            hearer.stale(topic, drafts)
        else:
            self._append(topic, order, [*map(_entry_of, drafts)])

    async def topics(self) -> Sequence[str]:
        return [topic for topic, order in self._orders.items() if order.joined]

    async def look(self, topic: str) -> Snapshot | None:
        order = self._orders.get(topic)
        if order is None or not order.joined:
            return None
        return Snapshot(order.epoch, order.position, tuple(order.joined.values()))

    # Rights

    async def standing(self, topic: str, participant: str, jti: str) -> Standing:
        order = self._orders.get(topic)
        record = self._participants.get(participant) or ParticipantRecord(participant)
        meant = [
            revocation
            for revocation in self._revocations
            if revocation.jti == jti or (revocation.participant == participant and revocation.jti is None)
        ]
        return Standing(order.position if order is not None else 0, record, tuple(meant))

    async def remember(self, participant: str, base: Sequence[str], at: float) -> None:
        known = self._participants.get(participant) or ParticipantRecord(participant)
        self._participants[participant] = ParticipantRecord(
            participant, known.version, known.amendments, tuple(base), at
        )
        # Not synced at once: losing it costs a 404 for somebody not seen since.
        self._unsaved = True

    async def participant(self, id: str) -> ParticipantRecord | None:
        return self._participants.get(id)

    async def participants(self) -> Sequence[ParticipantRecord]:
        return list(self._participants.values())

    async def amend(
        self, participant: str, change: Callable[[ParticipantRecord], Sequence[Amendment]], at: float
    ) -> ParticipantRecord:
        before = self._participants.get(participant, ParticipantRecord(participant))
        amendments = tuple(change(before))
        if amendments == before.amendments:
            return before
        record = replace(before, amendments=amendments, version=before.version + 1)
        self._participants[participant] = record
        try:
            self._save()
        except BrokerUnavailable:
            self._participants[participant] = before
            raise
        for topic, order in list(self._orders.items()):
            if before.amendments_in(topic) != record.amendments_in(topic):
                in_force = [amendment.to_json() for amendment in record.amendments_in(topic)]
                self._append(topic, order, [Amended(participant, record.version, in_force, at)])
        return record

    async def revoke(self, revocation: Revocation, ended: Ended) -> Ending:
        before = self._revocations
        self._revocations = with_revocation(still_needed(before, ended.at), revocation)
        try:
            self._save()
        except BrokerUnavailable:
            self._revocations = before
            raise
        return await self.end(revocation.topic, ended)

    async def end(self, topic: str | None, ended: Ended) -> Ending:
        orders = {name: order for name, order in self._orders.items() if topic in (None, name)}
        closed = []
        for name, order in orders.items():
            meant = [join.record for join in order.joined.values() if ended.means(join.record)]
            closed.extend(meant)
            self._append(name, order, [ended])
        return Ending(tuple(closed), tuple(orders))

    async def revocations(self) -> Sequence[Revocation]:
        return list(self._revocations)

    def _append(self, topic: str, order: _Order, entries: Sequence[Entry]) -> None:
        first = order.append(entries)
        if self._is_telling:
            self._told.append((topic, first, entries))
            return
        self._is_telling = True
        try:
            if order.is_heard and self._hearer is not None:
                self._hearer.hear(topic, first, entries)
            while self._told:
                name, place, told = self._told.popleft()
                heard = self._orders.get(name)
                if heard is not None and heard.is_heard and self._hearer is not None:
                    self._hearer.hear(name, place, told)
        finally:
            self._is_telling = False
        if not order.is_heard:
            self._drop_if_empty(topic, order)

    def _drop_if_empty(self, topic: str, order: _Order) -> None:
        if not order.joined and not order.is_heard:
            self._orders.pop(topic, None)

    def _save(self) -> None:
        if self._state is None:
            return
        try:
            self._state.save(self._participants, self._revocations)
        except OSError as error:
            raise BrokerUnavailable(f"the state file cannot be written ({error.strerror})") from error
        self._unsaved = False
