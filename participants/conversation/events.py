"""
What a participant hears: one record per thing that happened in its topic.

Each was checked (MCPx 4.3) before it became an event; what failed the check is
a `Misbehaved`. `payload` is what was parsed, never the original bytes: another
reader could see another value in those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from capabilities import CapabilitySet
from schemas import JsonObject, Kind


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody present in the topic, with the union of what their connections may send."""

    id: str
    capabilities: CapabilitySet


class How(StrEnum):
    """How a proposal ended."""

    FULFILLED = "fulfilled"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The first valid thing that ended a proposal; later ones have no effect."""

    how: How
    by: str | None
    """`None`: it expired."""
    at: float
    """Unix seconds at which this participant heard of it."""
    envelope_id: str | None = None
    reason: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An MCP operation that somebody is asked to carry out (MCPx 3.2)."""

    id: str
    proposer: str
    kind: Kind
    """`mcp/proposal:METHOD[:CONTEXT]`."""
    params: JsonObject = field(hash=False)
    to: tuple[str, ...]
    """Who may be its target; empty: anybody, the fulfiller chooses."""
    expires_at: float | None
    """Unix seconds; `None`: never."""
    sent_at: float
    """Unix seconds at which this participant first saw it."""
    mine: bool

    @property
    def method(self) -> str:
        """The MCP method proposed."""
        return self.kind.method or ""

    @property
    def context(self) -> str | None:
        """The tool, prompt or resource, where the kind names it."""
        return self.kind.context

    def is_expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class ProposalRef:
    """The proposal that a request fulfills."""

    id: str
    proposer: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What every event that came as an envelope has."""

    id: str
    """The envelope's."""
    sender: str
    to: tuple[str, ...]
    """Empty: broadcast."""
    kind: Kind
    correlation_id: str | None
    ts: str | None
    payload: JsonObject = field(hash=False)


@dataclass(frozen=True, slots=True)
class Chat(Heard):
    """Something said (MCPx 3.3)."""

    text: str
    format: str
    """`plain` or `markdown`."""


@dataclass(frozen=True, slots=True)
class Welcome(Heard):
    """The gateway says who this participant is and who else is here (MCPx 3.5.1)."""

    you: Peer
    others: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Presence(Heard):
    """Somebody joined, left, came by one more connection, or may now send other kinds (MCPx 3.4)."""

    event: str
    """`join` or `leave`."""
    peer: Peer
    before: Peer | None
    """The roster's entry until now; `None`: they were not here. A `join` of one who was is an update."""


@dataclass(frozen=True, slots=True)
class ProposalSeen(Heard):
    """A proposal entered the topic (MCPx 3.2)."""

    proposal: Proposal
    settled: Settlement | None
    """What ended it before this participant saw it; else `None`."""


@dataclass(frozen=True, slots=True)
class RequestSeen(Heard):
    """A request, to this participant or to another (MCPx 3.1.1)."""

    method: str
    params: JsonObject = field(hash=False)
    rpc_id: str | int


@dataclass(frozen=True, slots=True)
class FulfillmentSeen(RequestSeen):
    """A request that carries out a proposal (MCPx 3.2.1)."""

    proposal: Proposal
    edited: bool
    """Whether `params` differ from the proposal's."""
    first: Settlement | None
    """`None`: this one counts. Else what settled the proposal before."""

    @property
    def effective(self) -> bool:
        """Whether this is what settled the proposal."""
        return self.first is None


@dataclass(frozen=True, slots=True)
class NotificationSeen(Heard):
    """A JSON-RPC notification, to this participant or to another (MCPx 3.1)."""

    method: str
    params: JsonObject = field(hash=False)


@dataclass(frozen=True, slots=True)
class ResponseSeen(Heard):
    """An answer to a request, to this participant or to another (MCPx 3.1.2)."""

    request_id: str
    result: JsonObject | None = field(hash=False)
    error: JsonObject | None = field(hash=False)
    verified: bool
    """Whether the request was seen, so that this answer is known to be one."""


@dataclass(frozen=True, slots=True)
class RejectSeen(Heard):
    """Somebody refused a proposal."""

    proposal: Proposal | None
    """`None`: it was proposed before this participant came."""
    reason: str
    message: str
    effective: bool


@dataclass(frozen=True, slots=True)
class WithdrawSeen(Heard):
    """A proposer took a proposal back."""

    proposal: Proposal | None
    """`None`: it was proposed before this participant came."""
    reason: str
    message: str
    effective: bool


@dataclass(frozen=True, slots=True)
class ErrorHeard(Heard):
    """The gateway refused an envelope of this participant (MCPx 3.5.2)."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class OtherSeen(Heard):
    """A kind that this project gives no meaning to, such as `x-acme/…`."""


@dataclass(frozen=True, slots=True)
class ProposalLapsed:
    """A proposal's `expiresAt` passed while it was pending."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """An envelope that breaks a rule; it was counted against its sender and not acted on (MCPx 4.3)."""

    sender: str | None
    """`None`: the envelope could not be read."""
    why: str
    envelope_id: str | None = None
    kind: Kind | None = None


Event = (
    Chat
    | Welcome
    | Presence
    | ProposalSeen
    | RequestSeen
    | FulfillmentSeen
    | NotificationSeen
    | ResponseSeen
    | RejectSeen
    | WithdrawSeen
    | ErrorHeard
    | OtherSeen
    | ProposalLapsed
    | Misbehaved
)
"""What the conversation tells of; the client adds what happens to its connection."""
