"""What a caller through the SDK sees when a call ends otherwise than with a result."""

from __future__ import annotations

from typing import Final

from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from participants.errors import (
    ConnectionLost,
    NotAllowed,
    ParticipantError,
    PeerLeft,
    ProposalExpired,
    ProposalRejected,
    ProposalWithdrawn,
    RequestFailed,
    RequestTimeout,
)

# Of the range -32000 … -32019, which MCP leaves to implementations; -32000 and
# -32001 mean what they mean to the SDK, and -32002 may never be used again.
PROPOSAL_REJECTED: Final = -32003
PROPOSAL_EXPIRED: Final = -32004
PROPOSAL_WITHDRAWN: Final = -32005
NOT_ALLOWED: Final = -32006
PEER_LEFT: Final = -32007
NOT_SENT: Final = -32008


def as_mcp_error(error: ParticipantError) -> MCPError:
    """
    Translate what ended a call; the text is the error's own, `data` the facts in it.

    A JSON-RPC error of the target stays as it is.
    """
    match error:
        case RequestFailed(code=code, message=message, data=data):
            return MCPError(code, message, data)
        case ProposalRejected(by=by, reason=reason, message=message):
            return MCPError(PROPOSAL_REJECTED, str(error), {"by": by, "reason": reason, "message": message})
        case ProposalExpired(proposal_id=proposal_id):
            return MCPError(PROPOSAL_EXPIRED, str(error), {"proposal": proposal_id})
        case ProposalWithdrawn(reason=reason):
            return MCPError(PROPOSAL_WITHDRAWN, str(error), {"reason": reason})
        case NotAllowed(kind=kind, nearest=nearest):
            return MCPError(NOT_ALLOWED, str(error), {"kind": kind, "nearest": nearest})
        case RequestTimeout():
            return MCPError(REQUEST_TIMEOUT, str(error))
        case PeerLeft(peer=peer):
            return MCPError(PEER_LEFT, str(error), {"peer": peer})
        case ConnectionLost():
            return MCPError(CONNECTION_CLOSED, str(error))
        case _:
            return MCPError(NOT_SENT, str(error))
