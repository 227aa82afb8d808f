"""What the admin API offers: one row per route."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.http.admin.reading import DEFAULT_LIMIT, MAX_LIMIT
from gateway.http.problems import ProblemCode as P
from schemas import documents, rest

_described = partial(documents.Operation, tag="admin")
_ALWAYS: Final = (
    P.INVALID_PARAMETER,
    P.TOKEN_MISSING,
    P.TOKEN_REFUSED,
    P.NOT_AN_ADMIN,
    P.HOST_REFUSED,
    P.BROKER_UNAVAILABLE,
    P.INTERNAL,
)
_ACT: Final = (*_ALWAYS, P.TOPIC_FORBIDDEN, P.TOO_LARGE, P.INVALID_BODY, P.AUDIT_UNAVAILABLE)

_ID: Final = documents.Parameter(
    "id", "path", "A participant's id.", {"$ref": "#/components/schemas/ParticipantId"}, required=True
)
_IN_TOPIC: Final = documents.Parameter(
    "topic",
    "query",
    "Narrows the act to one topic; without it the token must name `*`.",
    {"$ref": "#/components/schemas/Topic"},
)
_LIMIT: Final = documents.Parameter(
    "limit",
    "query",
    "Items wanted.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
_AFTER: Final = documents.Parameter("after", "query", "`next` of the page before.", {"type": "string"})


def _filter(name: str, description: str) -> documents.Parameter:
    return documents.Parameter(name, "query", description, {"type": "string"})


CHANGE_CAPABILITIES: Final = _described(
    id="changeCapabilities",
    method="POST",
    path="/admin/participants/{id}/capabilities",
    summary="Change what a participant may send; in force on every node when this answers (MCPx 11.3)",
    body=rest.CapabilitiesRequest,
    answer=rest.CapabilitiesAnswer,
    parameters=(
        _ID,
        _IN_TOPIC,
        documents.Parameter(
            "If-Match",
            "header",
            "`ETag` of the participant's record; with another version nothing is changed.",
            {"type": "string"},
        ),
    ),
    problems=(
        *_ACT,
        P.BEYOND_OWN_RIGHTS,
        P.PARTICIPANT_UNKNOWN,
        P.STILL_GRANTED,
        P.CHANGED_MEANWHILE,
        P.INVALID_PATTERN,
    ),
)

DISCONNECT: Final = _described(
    id="disconnectParticipant",
    method="POST",
    path="/admin/participants/{id}/disconnect",
    summary="Close a participant's connections with 4410; it may come back",
    body=rest.DisconnectRequest,
    is_body_required=False,
    answer=rest.DisconnectAnswer,
    parameters=(_ID, _IN_TOPIC),
    problems=(*_ACT, P.PARTICIPANT_UNKNOWN),
)

REVOKE: Final = _described(
    id="revoke",
    method="POST",
    path="/admin/revocations",
    summary="Take back a token, or all that a participant has had; its connections close with 4403",
    body=rest.RevocationRequest,
    answer=rest.RevocationAnswer,
    problems=_ACT,
)

LIST_REVOCATIONS: Final = _described(
    id="listRevocations",
    path="/admin/revocations",
    summary="Revocations that are kept, newest first",
    answer=rest.RevocationsAnswer,
    parameters=(
        _LIMIT,
        documents.Parameter(
            "after", "query", "`next` of the page before.", {"type": "integer", "minimum": 0}
        ),
    ),
    problems=_ALWAYS,
)

LIST_PARTICIPANTS: Final = _described(
    id="listParticipants",
    path="/admin/participants",
    summary="Participants, by id: all that were ever here, or those now in the topics that the token names",
    answer=rest.ParticipantsAnswer,
    parameters=(_LIMIT, _AFTER),
    problems=_ALWAYS,
)

SHOW_PARTICIPANT: Final = _described(
    id="showParticipant",
    path="/admin/participants/{id}",
    summary="One participant: connections, capabilities, and what admins changed",
    answer=rest.ParticipantDetails,
    parameters=(_ID,),
    problems=(*_ALWAYS, P.PARTICIPANT_UNKNOWN),
)

LIST_TOPICS: Final = _described(
    id="listTopics",
    path="/admin/topics",
    summary="Topics in which somebody is, by name",
    answer=rest.TopicsAnswer,
    parameters=(_LIMIT, _AFTER),
    problems=_ALWAYS,
)

EXPLAIN: Final = _described(
    id="explain",
    path="/admin/explain",
    summary="Why a participant may send a kind in a topic, or may not",
    answer=rest.ExplainAnswer,
    parameters=(
        documents.Parameter(
            "participant", "query", "Its id.", {"$ref": "#/components/schemas/ParticipantId"}, required=True
        ),
        documents.Parameter(
            "topic", "query", "Where.", {"$ref": "#/components/schemas/Topic"}, required=True
        ),
        documents.Parameter(
            "kind", "query", "What it would send.", {"$ref": "#/components/schemas/Kind"}, required=True
        ),
    ),
    problems=(*_ALWAYS, P.TOPIC_FORBIDDEN, P.PARTICIPANT_UNKNOWN),
)

READ_AUDIT: Final = _described(
    id="readAudit",
    path="/admin/audit",
    summary="What admins did through this node, newest first, in pages, and whether its log is whole",
    answer=rest.AuditAnswer,
    parameters=(
        _LIMIT,
        documents.Parameter(
            "before",
            "query",
            "Acts older than this `seq`: `next` of the page before.",
            {"type": "integer", "minimum": 1},
        ),
        _filter("who", "Only this admin's."),
        _filter("what", "Only such acts, as `capabilities.change`."),
        _filter("target", "Only those on this participant or `jti`."),
        _filter("topic", "Only those in this topic."),
    ),
    problems=(*_ALWAYS, P.AUDIT_UNAVAILABLE),
)
