"""
What an envelope carries under `payload`, one record per kind (MCPx 3.1 to 3.5).

A record says shape; whether METHOD and CONTEXT of the kind agree with it is a
participant's to check (4.3). Members that a record does not name are allowed
and ignored, but for `auth` in a JSON-RPC message: a credential in a broadcast
would be everybody's. JSON Schemas are generated from these records, so a
docstring here is a description there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.errors import PayloadError
from schemas.kind import Kind

__all__ = [
    "PAYLOADS",
    "ChatPayload",
    "ErrorResponsePayload",
    "JsonRpcError",
    "JsonRpcId",
    "NotificationPayload",
    "ParticipantRecord",
    "Payload",
    "PresencePayload",
    "ProposalPayload",
    "RejectPayload",
    "RejectReason",
    "RequestPayload",
    "ResponsePayload",
    "SystemErrorPayload",
    "WelcomePayload",
    "WithdrawPayload",
    "WithdrawReason",
    "payload_record",
    "read_payload",
]

NOTIFICATIONS: Final = "notifications/"
"""A method that begins so has no answer (MCP, Base Protocol)."""

JsonRpcId = Annotated[str, Meta(max_length=1024)] | int
"""Strictly a string or an integer: no number with a fraction, no null, no boolean."""

Params = dict[str, Any]


class RejectReason(StrEnum):
    """Why a proposal is refused, for machines; `message` is for people."""

    DENIED = "denied"
    POLICY = "policy"
    INVALID = "invalid"
    EXPIRED = "expired"
    BUSY = "busy"


class WithdrawReason(StrEnum):
    """Why a proposal is taken back by its proposer."""

    NO_LONGER_NEEDED = "no_longer_needed"
    SUPERSEDED = "superseded"
    TIMEOUT = "timeout"


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all records share: immutable, built by name, defaults left out on the wire."""


class RequestPayload(_Record, frozen=True, kw_only=True):
    """
    A JSON-RPC request, under `mcp/request:METHOD[:CONTEXT]` (MCPx 3.1.1).

    A fulfillment (3.2.1) is the same, in an envelope whose `correlation_id` is the proposal's id.
    """

    jsonrpc: Literal["2.0"]
    id: Annotated[JsonRpcId, Meta(description="A string or an integer, repeated by the response.")]
    method: Annotated[str, Meta(min_length=1, description="Equal to METHOD of the kind.")]
    params: Params | UnsetType = UNSET


class NotificationPayload(_Record, frozen=True, kw_only=True):
    """
    A JSON-RPC notification, under `mcp/request:notifications/…` (MCPx 3.1).

    The envelope's `correlation_id` is the request that it belongs to.
    """

    jsonrpc: Literal["2.0"]
    method: Annotated[str, Meta(pattern="^notifications/.", description="Equal to METHOD of the kind.")]
    params: Params | UnsetType = UNSET


class ResponsePayload(_Record, frozen=True, kw_only=True):
    """A JSON-RPC response that brings a result, under `mcp/response:METHOD[:CONTEXT]` (MCPx 3.1.2)."""

    jsonrpc: Literal["2.0"]
    id: Annotated[JsonRpcId, Meta(description="The request's JSON-RPC id, of the same JSON type.")]
    result: dict[str, Any]


class JsonRpcError(_Record, frozen=True, kw_only=True):
    """Why a request failed (JSON-RPC 2.0, Error object)."""

    code: int
    message: str
    data: Any = UNSET


class ErrorResponsePayload(_Record, frozen=True, kw_only=True):
    """A JSON-RPC response that brings an error, under `mcp/response:METHOD[:CONTEXT]` (MCPx 3.1.2)."""

    jsonrpc: Literal["2.0"]
    id: Annotated[JsonRpcId, Meta(description="The request's JSON-RPC id, of the same JSON type.")]
    error: JsonRpcError


class ProposalPayload(_Record, frozen=True, kw_only=True):
    """
    An MCP operation that somebody else is asked to carry out (MCPx 3.2).

    Stands under `mcp/proposal:METHOD[:CONTEXT]`.
    """

    method: Annotated[str, Meta(min_length=1, description="Equal to METHOD of the kind.")]
    params: Params | UnsetType = UNSET
    expires_at: Annotated[
        str | UnsetType | None,
        Meta(
            description="RFC 3339; from then on a fulfillment has no effect (10.2). "
            "Null: never. Left out: five minutes after `ts`.",
            extra_json_schema={"format": "date-time"},
        ),
    ] = msgspec.field(default=UNSET, name="expiresAt")


class RejectPayload(_Record, frozen=True, kw_only=True):
    """A refusal of the proposal that `correlation_id` names, under `mcp/reject:METHOD[:CONTEXT]`."""

    reason: RejectReason
    message: Annotated[str, Meta(description="What the proposer may read; free text.")] = ""


class WithdrawPayload(_Record, frozen=True, kw_only=True):
    """The proposal that `correlation_id` names is taken back, under `mcp/withdraw:METHOD[:CONTEXT]`."""

    reason: WithdrawReason
    message: Annotated[str, Meta(description="What the others may read; free text.")] = ""


class ChatPayload(_Record, frozen=True, kw_only=True):
    """What is said to people and agents, under `chat` (MCPx 3.3)."""

    text: str
    format: Literal["plain", "markdown"] = "plain"


class ParticipantRecord(_Record, frozen=True, kw_only=True):
    """Somebody in the topic, and what they may send (MCPx 3.4, 3.5.1)."""

    id: str
    capabilities: Annotated[
        list[str],
        Meta(
            description="Patterns; the union over the participant's connections. A leave may leave them out."
        ),
    ] = msgspec.field(default_factory=list[str])


class PresencePayload(_Record, frozen=True, kw_only=True):
    """
    Somebody came, went, or may now send other kinds, under `system/presence` (MCPx 3.4).

    A `join` of one who is present already brings changed capabilities.
    """

    event: Literal["join", "leave"]
    participant: ParticipantRecord


class WelcomePayload(_Record, frozen=True, kw_only=True):
    """Who you are, what you may send and who else is here, under `system/welcome` (MCPx 3.5.1)."""

    you: ParticipantRecord
    participants: Annotated[list[ParticipantRecord], Meta(description="The others that are present.")]


class SystemErrorPayload(_Record, frozen=True, kw_only=True):
    """
    An envelope of yours was refused, under `system/error` (MCPx 3.5.2).

    The envelope's `correlation_id` is the refused one's id, where it could be
    read. Which further members stand here depends on `error`.
    """

    error: Annotated[str, Meta(description="A code of the list of refusals, such as `capability_violation`.")]
    message: Annotated[str, Meta(description="One sentence that a person can act on.")] = ""
    attempted_kind: Annotated[
        str | UnsetType, Meta(description="`capability_violation`, `reserved_kind`")
    ] = UNSET
    your_capabilities: Annotated[list[str] | UnsetType, Meta(description="`capability_violation`")] = UNSET
    nearest: Annotated[
        str | UnsetType | None,
        Meta(description="`capability_violation`: the narrowest known pattern that would have granted it."),
    ] = UNSET
    retry_after_ms: Annotated[int, Meta(ge=0, description="`rate_limited`, milliseconds")] | UnsetType = UNSET
    supported: Annotated[str | UnsetType, Meta(description="`unsupported_protocol`")] = UNSET
    got: Annotated[str | UnsetType, Meta(description="`unsupported_protocol`")] = UNSET
    field: Annotated[str | UnsetType, Meta(description="`invalid_envelope`: the header field")] = UNSET
    max_bytes: Annotated[int, Meta(ge=0, description="`too_large`")] | UnsetType = UNSET


Payload = (
    RequestPayload
    | NotificationPayload
    | ResponsePayload
    | ErrorResponsePayload
    | ProposalPayload
    | RejectPayload
    | WithdrawPayload
    | ChatPayload
    | PresencePayload
    | WelcomePayload
    | SystemErrorPayload
)

PAYLOADS: Final[dict[str, type[Payload]]] = {
    "request": RequestPayload,
    "notification": NotificationPayload,
    "response": ResponsePayload,
    "error-response": ErrorResponsePayload,
    "proposal": ProposalPayload,
    "reject": RejectPayload,
    "withdraw": WithdrawPayload,
    "chat": ChatPayload,
    "presence": PresencePayload,
    "welcome": WelcomePayload,
    "error": SystemErrorPayload,
}
"""Every record by the name of its schema."""

_BY_FAMILY: Final[dict[str, type[Payload]]] = {
    "mcp/request": RequestPayload,
    "mcp/response": ResponsePayload,
    "mcp/proposal": ProposalPayload,
    "mcp/reject": RejectPayload,
    "mcp/withdraw": WithdrawPayload,
    "chat": ChatPayload,
    "system/presence": PresencePayload,
    "system/welcome": WelcomePayload,
    "system/error": SystemErrorPayload,
}

AnyRecord = TypeVar("AnyRecord", bound=_Record)


def payload_record(kind: Kind, payload: dict[str, Any]) -> type[Payload] | None:
    """
    Return the record that a payload under `kind` has to fit; `None` for kinds that are not ours.

    `payload` tells a result from an error.
    """
    record = _BY_FAMILY.get(kind.family)
    if record is RequestPayload and kind.method is not None and kind.method.startswith(NOTIFICATIONS):
        return NotificationPayload
    if record is ResponsePayload and "error" in payload:
        return ErrorResponsePayload
    return record


def read_payload(record: type[AnyRecord], payload: dict[str, Any]) -> AnyRecord:
    """
    Convert a payload, parsed strictly before, into its record (MCPx 4.3).

    Raises:
        PayloadError: a member is missing, of the wrong type, or may not stand there.
    """
    _refuse_other_messages(record, payload)
    try:
        return msgspec.convert(payload, record)
    except msgspec.ValidationError as error:
        raise PayloadError(f"the payload does not fit its kind: {error}") from None


_MEMBERS_OF_OTHERS: Final[dict[type[Any], tuple[str, ...]]] = {
    RequestPayload: ("auth", "result", "error"),
    NotificationPayload: ("auth", "id", "result", "error"),
    ResponsePayload: ("auth", "method", "error"),
    ErrorResponsePayload: ("auth", "method", "result"),
}


def _refuse_other_messages(record: type[Any], payload: dict[str, Any]) -> None:
    """Refuse what one reader would take for a request and another for a response, and credentials."""
    for name in _MEMBERS_OF_OTHERS.get(record, ()):
        if name in payload:
            raise PayloadError(f"the payload has a member '{name}', which does not belong in such a message")
