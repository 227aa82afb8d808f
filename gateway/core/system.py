"""
The envelopes that the gateway itself sends (MCPx 3.4, 3.5).

Their ids come from the place in the topic's order that they stand for, so
that every node makes the same presence for the same entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from schemas import GATEWAY_ID, EnvelopeError, JsonObject, encode_envelope


@lru_cache(maxsize=16)
def timestamp(at: float) -> str:
    """Return Unix seconds as RFC 3339, in UTC with milliseconds; an entry's is asked for more than once."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def participant_entry(id: str, capabilities: Sequence[str]) -> JsonObject:
    """Return a participant as welcome and presence show it."""
    return {"id": id, "capabilities": list(capabilities)}


def welcome(*, id: str, at: float, you: JsonObject, participants: Iterable[JsonObject]) -> bytes:
    """`system/welcome`: who you are, what you may do, who else is here (MCPx 3.5.1)."""
    payload = {"you": you, "participants": list(participants)}
    return _from_gateway(id, at, "system/welcome", payload, to=(str(you["id"]),))


def joined(*, id: str, at: float, participant: JsonObject) -> bytes:
    """`system/presence`: somebody has come, or may do other things than before (MCPx 3.4)."""
    return _from_gateway(id, at, "system/presence", {"event": "join", "participant": participant})


def left(*, id: str, at: float, participant: str) -> bytes:
    """`system/presence`: somebody's last connection has ended (MCPx 3.4)."""
    return _from_gateway(id, at, "system/presence", {"event": "leave", "participant": {"id": participant}})


def refusal(*, id: str, at: float, to: str, error: EnvelopeError) -> bytes:
    """`system/error`: an envelope was refused, and why (MCPx 3.5.2)."""
    payload = {"error": str(error.code), "message": str(error), **error.facts}
    return _from_gateway(id, at, "system/error", payload, to=(to,), correlation_id=error.envelope_id)


def _from_gateway(
    id: str,
    at: float,
    kind: str,
    payload: JsonObject,
    *,
    to: tuple[str, ...] = (),
    correlation_id: str | None = None,
) -> bytes:
    return encode_envelope(
        id=id,
        ts=timestamp(at),
        sender=GATEWAY_ID,
        kind=kind,
        payload=payload,
        to=to,
        correlation_id=correlation_id,
    )
