"""What admins do: each act is written down before it is done, and what came of it after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response

from capabilities import Amendment, Revocation, is_jti
from gateway.audit import Act, AuditLog, Outcome, without_tokens
from gateway.broker.protocol import Broker, ParticipantRecord
from gateway.clock import Clock
from gateway.core import Ended, Joined, timestamp
from gateway.errors import AuditUnavailable
from gateway.http.admin.reading import Query, read_body, version_tag, versions_wanted
from gateway.http.admin.rules import Admin, Promotion, capabilities_of, check_patterns, in_sight, promote
from gateway.http.admin.showing import answer, closed_connections, revocation_record, when
from gateway.http.admin.watching import look_at
from gateway.http.problems import Problem, ProblemCode
from gateway.metrics import Metrics
from schemas import CloseCode, JsonObject, is_participant_id, is_topic, rest

log = structlog.get_logger("gateway.admin")

T = TypeVar("T")


class Acts:
    """The routes that change something."""

    def __init__(
        self,
        broker: Broker,
        audit: AuditLog,
        clock: Clock,
        metrics: Metrics,
        max_token_lifetime_s: Callable[[], float],
    ) -> None:
        self._broker, self._audit, self._clock, self._metrics = broker, audit, clock, metrics
        self._max_token_lifetime_s = max_token_lifetime_s

    async def change_capabilities(self, admin: Admin, request: Request) -> Response:
        """`POST /admin/participants/{id}/capabilities` (MCPx 11.3)."""
        id, topic = request.path_params["id"], Query(request, ("topic",)).topic()
        asked = await read_body(request, rest.CapabilitiesRequest)
        versions, now = versions_wanted(request), self._clock.now()
        check_patterns(asked.add, asked.remove)
        promotion = Promotion(
            topic=topic,
            add=tuple(asked.add),
            remove=tuple(asked.remove),
            revert=asked.revert if isinstance(asked.revert, bool) else tuple(asked.revert),
            expires_at=None if asked.ttl_s is None else now + asked.ttl_s,
        )
        facts: JsonObject = {
            "add": asked.add,
            "remove": asked.remove,
            "revert": asked.revert,
            "expires_at": when(promotion.expires_at),
        }
        act = self._act(admin, "capabilities.change", id, topic, asked.reason, facts)

        async def change() -> tuple[rest.CapabilitiesAnswer, JsonObject]:
            admin.check_acts_in(topic)
            bases = [join.record.base for join in await self._joins_of(id, topic)]
            before = await self._seen(id)

            def amended(record: ParticipantRecord) -> tuple[Amendment, ...]:
                nonlocal before
                before = record
                return promote(record, promotion, admin, live_bases=bases, now=now, versions=versions)

            after = await self._broker.amend(id, amended, now)
            body = rest.CapabilitiesAnswer(
                participant_id=id,
                old_capabilities=list(capabilities_of(in_sight(before, admin), topic, now, bases)),
                new_capabilities=list(capabilities_of(in_sight(after, admin), topic, now, bases)),
                modified_by=admin.id,
                modified_at=timestamp(now),
                topic=topic,
                expires_at=when(promotion.expires_at),
                version=after.version,
            )
            return body, {
                "changed": after.version != before.version,
                "oldCapabilities": body.old_capabilities,
                "newCapabilities": body.new_capabilities,
            }

        body = await self._audited(act, change)
        return answer(body, {"ETag": version_tag(body.version)})

    async def revoke(self, admin: Admin, request: Request) -> Response:
        """`POST /admin/revocations`."""
        Query(request, ())
        asked = await read_body(request, rest.RevocationRequest)
        revocation = self._revocation(asked, admin)
        target = revocation.participant or f"jti:{revocation.jti}"
        act = self._act(admin, "access.revoke", target, asked.topic, asked.reason, {})
        ended = Ended(
            code=int(CloseCode.REVOKED),
            at=revocation.at,
            participant=revocation.participant,
            jti=revocation.jti,
            iat_until=None if revocation.until_iat is None else int(revocation.until_iat),
        )

        async def revoke() -> tuple[rest.RevocationAnswer, JsonObject]:
            admin.check_acts_in(asked.topic)
            ending = await self._broker.revoke(revocation, ended)
            closed = closed_connections(ending.closed)
            body = rest.RevocationAnswer(revocation=revocation_record(revocation), closed=closed)
            return body, {"closed": [one.connection for one in closed]}

        return answer(await self._audited(act, revoke))

    async def disconnect(self, admin: Admin, request: Request) -> Response:
        """`POST /admin/participants/{id}/disconnect`."""
        id, topic = request.path_params["id"], Query(request, ("topic",)).topic()
        asked = await read_body(request, rest.DisconnectRequest, may_be_empty=True)
        act = self._act(admin, "participant.disconnect", id, topic, asked.reason, {})
        ended = Ended(code=int(CloseCode.DISCONNECTED), at=self._clock.now(), participant=id)

        async def disconnect() -> tuple[rest.DisconnectAnswer, JsonObject]:
            admin.check_acts_in(topic)
            await self._seen(id)
            ending = await self._broker.end(topic, ended)
            closed = closed_connections(ending.closed)
            body = rest.DisconnectAnswer(participant_id=id, topic=topic, closed=closed)
            return body, {"closed": [one.connection for one in closed]}

        return answer(await self._audited(act, disconnect))

    async def _seen(self, id: str) -> ParticipantRecord:
        record = await self._broker.participant(id) if is_participant_id(id) else None
        if record is None:
            raise Problem(ProblemCode.PARTICIPANT_UNKNOWN, f"{id[:128]!r} was never here")
        return record

    async def _joins_of(self, id: str, topic: str | None) -> list[Joined]:
        """Return the participant's live connections, in one topic or all: each may have another token."""
        names = [topic] if topic is not None else await self._broker.topics()
        live = await look_at(self._broker, names)
        return [join for joins in live.values() for join in joins if join.record.participant == id]

    def _revocation(self, asked: rest.RevocationRequest, admin: Admin) -> Revocation:
        if (asked.jti is None) == (asked.participant is None):
            raise Problem(ProblemCode.INVALID_BODY, "Name either 'jti' or 'participant'")
        if asked.topic is not None and not is_topic(asked.topic):
            raise Problem(ProblemCode.INVALID_BODY, "'topic' is no topic's name")
        by, at, lifetime = admin.id, self._clock.now(), self._max_token_lifetime_s()
        topic, reason = asked.topic, without_tokens(asked.reason)
        if asked.jti is not None:
            if not is_jti(asked.jti):  # such as one that was pasted with the end of its line
                raise Problem(ProblemCode.INVALID_BODY, "'jti' is no token's id")
            return Revocation.of_token(
                asked.jti, by=by, at=at, max_lifetime_s=lifetime, topic=topic, reason=reason
            )
        assert asked.participant is not None
        if not is_participant_id(asked.participant):
            raise Problem(ProblemCode.INVALID_BODY, "'participant' is no participant id")
        return Revocation.of_participant(
            asked.participant, by=by, at=at, max_lifetime_s=lifetime, topic=topic, reason=reason
        )

    def _act(
        self, admin: Admin, what: str, target: str, topic: str | None, why: str, facts: JsonObject
    ) -> Act:
        return Act(admin.id, admin.claims.jti, what, target, topic, why, facts)

    async def _audited(self, act: Act, do: Callable[[], Awaitable[tuple[T, JsonObject]]]) -> T:
        """
        Write an act down, do it, and write down what came of it.

        Raises:
            AuditUnavailable: it could not be written down, so it was not done.
        """
        seq = await asyncio.to_thread(self._audit.begin, act)
        try:
            done, result = await do()
        except Problem as problem:
            await self._settle(act, seq, Outcome.REFUSED, {"code": str(problem.code), **problem.facts})
            raise
        except Exception:
            await self._settle(act, seq, Outcome.FAILED, {})
            raise
        await self._settle(act, seq, Outcome.DONE, result)
        return done

    async def _settle(self, act: Act, seq: int, outcome: Outcome, result: JsonObject) -> None:
        self._metrics.admin_act(str(outcome))
        log.info(
            "admin.acted",
            who=act.who,
            what=act.what,
            target=act.target,
            topic=act.topic,
            outcome=str(outcome),
            audit=seq,
        )
        try:
            await asyncio.to_thread(self._audit.end, seq, outcome, result)
        except AuditUnavailable as error:
            # It is in force and its beginning is on the disk: the act reads `unknown` there.
            log.error("audit.outcome_lost", audit=seq, outcome=str(outcome), why=error.why)  # noqa: TRY400
