"""
Where an envelope is refused, and why: one page, read from top to bottom.

Every door asks `judge`; nothing else decides what a participant may send.
The order of the checks is the order of `ErrorCode`.
"""

from __future__ import annotations

from gateway.core.effects import Close, Refuse, Verdict
from gateway.core.limits import RefusalStreak
from gateway.core.members import Member
from schemas import (
    CapabilityViolation,
    CloseCode,
    Envelope,
    EnvelopeError,
    EnvelopeTooLarge,
    FromMismatch,
    RateLimited,
    ReservedKind,
)


def judge(member: Member, data: bytes, now: float, monotonic: float, max_bytes: int) -> Verdict:
    """
    Decide what the bytes that a member sent lead to (MCPx 4.2, 6.4).

    `now` is Unix seconds (tokens expire by the wall clock), `monotonic` seconds
    of a clock that never goes back (rates).
    """
    if member.ended is not None:
        return Close(member, member.ended)
    if now >= member.expires_at:
        return Close(member, CloseCode.TOKEN_EXPIRED)
    # Refused envelopes count against the rate, so a token is taken first and
    # the verdict kept until its turn comes.
    wait_ms = member.bucket.take(monotonic)
    try:
        if len(data) > max_bytes:
            raise EnvelopeTooLarge(max_bytes)
        envelope = Envelope.parse(data)
    except EnvelopeError as error:
        return _refused(member, error, monotonic)
    error_or_none = authorize(member, envelope, wait_ms)
    if error_or_none is not None:
        error_or_none.envelope_id = envelope.id
        return _refused(member, error_or_none, monotonic)
    member.streak = None
    return envelope


def authorize(member: Member, envelope: Envelope, wait_ms: int = 0) -> EnvelopeError | None:
    """
    Return why this member may not send this envelope, or `None` if it may (MCPx 4.1, 4.2).

    The connection says who `member` is; the envelope's `from` only claims it.
    The payload is not looked at: that its content fits the kind is for
    receivers to check (MCPx 4.3).
    """
    if envelope.sender != member.record.participant:
        return FromMismatch(envelope.sender, member.id)
    if envelope.kind.is_reserved:
        return ReservedKind(str(envelope.kind))
    if wait_ms:
        return RateLimited(wait_ms)
    if not member.capabilities.grants(envelope.kind):
        held = member.capabilities
        return CapabilityViolation(str(envelope.kind), held.patterns, held.nearest(envelope.kind))
    return None


def _refused(member: Member, error: EnvelopeError, monotonic: float) -> Refuse | Close:
    if member.streak is None:
        member.streak = RefusalStreak()
    # A value from here on. Its frames would lead to the verdict and so back to it, and what was
    # refused, a megabyte perhaps, would stay until the collector comes by.
    error.__traceback__ = error.__context__ = None
    if member.streak.refused(monotonic):
        return Close(member, CloseCode.REFUSED_TOO_OFTEN)
    return Refuse(member, error)
