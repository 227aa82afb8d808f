"""Answers: what the gateway knows, as the admin API's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from starlette.responses import Response

from capabilities import Amendment, Revocation, effective
from gateway.audit import AuditedAct, Page
from gateway.broker.protocol import ParticipantRecord
from gateway.core import ConnectionRecord, Joined, timestamp
from gateway.http.admin.rules import Why, capabilities_of
from schemas import rest


def answer(body: msgspec.Struct, headers: Mapping[str, str] | None = None) -> Response:
    """Return a 200 with a record as JSON, which no cache keeps."""
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def when(at: float | None) -> str | None:
    """Return Unix seconds as RFC 3339; `None` stays."""
    return None if at is None else timestamp(at)


def closed_connections(closed: Iterable[ConnectionRecord]) -> list[rest.ClosedConnection]:
    """Show what an act closed."""
    return [
        rest.ClosedConnection(connection=record.connection, participant_id=record.participant)
        for record in closed
    ]


def revocation_record(revocation: Revocation) -> rest.RevocationRecord:
    """Show a revocation."""
    return rest.RevocationRecord(
        jti=revocation.jti,
        participant_id=revocation.participant,
        topic=revocation.topic,
        issued_until=when(revocation.until_iat),
        reason=revocation.reason,
        revoked_by=revocation.by,
        revoked_at=timestamp(revocation.at),
        kept_until=timestamp(revocation.expires_at),
    )


Live = Mapping[str, Sequence[Joined]]
"""By topic: the joins of those who are there."""


def participant_answer(
    record: ParticipantRecord, topics: Sequence[str], now: float
) -> rest.ParticipantAnswer:
    """Show a participant in a list."""
    return rest.ParticipantAnswer(
        participant_id=record.id,
        capabilities=list(capabilities_of(record, None, now)),
        version=record.version,
        seen_at=timestamp(record.seen_at),
        topics=sorted(topics),
    )


def participant_details(
    record: ParticipantRecord, live: Live, amendments: list[rest.AmendedPattern], now: float
) -> rest.ParticipantDetails:
    """Show a participant with all that an admin may see of it."""
    connections = [
        rest.ConnectionAnswer(
            connection=join.record.connection,
            topic=topic,
            jti=join.record.jti,
            connected_at=timestamp(join.record.at),
            capabilities=list(effective(join.record.base, record.amendments_in(topic), now)),
        )
        for topic, joins in live.items()
        for join in joins
        if join.record.participant == record.id
    ]
    return rest.ParticipantDetails(
        participant_id=record.id,
        capabilities=list(capabilities_of(record, None, now)),
        version=record.version,
        seen_at=timestamp(record.seen_at),
        topics=sorted({connection.topic for connection in connections}),
        connections=connections,
        amendments=amendments,
    )


def amended_patterns(
    amendments: Iterable[Amendment], acts: Sequence[AuditedAct], now: float
) -> list[rest.AmendedPattern]:
    """
    Show what admins changed and is in force.

    `acts`, newest first, are what the audit log says of the participant: the
    newest that names the pattern made the change.
    """
    shown = []
    for amendment in amendments:
        for change in amendment.changes:
            if not change.is_live(now):
                continue
            list_name = "add" if change.effect == "added" else "remove"
            act = next(
                (
                    one
                    for one in acts
                    if one.act.topic == amendment.topic and change.pattern in one.act.facts.get(list_name, ())
                ),
                None,
            )
            shown.append(
                rest.AmendedPattern(
                    pattern=change.pattern,
                    effect="added" if list_name == "add" else "removed",
                    topic=amendment.topic,
                    expires_at=when(change.expires_at),
                    modified_by=act.act.who if act else None,
                    modified_at=act.at if act else None,
                    reason=act.act.why if act else None,
                )
            )
    return shown


def explain_answer(
    record: ParticipantRecord, topic: str, verdict: Why, *, connected: bool
) -> rest.ExplainAnswer:
    """Show why a kind may be sent, or may not."""
    explanation = verdict.explanation
    origin = None
    if verdict.pattern is not None:
        origin = rest.Origin(
            pattern=verdict.pattern,
            source="token" if verdict.change is None else verdict.change.effect.value,
            topic=verdict.topic,
            expires_at=when(verdict.change.expires_at) if verdict.change else None,
        )
    sentence = explanation.sentence
    if not explanation.granted and verdict.change is not None:
        sentence = f"{sentence[:-1]}; '{verdict.pattern}' was removed by an admin."
    return rest.ExplainAnswer(
        participant_id=record.id,
        topic=topic,
        kind=str(explanation.kind),
        granted=explanation.granted,
        by=explanation.by,
        nearest=explanation.nearest,
        closest=explanation.closest,
        may_propose=explanation.may_propose,
        sentence=sentence,
        origin=origin,
        capabilities=list(verdict.held),
        connected=connected,
    )


def audit_answer(page: Page) -> rest.AuditAnswer:
    """Show acts, and whether the log they stand in is whole."""
    chain = page.chain
    return rest.AuditAnswer(
        acts=[
            rest.AuditedAnswer(
                seq=one.seq,
                at=one.at,
                who=one.act.who,
                token=one.act.token,
                what=one.act.what,
                target=one.act.target,
                topic=one.act.topic,
                why=one.act.why,
                facts=one.act.facts,
                outcome=one.outcome.value,
                result=one.result,
            )
            for one in page.acts
        ],
        next=None if page.next is None else str(page.next),
        chain=rest.ChainAnswer(
            intact=chain.is_intact,
            lines=chain.lines,
            head=chain.head,
            broken_at=chain.broken_at,
            why=chain.why,
        ),
    )
