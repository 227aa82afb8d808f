"""A participant's own calls, from asking to the answer (MCPx 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msgspec import UNSET

from participants.conversation.effects import CallSettled, Outcome
from participants.errors import SETTLED, ParticipantError, PeerLeft, ProposalSettled, RequestFailed
from schemas import ErrorResponsePayload, JsonObject, Kind, ResponsePayload

RESEND_EVERY_S: Final = 1.0
"""Seconds between two sendings of one pending proposal, at least."""


class Stage(StrEnum):
    """How far a call has come."""

    ASKED = "asked"
    """A request is under way, ours or a fulfillment by us."""
    PROPOSED = "proposed"
    FULFILLED = "fulfilled"
    """Somebody's request carries our proposal out; its answer is ours too."""


@dataclass(slots=True)
class Call:
    """One call that its caller waits for."""

    id: str
    stage: Stage
    kind: Kind
    """`mcp/request:METHOD[:CONTEXT]`, whichever way it goes."""
    params: JsonObject
    target: str | None
    request_id: str | None = None
    rpc_id: int = 0
    accepted: bool = False
    """Whether the latest envelope of this call has its place in the topic's order."""

    may_propose: bool = False
    """Whether to propose if the gateway says `capability_violation`; at most once."""
    expires_in: float | None = None
    """Seconds."""

    proposal_id: str | None = None
    proposal_data: bytes = b""
    """The proposal as it was sent, to send it again for newcomers."""
    last_sent: float = 0.0
    wanted_again: bool = False

    fulfilled_by: str | None = None
    edited: bool = False

    @property
    def awaits(self) -> str | None:
        """Whose answer is awaited now."""
        return None if self.stage is Stage.PROPOSED else self.target


class CallBook:
    """The calls that are not over."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._by_envelope: dict[str, Call] = {}

    def add(self, call: Call) -> None:
        """Begin to follow a call."""
        self._calls[call.id] = call
        self.index(call)

    def index(self, call: Call) -> None:
        """Find a call by its latest envelopes: a request by us, or our proposal and its fulfillment."""
        if call.request_id is not None:
            self._by_envelope[call.request_id] = call
        if call.proposal_id is not None and call.stage is not Stage.ASKED:
            self._by_envelope[call.proposal_id] = call

    def forget_envelope(self, envelope_id: str | None) -> None:
        """Stop finding a call by an envelope that was refused."""
        if envelope_id is not None:
            self._by_envelope.pop(envelope_id, None)

    def get(self, call_id: str) -> Call | None:
        """Return a call that is not over."""
        return self._calls.get(call_id)

    def by_envelope(self, envelope_id: str | None) -> Call | None:
        """Return the call whose request, proposal or fulfillment that envelope is."""
        return None if envelope_id is None else self._by_envelope.get(envelope_id)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._calls.values()))

    def end(self, call: Call, end: Outcome | ParticipantError) -> CallSettled:
        """Stop following a call."""
        self._calls.pop(call.id, None)
        for id in (call.request_id, call.proposal_id):
            if id is not None and self._by_envelope.get(id) is call:
                del self._by_envelope[id]
        return CallSettled(call.id, end)

    def answer(self, call: Call, by: str, message: ResponsePayload | ErrorResponsePayload) -> CallSettled:
        """End a call with the response that counts."""
        assert call.request_id is not None
        if isinstance(message, ErrorResponsePayload):
            return self.end(call, _failure(call, message))
        return self.end(
            call,
            Outcome(
                message.result,
                by,
                call.params,
                call.request_id,
                call.proposal_id,
                call.fulfilled_by,
                call.edited,
            ),
        )

    def without(self, peer: str) -> list[CallSettled]:
        """End the calls that only one who left could have answered."""
        return [self.end(call, PeerLeft(peer)) for call in self if call.accepted and call.awaits == peer]


def _failure(call: Call, message: ErrorResponsePayload) -> RequestFailed:
    error = message.error
    data = None if error.data is UNSET else error.data
    if error.code == SETTLED and call.proposal_id is not None:
        return ProposalSettled(error.message, data)
    return RequestFailed(error.code, error.message, data)
