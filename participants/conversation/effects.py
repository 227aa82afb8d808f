"""What the conversation asks its shell to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from participants.conversation.events import ProposalRef
from participants.errors import ParticipantError
from schemas import JsonObject, Kind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request came to, whether it was made directly or by way of a proposal (MCPx 3.2.1)."""

    result: JsonObject = field(hash=False)
    by: str
    """Who answered."""
    params: JsonObject = field(hash=False)
    """As executed."""
    request_id: str
    """Envelope id of the request that was answered."""
    proposal_id: str | None = None
    fulfilled_by: str | None = None
    """Who fulfilled the proposal; `None` where there was none."""
    edited: bool = False
    """Whether the fulfiller changed `params`."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A JSON-RPC notification, on its way to whom it concerns (MCPx 3.1)."""

    sender: str
    method: str
    params: JsonObject = field(hash=False)
    correlation_id: str | None
    """The request that it belongs to."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request that this participant has to answer."""

    id: str
    """The envelope's."""
    sender: str
    to: tuple[str, ...]
    """Empty: everybody was asked."""
    kind: Kind
    params: JsonObject = field(hash=False)
    rpc_id: str | int
    reply_to: tuple[str, ...]
    """The sender, and the proposer where it fulfills a proposal (MCPx 3.2.1)."""
    proposal: ProposalRef | None


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the wire, as one text frame."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CallSettled:
    """A call of this participant is over."""

    call_id: str
    end: Outcome | ParticipantError


@dataclass(frozen=True, slots=True)
class CallNotified:
    """Progress, or another notification, that belongs to a pending call of this participant."""

    call_id: str
    notification: Notification


@dataclass(frozen=True, slots=True)
class Serve:
    """Act on this request, then call `Conversation.respond` or `respond_error`."""

    request: Incoming


@dataclass(frozen=True, slots=True)
class CancelServing:
    """Whoever asked does not want the answer any more, cannot get it, or has it from elsewhere."""

    request_id: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A notification for this participant that belongs to no pending call of its own."""

    notification: Notification


Effect = Send | CallSettled | CallNotified | Serve | CancelServing | Told
