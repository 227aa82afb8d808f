"""
What one envelope says, checked by itself (MCPx 4.3, Participant Validation).

Here stands what needs no memory: shape, METHOD and CONTEXT, who may speak for
the gateway. Whether an answer has a question, or a fulfillment a proposal, is
decided by the conversation, which remembers.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from participants.conversation.instants import parse_instant
from participants.conversation.methods import (
    PROPOSAL,
    REJECT,
    REQUEST,
    RESPONSE,
    WITHDRAW,
    check_method_and_context,
    is_notification,
)
from schemas import (
    GATEWAY_ID,
    MAX_KIND_BYTES,
    Envelope,
    ErrorResponsePayload,
    JsonObject,
    Kind,
    NotificationPayload,
    Payload,
    PayloadError,
    ProposalPayload,
    RejectPayload,
    RequestPayload,
    ResponsePayload,
    WithdrawPayload,
    is_participant_id,
    payload_of,
    payload_record,
    read_payload,
)

DEFAULT_EXPIRY_S = 300.0
"""Seconds from `ts` after which a proposal without `expiresAt` is not fulfilled any more (MCPx 10.2)."""

_OPERATIONS = frozenset({REQUEST, RESPONSE, PROPOSAL, REJECT, WITHDRAW})
_NEEDS_CORRELATION = frozenset({RESPONSE, REJECT, WITHDRAW})


def check_speaker(envelope: Envelope) -> None:
    """
    Check that only the gateway speaks as the gateway (MCPx 4.1, Reserved Namespace).

    Raises:
        PayloadError: a participant uses a reserved kind, or the gateway's name another kind.
    """
    if envelope.sender == GATEWAY_ID:
        if not envelope.kind.is_reserved:
            raise PayloadError(f"{GATEWAY_ID} sends kinds of the system namespace only")
    elif envelope.kind.is_reserved:
        raise PayloadError(f"only {GATEWAY_ID} sends kinds of the system namespace")
    elif not is_participant_id(envelope.sender):
        raise PayloadError("its sender is no participant id")


def read(envelope: Envelope) -> tuple[JsonObject, Payload | None]:
    """
    Return an envelope's payload as it was parsed, and as the record of its kind.

    The record is `None` for a kind that this project gives no meaning to.

    Raises:
        PayloadError: the payload cannot be trusted; the text says why.
    """
    kind = envelope.kind
    if kind.family in _OPERATIONS:
        _check_header(envelope)
    payload = payload_of(envelope)
    if kind.family in _OPERATIONS and any(name.casefold() == "auth" for name in payload):
        raise PayloadError("a message holds no 'auth': a credential in a broadcast is everybody's")
    record = payload_record(kind, payload) if _has_meaning(kind) else None
    if record is None:
        return payload, None
    message = read_payload(record, payload)
    if isinstance(message, RequestPayload | NotificationPayload | ProposalPayload):
        check_method_and_context(kind, message.method, params_of(message.params))
    if isinstance(message, ProposalPayload) and isinstance(message.expires_at, str):
        parse_instant(message.expires_at)
    return payload, message


def _has_meaning(kind: Kind) -> bool:
    return (kind.method is not None) == (kind.family in _OPERATIONS)


def _check_header(envelope: Envelope) -> None:
    kind = envelope.kind
    if kind.method is None:
        raise PayloadError(f"'{kind}' names no method")
    if len(str(kind.with_family(RESPONSE))) > MAX_KIND_BYTES:
        raise PayloadError("its kind is so long that an answer to it could have none")
    if kind.family == PROPOSAL:
        if envelope.correlation_id is not None:
            raise PayloadError("a proposal has no correlation_id: it begins something new")
        if is_notification(kind.with_family(REQUEST)):
            raise PayloadError("a notification is not proposed: nobody would answer it")
    elif kind.family in _NEEDS_CORRELATION and envelope.correlation_id is None:
        raise PayloadError(f"'{kind.family}' names by correlation_id what it belongs to")


def params_of(params: JsonObject | UnsetType) -> JsonObject:
    """Return the params of a call, an empty object where it has none."""
    return {} if params is UNSET else params


def expiry_of(proposal: ProposalPayload, ts: str | None, now: float) -> float | None:
    """
    Return when a proposal expires in Unix seconds, `None` for never (MCPx 10.2).

    One that does not say expires five minutes after its `ts`, or after `now`
    where that is missing or lies ahead.
    """
    if proposal.expires_at is None:
        return None
    if isinstance(proposal.expires_at, str):
        return parse_instant(proposal.expires_at)
    return min(now, parse_instant(ts) if ts is not None else now) + DEFAULT_EXPIRY_S


Answer = ResponsePayload | ErrorResponsePayload
Ending = RejectPayload | WithdrawPayload
