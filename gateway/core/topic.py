"""
One topic on one node: entries in, effects out (docs/protocol.md, Delivery).

Every node applies the same entries in the same order and so shows the same
roster; each delivers to the members that it holds. Receivers' lists are kept
and replaced when somebody comes or goes, never computed for an envelope that
goes to all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from capabilities import CapabilitySet
from gateway.core import system
from gateway.core.effects import Close, Deliver, Effect, Welcome
from gateway.core.entries import Amended, Ended, Entry, Gone, Joined, Left, Relayed
from gateway.core.members import Member, Mode
from gateway.core.roster import Roster
from schemas import CloseCode


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A topic at one place of its order; what a node new to it starts from."""

    epoch: str
    """Names this life of the topic: another one counts from the start again."""
    position: int
    """Entries up to here are in `joined`."""
    joined: tuple[Joined, ...] = ()
    """The live connections, in order of joining, each with its participant's newest amendments."""


class Topic:
    """The replica that a node keeps of a topic, and the members that it holds there."""

    def __init__(self, name: str, snapshot: Snapshot) -> None:
        self.name = name
        self.epoch = snapshot.epoch
        self.position = snapshot.position
        """Entries applied so far; the next is `position + 1`."""
        self.roster = Roster()
        for entry in snapshot.joined:
            self.roster.join(entry)
        self.members: dict[str, Member] = {}
        """By connection: those of this node, from before their join comes back to their end."""
        self._hearing_all: tuple[Member, ...] = ()
        self._directed: tuple[Member, ...] = ()

    def expect(self, member: Member) -> None:
        """Hold a member whose join is on its way."""
        self.members[member.connection] = member

    def forget(self, member: Member) -> None:
        """Stop delivering to a member whose connection has ended; its leave comes in the order."""
        if self.members.pop(member.connection, None) is None or not member.is_welcome:
            return
        if member.mode is Mode.ALL:
            self._hearing_all = _without(member, self._hearing_all)
        else:
            self._directed = _without(member, self._directed)

    def everybody(self) -> Sequence[Member]:
        """Return the members in the order in which they hear, if each hears everything; else none."""
        return self._hearing_all if len(self._hearing_all) == len(self.members) else ()

    def apply(self, position: int, entries: Sequence[Entry]) -> Iterable[Effect]:
        """
        Take the next entries of the order, from `position` on; yield what they lead to on this node.

        Each is taken when what the ones before it led to has been done; envelopes
        alone, which everybody hears, are one delivery.
        """
        assert position > self.position, "entries come in order and once"
        if not self._directed:
            together: list[bytes] = []
            for entry in entries:
                if not isinstance(entry, Relayed):
                    break
                together.append(entry.data)
            else:
                self.position = position + len(entries) - 1
                return (Deliver(together, self._hearing_all),)
        return self._apply_each(position, entries)

    def _apply_each(self, position: int, entries: Sequence[Entry]) -> Iterator[Effect]:
        for at, entry in enumerate(entries, position):
            self.position = at
            yield from self._apply(entry)

    def _apply(self, entry: Entry) -> Sequence[Effect]:
        match entry:
            case Relayed():
                return (Deliver((entry.data,), self._hearing_all, self._named(entry)),)
            case Joined():
                return self._joined(entry)
            case Left():
                return self._left([entry.connection], entry.at)
            case Gone():
                return self._left(
                    [record.connection for record in self.roster.connections_of(entry.node)], entry.at
                )
            case Amended():
                return self._amended(entry)
            case Ended():
                return [
                    Close(member, CloseCode(entry.code))
                    for member in self.members.values()
                    if entry.means(member.record)
                ]
            case _:
                assert_never(entry)

    def _named(self, entry: Relayed) -> Sequence[Member]:
        """The Directed members whom an envelope concerns (MCPx 6.3)."""
        if not entry.to or not self._directed:
            return self._directed
        named = {*entry.to, entry.sender}
        return tuple(member for member in self._directed if member.id in named)

    def _joined(self, entry: Joined) -> Sequence[Effect]:
        self.roster.join(entry)
        effects: list[Effect] = []
        member = self.members.get(entry.record.connection)
        if member is not None:
            member.capabilities = CapabilitySet.of(self.roster.effective(member.connection))
            member.is_welcome = True
            if member.mode is Mode.ALL:
                self._hearing_all = (*self._hearing_all, member)
            else:
                self._directed = (*self._directed, member)
        # A join may bring a promotion before its own entry does: then it holds for the
        # participant's other connections too, whose entry will come too late to count.
        if len(self.roster.of(entry.record.participant)) > 1:
            effects += self._welcome_again(entry.record.participant, entry.record.at)
        if member is not None:
            effects.append(Welcome(member, self._welcome(member, entry.record.at)))
        # Told of one already here, too: this connection has heard nothing yet, and who waits
        # for an answer (a pending proposal) must know that somebody new is listening.
        effects.append(self._presence(entry.record.participant, entry.record.at))
        return effects

    def _left(self, connections: Sequence[str], at: float) -> Sequence[Effect]:
        changed: dict[str, None] = {}
        effects: list[Effect] = []
        for connection in connections:
            member = self.members.get(connection)
            if member is not None:
                # Somebody else said so: this node was taken for dead, and its members must know.
                self.forget(member)
                effects.append(Close(member, CloseCode.RESTART))
            outcome = self.roster.leave(connection)
            if outcome is not None and outcome[1]:
                changed[outcome[0]] = None
        if self._hearing_all or self._directed:
            effects += [self._presence(participant, at, nth) for nth, participant in enumerate(changed)]
        return effects

    def _amended(self, entry: Amended) -> Sequence[Effect]:
        before = self.roster.capabilities(entry.participant)
        if not self.roster.amend(entry):
            return ()
        effects: list[Effect] = []
        for connection in self.roster.of(entry.participant):
            member = self.members.get(connection)
            if member is not None and member.is_welcome:
                member.capabilities = CapabilitySet.of(self.roster.effective(connection))
                effects.append(Welcome(member, self._welcome(member, entry.at)))
        if set(before) != set(self.roster.capabilities(entry.participant)):
            effects.append(self._presence_for_others(entry.participant, entry.at))
        return effects

    def _welcome_again(self, participant: str, at: float) -> list[Effect]:
        """Welcome the members of a participant whose rights are no longer what they were told."""
        effects: list[Effect] = []
        for connection in self.roster.of(participant):
            member = self.members.get(connection)
            if member is None or not member.is_welcome:
                continue
            capabilities = CapabilitySet.of(self.roster.effective(connection))
            if capabilities is not member.capabilities:
                member.capabilities = capabilities
                effects.append(Welcome(member, self._welcome(member, at)))
        return effects

    def _welcome(self, member: Member, at: float) -> bytes:
        return system.welcome(
            id=f"gw-{self.epoch}-{self.position}-to-{member.connection}",
            at=at,
            you=system.participant_entry(member.id, self.roster.effective(member.connection)),
            participants=self.roster.participants(without=member.id),
        )

    def _presence(self, participant: str, at: float, nth: int = 0) -> Deliver:
        return Deliver((self._presence_of(participant, at, nth),), self._hearing_all, self._directed)

    def _presence_for_others(self, participant: str, at: float) -> Deliver:
        """Presence for those who did not just hear of it by a welcome."""
        others = [member for member in (*self._hearing_all, *self._directed) if member.id != participant]
        return Deliver((self._presence_of(participant, at, 0),), (), others)

    def _presence_of(self, participant: str, at: float, nth: int) -> bytes:
        id = f"gw-{self.epoch}-{self.position}-{nth}"
        if not self.roster.of(participant):
            return system.left(id=id, at=at, participant=participant)
        capabilities = self.roster.capabilities(participant)
        return system.joined(id=id, at=at, participant=system.participant_entry(participant, capabilities))


def _without(member: Member, members: tuple[Member, ...]) -> tuple[Member, ...]:
    at = members.index(member)
    return members[:at] + members[at + 1 :]
