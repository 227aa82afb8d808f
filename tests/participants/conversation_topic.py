"""
A topic in memory: conversations meet in it without a gateway, in one order.

It does what a gateway does for one topic and nothing more: it checks kinds
against capabilities, tells of joins and leaves, and gives every envelope to
everyone who hears it, its sender included. Delivery is immediate, so a test
reads in the order in which things happen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from capabilities import CapabilitySet
from participants.conversation import (
    CallNotified,
    CallSettled,
    Conversation,
    Effect,
    Event,
    Incoming,
    Misbehaved,
    Mode,
    Outcome,
    Proposal,
    Said,
    Send,
    Serve,
)
from participants.conversation.instants import instant_text
from participants.errors import ParticipantError
from schemas import GATEWAY_ID, Envelope, Kind, encode_envelope

START = 1_756_216_800.0
"""2025-08-26T14:00:00Z"""

Step = TypeVar("Step")


@dataclass(eq=False)
class Member:
    """One participant of the topic, and all that it heard and was asked to do."""

    topic: TopicInMemory
    id: str
    capabilities: CapabilitySet
    conversation: Conversation
    steps: list[Event | Effect] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    def all(self, kind_of_step: type[Step]) -> list[Step]:
        return [step for step in self.steps if isinstance(step, kind_of_step)]

    def only(self, kind_of_step: type[Step]) -> Step:
        (step,) = self.all(kind_of_step)
        return step

    @property
    def served(self) -> list[Incoming]:
        return [step.request for step in self.all(Serve)]

    @property
    def complaints(self) -> list[str]:
        return [f"{step.sender}: {step.why}" for step in self.all(Misbehaved)]

    def end_of(self, call: Said) -> Outcome | ParticipantError | None:
        ends = [step.end for step in self.all(CallSettled) if step.call_id == call.id]
        assert len(ends) <= 1, "a call ends once"
        return ends[0] if ends else None

    def progress_of(self, call: Said) -> list[Any]:
        return [step.notification.params for step in self.all(CallNotified) if step.call_id == call.id]

    @property
    def pending(self) -> list[Proposal]:
        return self.conversation.pending(self.topic.now)

    # What the library says for it

    def ask(self, target: str | None, method: str, params: dict[str, Any], **options: Any) -> Said:
        return self.topic.publish(
            self, self.conversation.speak.ask(target, method, params, self.topic.now, **options)
        )

    def call(self, target: str | None, tool: str, **arguments: Any) -> Said:
        return self.ask(target, "tools/call", {"name": tool, "arguments": arguments}, expires_in=300.0)

    def fulfill(
        self, proposal: Proposal | Said, params: dict[str, Any] | None = None, target: str | None = None
    ) -> Said:
        said = self.conversation.speak.fulfill(proposal.id, params, target, self.topic.now)
        return self.topic.publish(self, said)

    def publish(self, said: Said | None) -> Said:
        assert said is not None
        return self.topic.publish(self, said)

    def respond(self, result: dict[str, Any] | None = None) -> Said:
        """Answer the latest request."""
        answer = {"content": []} if result is None else result
        return self.publish(self.conversation.respond(self.served[-1].id, answer, self.topic.now))

    # What no library would say

    def forge(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        to: Iterable[str] = (),
        correlation_id: str | None = None,
        id: str | None = None,
        sender: str | None = None,
    ) -> Said:
        """Put an envelope into the topic's order as it is."""
        envelope_id = id or self.topic.new_id()
        data = encode_envelope(
            id=envelope_id,
            ts=instant_text(self.topic.now),
            sender=sender or self.id,
            kind=kind,
            payload=payload,
            to=tuple(to),
            correlation_id=correlation_id,
        )
        return self.topic.publish(self, Said(envelope_id, data))


class TopicInMemory:
    """Everyone who joined, and one order for all of them."""

    def __init__(self) -> None:
        self.now = START
        self.members: dict[str, Member] = {}
        """By id; a further connection of somebody present stands under its id and a number."""
        self._ids = count(1)
        self._order: deque[tuple[Member, bytes]] = deque()
        self._delivering = False

    def new_id(self) -> str:
        return f"env-{next(self._ids)}"

    def join(self, id: str, *capabilities: str, mode: Mode = Mode.ALL) -> Member:
        conversation = Conversation("ops", new_id=self.new_id, mode=mode)
        member = Member(self, id, CapabilitySet.of(capabilities), conversation)
        self.members[id if id not in self.members else f"{id} {len(self.members)}"] = member
        self._welcome(member)
        self._system(
            "system/presence",
            {"event": "join", "participant": {"id": id, "capabilities": list(capabilities)}},
        )
        return member

    def leave(self, member: Member) -> None:
        self.members = {name: other for name, other in self.members.items() if other is not member}
        if member.id in {other.id for other in self.members.values()}:
            return  # the participant leaves with its last connection
        self._system("system/presence", {"event": "leave", "participant": {"id": member.id}})

    def promote(self, member: Member, *capabilities: str) -> None:
        member.capabilities = CapabilitySet.of(capabilities)
        self._welcome(member)
        participant = {"id": member.id, "capabilities": list(capabilities)}
        self._system("system/presence", {"event": "join", "participant": participant})

    def wait(self, seconds: float) -> None:
        """Let time pass, and everybody do what is due then."""
        self.now += seconds
        for member in list(self.members.values()):
            self._heard(member, member.conversation.tick(self.now))
        self._deliver_all()

    def publish(self, member: Member, said: Said) -> Said:
        self._order.append((member, said.data))
        self._deliver_all()
        return said

    def _welcome(self, member: Member) -> None:
        others = [
            {"id": other.id, "capabilities": list(other.capabilities.patterns)}
            for other in self.members.values()
            if other is not member
        ]
        you = {"id": member.id, "capabilities": list(member.capabilities.patterns)}
        self._system("system/welcome", {"you": you, "participants": others}, to=member)

    def refuse(self, member: Member, envelope_id: str, payload: dict[str, Any]) -> None:
        self._system("system/error", payload, to=member, correlation_id=envelope_id)

    def _system(
        self, kind: str, payload: dict[str, Any], to: Member | None = None, correlation_id: str | None = None
    ) -> None:
        data = encode_envelope(
            id=self.new_id(),
            ts=instant_text(self.now),
            sender=GATEWAY_ID,
            kind=kind,
            payload=payload,
            to=() if to is None else (to.id,),
            correlation_id=correlation_id,
        )
        for member in list(self.members.values()) if to is None else [to]:
            self._hear(member, data)
        self._deliver_all()

    def _deliver_all(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._order:
                self._deliver(*self._order.popleft())
        finally:
            self._delivering = False

    def _deliver(self, member: Member, data: bytes) -> None:
        if member not in self.members.values():
            return
        envelope = Envelope.parse(data)
        if not envelope.kind.is_reserved and not member.capabilities.grants(envelope.kind):
            refusal = {
                "error": "capability_violation",
                "message": f"You lack capability for '{envelope.kind}'",
                "attempted_kind": str(envelope.kind),
                "your_capabilities": list(member.capabilities.patterns),
                "nearest": str(envelope.kind),
            }
            self.refuse(member, envelope.id, refusal)
            return
        for hearer in list(self.members.values()):
            if _hears(hearer, envelope):
                self._hear(hearer, data)

    def _hear(self, member: Member, data: bytes) -> None:
        member.frames.append(data)
        self._heard(member, member.conversation.receive(data, self.now))

    def _heard(self, member: Member, steps: list[Event | Effect]) -> None:
        member.steps += steps
        for step in steps:
            if isinstance(step, Send):
                self._order.append((member, step.data))


def _hears(member: Member, envelope: Envelope) -> bool:
    if member.conversation.mode is Mode.ALL or not envelope.to:
        return True
    return member.id in envelope.to or envelope.sender == member.id


def kinds_heard(member: Member) -> list[Kind]:
    """Everything that was delivered, by kind."""
    return [Envelope.parse(frame).kind for frame in member.frames]
