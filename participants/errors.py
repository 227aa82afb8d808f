"""
What can go wrong for one who takes part.

    McpxError
      ParticipantError
        NotAllowed             no capability grants it; asking again changes nothing
        Refused                the gateway refused the envelope for another reason
        NeedsAllMode           proposing, approving and serving fulfillments need `mode=all`
        TargetRequired         a request names one target
        NotYours               fulfilling an own proposal, withdrawing another's
        ProposalRejected       somebody who could have fulfilled it said no
        ProposalExpired        nobody fulfilled it in time
        ProposalWithdrawn      its proposer took it back
        RequestFailed          the target answered with a JSON-RPC error
          ProposalSettled        it was fulfilled, rejected, withdrawn or expired before (-32001)
        NoAnswer               whether the target acted is unknown
          RequestTimeout
          PeerLeft
          ConnectionLost
            Closed               for good; no reconnect will follow
        HandshakeRefused       the gateway does not let this token in, or not now
"""

from __future__ import annotations

from typing import Any, Final, cast

from schemas import McpxError

BUSY: Final = -32000
"""JSON-RPC error code: too many requests wait already; ask again later."""
SETTLED: Final = -32001
"""JSON-RPC error code: the proposal that this request fulfills is not pending any more."""
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603


class ParticipantError(McpxError):
    """The root of what this room raises."""


class NotAllowed(ParticipantError):
    """No capability of this participant grants the kind (MCPx 4.1)."""

    def __init__(self, kind: str, nearest: str | None) -> None:
        super().__init__(kind, nearest)
        self.kind, self.nearest = kind, nearest

    def __str__(self) -> str:
        hint = f"; an admin could grant {self.nearest!r}" if self.nearest else ""
        return f"You lack capability for '{self.kind}'{hint}"


class Refused(ParticipantError):
    """The gateway refused an envelope; `code` is the one of its `system/error` (MCPx 3.5.2)."""

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(code, message, retry_after_ms)
        self.code, self.message = code, message
        self.retry_after_ms = retry_after_ms
        """Milliseconds to wait; only with `rate_limited`."""

    def __str__(self) -> str:
        return f"The gateway refused it ({self.code}): {self.message}"


class NeedsAllMode(ParticipantError):
    """Only who hears the whole topic knows whether a proposal is still pending."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} needs mode=all; this participant listens in mode=directed"


class TargetRequired(ParticipantError):
    """Only lists and discovery may be asked of everybody."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return f"A request for '{self.method}' names one target"


class NotYours(ParticipantError):
    """What is another's to do, by the rules of proposals."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why


class ProposalRejected(ParticipantError):
    """Somebody who could have fulfilled the proposal refused it."""

    def __init__(self, by: str, reason: str, message: str = "") -> None:
        super().__init__(by, reason, message)
        self.by, self.reason, self.message = by, reason, message

    def __str__(self) -> str:
        return f"{self.by} rejected the proposal ({self.reason})" + (
            f": {self.message}" if self.message else ""
        )


class ProposalExpired(ParticipantError):
    """Nobody fulfilled the proposal before its `expiresAt` (MCPx 10.2)."""

    def __init__(self, proposal_id: str) -> None:
        super().__init__(proposal_id)
        self.proposal_id = proposal_id

    def __str__(self) -> str:
        return "Nobody fulfilled the proposal in time"


class ProposalWithdrawn(ParticipantError):
    """The proposal was taken back, by this participant in another place."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason, message)
        self.reason, self.message = reason, message

    def __str__(self) -> str:
        return f"The proposal was withdrawn ({self.reason})" + (f": {self.message}" if self.message else "")


class RequestFailed(ParticipantError):
    """
    The target answered with a JSON-RPC error.

    A handler of requests raises it to answer so.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code, self.message, self.data = code, message, data

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class ProposalSettled(RequestFailed):
    """The proposal had been fulfilled, rejected or withdrawn before, or was too old."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(SETTLED, message, data)

    def __reduce__(self) -> tuple[type[ProposalSettled], tuple[str, Any]]:
        return ProposalSettled, (self.message, self.data)

    def __str__(self) -> str:
        return self.message

    @property
    def by(self) -> str | None:
        """Who was first, where the answer says it."""
        return self._fact("by")

    @property
    def how(self) -> str | None:
        """`fulfilled`, `rejected`, `withdrawn` or `expired`, where the answer says it."""
        return self._fact("how")

    def _fact(self, name: str) -> str | None:
        data = cast("object", self.data)
        value = cast("dict[str, object]", data).get(name) if isinstance(data, dict) else None
        return value if isinstance(value, str) else None


class NoAnswer(ParticipantError):
    """No answer will come; the target may have acted, or not."""


class RequestTimeout(NoAnswer):
    """The time that the caller gave is over."""

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(method, seconds)
        self.method, self.seconds = method, seconds

    def __str__(self) -> str:
        return f"'{self.method}' was not answered within {self.seconds:g} s"


class PeerLeft(NoAnswer):
    """The one who was asked is not in the topic, or left it before answering."""

    def __init__(self, peer: str) -> None:
        super().__init__(peer)
        self.peer = peer

    def __str__(self) -> str:
        return f"{self.peer} is not in the topic (any more) and will not answer"


class ConnectionLost(NoAnswer):
    """The connection to the gateway is down; nothing is sent again by itself."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"Not connected to the gateway: {self.why}"


class Closed(ConnectionLost):
    """The connection ended for good; `code` is its close code, which says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason

    def __reduce__(self) -> tuple[type[Closed], tuple[int, str]]:
        return Closed, (self.code, self.reason)

    def __str__(self) -> str:
        return f"The connection was closed ({self.code}): {self.reason}"


class HandshakeRefused(ParticipantError):
    """The gateway answered the handshake with an HTTP error; `detail` is from its body (RFC 9457)."""

    def __init__(self, status: int, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(status, detail, retry_after_s)
        self.status, self.detail = status, detail
        self.retry_after_s = retry_after_s
        """Seconds that the gateway asks to wait, where it says so."""

    def __str__(self) -> str:
        return f"The gateway refused the connection ({self.status}): {self.detail}"
