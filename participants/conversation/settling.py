"""
What ends a proposal, and what only pretends to.

An attempt is a fulfillment, a reject or a withdraw. The first one in the
topic's order that counts settles the proposal; whoever hears the whole topic
comes to the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from participants.conversation.events import How, Proposal, Settlement
from participants.conversation.methods import named_by, same_operation
from schemas import JsonObject, Kind


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to end a proposal."""

    how: How
    by: str
    kind: Kind
    to: tuple[str, ...]
    at: float
    """Unix seconds at which it was heard."""
    envelope_id: str
    may_request: bool
    """Whether the roster entry of `by` granted the request proposed, when this was heard."""
    subject: str | None = None
    """Of a fulfillment: what `subject_of` says of its params."""
    reason: str | None = None
    message: str = ""

    @property
    def settlement(self) -> Settlement:
        """What this attempt leads to if it is the first that counts."""
        return Settlement(self.how, self.by, self.at, self.envelope_id, self.reason, self.message)


@dataclass(frozen=True, slots=True)
class Outline:
    """What has to be remembered of a proposal to judge attempts, whatever the size of its params."""

    kind: Kind
    proposer: str
    to: tuple[str, ...]
    expires_at: float | None
    subject: str | None
    digest: bytes
    """Of the params, so that an edit shows."""

    @classmethod
    def of(cls, proposal: Proposal) -> Outline:
        """Return what is remembered of a proposal."""
        return cls(
            proposal.kind,
            proposal.proposer,
            proposal.to,
            proposal.expires_at,
            subject_of(proposal.kind, proposal.params),
            params_digest(proposal.params),
        )


def subject_of(kind: Kind, params: JsonObject) -> str | None:
    """
    Return a short text that differs when a call names another tool, though its kind cannot say so.

    `None` where the kind says it, or the method names nothing.
    """
    if kind.context is not None:
        return None
    name = named_by(kind.method or "", params)
    return None if name is None else sha256(name.encode()).hexdigest()


def params_digest(params: JsonObject) -> bytes:
    """Return a digest that two params share if and only if they say the same in the same JSON types."""
    return sha256(canonical(params)).digest()


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys: `1`, `1.0` and `true` differ, the order of members does not."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fault_of(attempt: Attempt, proposal: Outline) -> str | None:
    """
    Say why an attempt does not count, or return `None` if it does.

    Whether it comes too late is another question: see `ProposalBook.attempt`.
    """
    if not same_operation(attempt.kind, proposal.kind):
        return f"'{attempt.kind}' is not what '{proposal.kind}' proposed"
    match attempt.how:
        case How.FULFILLED:
            return _fault_of_fulfillment(attempt, proposal)
        case How.REJECTED if not attempt.may_request:
            return "only one who could make the request rejects its proposal"
        case How.WITHDRAWN if attempt.by != proposal.proposer:
            return f"only {proposal.proposer} withdraws this proposal"
        case _:
            return None


def _fault_of_fulfillment(attempt: Attempt, proposal: Outline) -> str | None:
    if attempt.by == proposal.proposer:
        return "nobody fulfills a proposal of their own"
    if len(attempt.to) != 1:
        return "a fulfillment names one target"
    if proposal.to and attempt.to[0] not in proposal.to:
        return f"{attempt.to[0]} is no target of the proposal"
    if attempt.subject != proposal.subject:
        return "the fulfillment names something else than the proposal"
    return None
