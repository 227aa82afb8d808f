"""
Every way to be told no, in one place.

    McpxError
      EnvelopeError            theirs: answered with `system/error`, in the order below
        InvalidJson
        UnsupportedProtocol
        InvalidEnvelope
          KindError
        FromMismatch
        ReservedKind
        RateLimited
        CapabilityViolation
        TopicUnavailable
        EnvelopeTooLarge
      PayloadError             a receiver found that kind and payload disagree
      NameRefused              no participant id, or no topic name
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Final

PROTOCOL: Final = "mcpx/v0.1"
"""The one value of an envelope's `protocol` (MCPx 3, Message Envelope)."""


class ErrorCode(StrEnum):
    """`payload.error` of a `system/error`, in the order in which they are tested."""

    INVALID_JSON = "invalid_json"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    INVALID_ENVELOPE = "invalid_envelope"
    FROM_MISMATCH = "from_mismatch"
    RESERVED_KIND = "reserved_kind"
    RATE_LIMITED = "rate_limited"
    CAPABILITY_VIOLATION = "capability_violation"
    TOPIC_UNAVAILABLE = "topic_unavailable"
    TOO_LARGE = "too_large"


class McpxError(Exception):
    """The root of everything that this project raises by name."""


class NameRefused(McpxError):
    """A text that is no participant id, or no topic name."""

    def __init__(self, what: str, text: str, why: str) -> None:
        super().__init__(what, text, why)
        self.what, self.text, self.why = what, text, why

    def __str__(self) -> str:
        return f"{self.text[:64]!r} is no {self.what}: {self.why}"


class EnvelopeError(McpxError):
    """An envelope is refused; `code` and the text go to its sender (MCPx 3.5.2)."""

    code: ClassVar[ErrorCode]

    envelope_id: str | None = None
    """Id of the envelope refused, where it could be read."""

    @property
    def facts(self) -> dict[str, object]:
        """Further members of the `system/error` payload, beside `error` and `message`."""
        return {}


class InvalidJson(EnvelopeError):
    """What arrived is no JSON object, or one that two readers would read differently."""

    code = ErrorCode.INVALID_JSON

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"An envelope is one JSON object: {self.why}"


class UnsupportedProtocol(EnvelopeError):
    """`protocol` names another version (MCPx 6.1, Breaking Changes)."""

    code = ErrorCode.UNSUPPORTED_PROTOCOL

    def __init__(self, got: str) -> None:
        super().__init__(got)
        self.got = got

    def __str__(self) -> str:
        return f"This gateway speaks {PROTOCOL!r}, the envelope says {self.got[:64]!r}"

    @property
    def facts(self) -> dict[str, object]:
        return {"supported": PROTOCOL, "got": self.got[:64]}


class InvalidEnvelope(EnvelopeError):
    """A header field is missing, of the wrong type, or breaks its rule (MCPx 3)."""

    code = ErrorCode.INVALID_ENVELOPE

    def __init__(self, field: str, why: str) -> None:
        super().__init__(field, why)
        self.field, self.why = field, why

    def __str__(self) -> str:
        return f"Envelope field '{self.field}' {self.why}"

    @property
    def facts(self) -> dict[str, object]:
        return {"field": self.field}


class KindError(InvalidEnvelope):
    """A text that is no kind."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__("kind", f"{text[:64]!r} is no kind: {why}")
        self.text = text


class FromMismatch(EnvelopeError):
    """`from` claims to be somebody else than the connection's participant."""

    code = ErrorCode.FROM_MISMATCH

    def __init__(self, claimed: str, participant: str) -> None:
        super().__init__(claimed, participant)
        self.claimed, self.participant = claimed, participant

    def __str__(self) -> str:
        return f"'from' must be {self.participant!r}, which this connection's token names"


class ReservedKind(EnvelopeError):
    """Only the gateway sends kinds of the system namespace (MCPx 4.1)."""

    code = ErrorCode.RESERVED_KIND

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"'{self.kind}' is reserved for the gateway"

    @property
    def facts(self) -> dict[str, object]:
        return {"attempted_kind": self.kind}


class RateLimited(EnvelopeError):
    """The sender is faster than its budget."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(retry_after_ms)
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return f"Too many envelopes; send this one again in {self.retry_after_ms} ms"

    @property
    def facts(self) -> dict[str, object]:
        return {"retry_after_ms": self.retry_after_ms}


class CapabilityViolation(EnvelopeError):
    """A participant sent a kind that none of its capabilities grants (MCPx 3.5.2)."""

    code = ErrorCode.CAPABILITY_VIOLATION

    def __init__(self, kind: str, held: Sequence[str], nearest: str | None) -> None:
        super().__init__(kind, held, nearest)
        self.kind, self.held, self.nearest = kind, tuple(held), nearest

    def __str__(self) -> str:
        return f"You lack capability for '{self.kind}'"

    @property
    def facts(self) -> dict[str, object]:
        return {"attempted_kind": self.kind, "your_capabilities": list(self.held), "nearest": self.nearest}


class TopicUnavailable(EnvelopeError):
    """The topic cannot take envelopes now; nothing was relayed."""

    code = ErrorCode.TOPIC_UNAVAILABLE

    def __init__(self, why: str = "the broker is away") -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The topic is unavailable ({self.why}); nothing was sent, try again later"


class EnvelopeTooLarge(EnvelopeError):
    """The frame is larger than the gateway reads; the connection closes with 1009."""

    code = ErrorCode.TOO_LARGE

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"An envelope has at most {self.limit} bytes"

    @property
    def facts(self) -> dict[str, object]:
        return {"max_bytes": self.limit}


class PayloadError(McpxError):
    """A payload that does not fit its kind, found by a receiver (MCPx 4.3)."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class CloseReason:
    """What a WebSocket close code means here."""

    code: int
    reason: str
    """The text of the close frame; at most 123 bytes of UTF-8."""
    reconnect: bool
    """Whether a client may connect again with the token that it has."""


class CloseCode(IntEnum):
    """Why the gateway ends a connection; `CLOSE_REASONS` says what to do then."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    TEXT_ONLY = 1003
    NOT_UTF8 = 1007
    TOO_LARGE = 1009
    INTERNAL = 1011
    RESTART = 1012
    TOKEN_EXPIRED = 4401
    REVOKED = 4403
    NO_PONG = 4408
    DISCONNECTED = 4410
    SLOW_CONSUMER = 4413
    REFUSED_TOO_OFTEN = 4429


CLOSE_REASONS: Final = {
    CloseCode(reason.code): reason
    for reason in (
        CloseReason(1000, "Closed as asked", reconnect=False),
        CloseReason(1002, "WebSocket protocol error", reconnect=True),
        CloseReason(1003, "Text frames only", reconnect=False),
        CloseReason(1007, "Text frames are UTF-8", reconnect=False),
        CloseReason(1009, "Envelope too large", reconnect=True),
        CloseReason(1011, "Internal error; reconnect later", reconnect=True),
        CloseReason(
            1012, "Node going away or order lost; reconnect, you may have missed envelopes", reconnect=True
        ),
        CloseReason(4401, "Token expired; get a new one, then reconnect", reconnect=False),
        CloseReason(4403, "Access revoked; do not reconnect with this token", reconnect=False),
        CloseReason(4408, "No pong; reconnect", reconnect=True),
        CloseReason(4410, "Disconnected by an admin; you may reconnect", reconnect=True),
        CloseReason(4413, "Slow consumer; reconnect, you missed envelopes", reconnect=True),
        CloseReason(4429, "Refused without pause for 10 s; reconnect later", reconnect=True),
    )
}
"""One row per close code."""
