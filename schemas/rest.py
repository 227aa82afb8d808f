"""
What goes over the admin API, one record per body (MCPx 11.3, Capability Promotion API).

Requests refuse members that they do not name: a misspelt `topic` must not
become an act in all topics. Answers are named as in the specification's
example, in camel case.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.kind import MAX_KIND_BYTES

MAX_PATTERNS = 256
"""Patterns that one request may add, or remove."""

MAX_REASON_CHARACTERS = 1000
TEN_YEARS_S = 315_360_000

PatternText = Annotated[str, Meta(min_length=1, max_length=MAX_KIND_BYTES)]
Patterns = Annotated[list[PatternText], Meta(max_length=MAX_PATTERNS)]
Reason = Annotated[
    str, Meta(max_length=MAX_REASON_CHARACTERS, description="Why; it is kept in the audit log.")
]
When = Annotated[str, Meta(description="RFC 3339", extra_json_schema={"format": "date-time"})]
TopicOrAll = Annotated[str | None, Meta(description="A topic; null: all topics.")]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that an admin sends."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A body that the gateway answers with."""


# Capabilities


class CapabilitiesRequest(_Request, frozen=True, kw_only=True):
    """A change of what a participant may send (MCPx 11.3). What is reverted is reverted first."""

    add: Patterns = msgspec.field(default_factory=list[str])
    remove: Patterns = msgspec.field(default_factory=list[str])
    revert: Annotated[
        bool | Patterns,
        Meta(
            description="Take back earlier changes, of these patterns or (true) all: the token's word stands."
        ),
    ] = False
    ttl_s: Annotated[
        Annotated[float, Meta(gt=0, le=TEN_YEARS_S)] | None,
        Meta(description="Seconds after which what is added and removed lapses. Null: until reverted."),
    ] = None
    reason: Reason = ""


class CapabilitiesAnswer(_Answer, frozen=True, kw_only=True):
    """What a participant might send before, and may send now (MCPx 11.3)."""

    participant_id: str
    old_capabilities: list[str]
    new_capabilities: list[str]
    modified_by: str
    modified_at: When
    topic: TopicOrAll
    expires_at: When | None
    version: Annotated[int, Meta(description="Rises with each change; also the ETag.")]


# Ending access


class RevocationRequest(_Request, frozen=True, kw_only=True):
    """Take back one token (`jti`), or all that a participant has had so far: name one of the two."""

    jti: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    participant: str | None = None
    topic: TopicOrAll = None
    reason: Reason = ""


class ClosedConnection(_Answer, frozen=True, kw_only=True):
    """A connection that was closed by the act."""

    connection: str
    participant_id: str


class RevocationRecord(_Answer, frozen=True, kw_only=True):
    """A revocation that is kept."""

    jti: str | None
    participant_id: str | None
    topic: TopicOrAll
    issued_until: Annotated[
        When | None, Meta(description="With a participant: tokens issued later are not meant.")
    ]
    reason: str
    revoked_by: str
    revoked_at: When
    kept_until: Annotated[When, Meta(description="From then on every token that it means has expired.")]


class RevocationAnswer(_Answer, frozen=True, kw_only=True):
    """The revocation, and what it closed."""

    revocation: RevocationRecord
    closed: list[ClosedConnection]


class RevocationsAnswer(_Answer, frozen=True, kw_only=True):
    """Revocations that are kept, newest first."""

    revocations: list[RevocationRecord]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class DisconnectRequest(_Request, frozen=True, kw_only=True):
    """Why connections are closed; they may come back."""

    reason: Reason = ""


class DisconnectAnswer(_Answer, frozen=True, kw_only=True):
    """What was closed, with 4410."""

    participant_id: str
    topic: TopicOrAll
    closed: list[ClosedConnection]


# Looking


class AmendedPattern(_Answer, frozen=True, kw_only=True):
    """One pattern that an admin added or removed, in force; who, when and why as the audit log has it."""

    pattern: str
    effect: Literal["added", "removed"]
    topic: TopicOrAll
    expires_at: When | None
    modified_by: str | None
    modified_at: When | None
    reason: str | None


class ConnectionAnswer(_Answer, frozen=True, kw_only=True):
    """One live connection."""

    connection: str
    topic: str
    jti: str
    connected_at: When
    capabilities: list[str]


class ParticipantAnswer(_Answer, frozen=True, kw_only=True):
    """A participant as the store knows it."""

    participant_id: str
    capabilities: Annotated[
        list[str],
        Meta(
            description="Its last token's, with the amendments that count in all topics; for an admin of "
            "some topics, of the token's only what that admin could hand out."
        ),
    ]
    version: int
    seen_at: Annotated[When, Meta(description="Of the last join.")]
    topics: Annotated[list[str], Meta(description="Where it is connected now.")]


class ParticipantDetails(ParticipantAnswer, frozen=True, kw_only=True):
    """A participant with its connections, and what admins changed."""

    connections: list[ConnectionAnswer]
    amendments: list[AmendedPattern]


class ParticipantsAnswer(_Answer, frozen=True, kw_only=True):
    """Participants, by id."""

    participants: list[ParticipantAnswer]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class TopicAnswer(_Answer, frozen=True, kw_only=True):
    """A topic in which somebody is."""

    topic: str
    participants: int
    connections: int


class TopicsAnswer(_Answer, frozen=True, kw_only=True):
    """Topics, by name."""

    topics: list[TopicAnswer]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class Origin(_Answer, frozen=True, kw_only=True):
    """Where a pattern that counts comes from."""

    pattern: str
    source: Literal["token", "added", "removed"]
    topic: TopicOrAll
    expires_at: When | None


class ExplainAnswer(_Answer, frozen=True, kw_only=True):
    """Why a participant may send a kind in a topic, or may not."""

    participant_id: str
    topic: str
    kind: str
    granted: bool
    by: Annotated[str | None, Meta(description="The pattern that grants it.")]
    nearest: Annotated[str | None, Meta(description="The narrowest pattern that would grant it.")]
    closest: Annotated[str | None, Meta(description="The held pattern that was perhaps meant to.")]
    may_propose: bool
    sentence: str
    origin: Annotated[
        Origin | None, Meta(description="Where `by` comes from, or which removal took it away.")
    ]
    capabilities: list[str]
    connected: bool


class AuditedAnswer(_Answer, frozen=True, kw_only=True):
    """One act of an admin."""

    seq: int
    at: When
    who: str
    token: Annotated[str, Meta(description="`jti` of the admin's token.")]
    what: str
    target: str
    topic: TopicOrAll
    why: str
    facts: dict[str, Any]
    outcome: Literal["done", "refused", "failed", "unknown"]
    result: dict[str, Any]


class ChainAnswer(_Answer, frozen=True, kw_only=True):
    """
    Whether this node's audit log is whole, as far as was looked.

    That is at each line once in the node's life, and at those of this page again.
    """

    intact: bool
    lines: int
    head: Annotated[str, Meta(description="SHA-256 of the last line; note it to prove later what stood.")]
    broken_at: int | None
    why: str


class AuditAnswer(_Answer, frozen=True, kw_only=True):
    """Acts that this node has written down, newest first."""

    acts: list[AuditedAnswer]
    next: Annotated[
        str | None,
        Meta(
            description="`before` of the next page; null where nothing is older. So much is read for a page "
            "and no more, so one may hold fewer than `limit`, and others follow."
        ),
    ]
    chain: ChainAnswer


class Readiness(_Answer, frozen=True, kw_only=True):
    """Whether this node can take connections, and what it stands on."""

    ready: bool
    reasons: list[str]
    facts: dict[str, Any] | None = None
