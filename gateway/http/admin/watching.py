"""What admins look at: participants, topics, revocations, reasons, and what was done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway.audit import AuditedAct, AuditLog
from gateway.broker.protocol import Broker, ParticipantRecord
from gateway.clock import Clock
from gateway.core import Joined
from gateway.errors import AuditUnavailable
from gateway.http.admin.reading import LAST_NUMBER, Query, version_tag
from gateway.http.admin.rules import Admin, in_sight, why
from gateway.http.admin.showing import (
    Live,
    amended_patterns,
    answer,
    audit_answer,
    explain_answer,
    participant_answer,
    participant_details,
    revocation_record,
)
from gateway.http.problems import Problem, ProblemCode
from schemas import rest

Item = TypeVar("Item")

_AT_ONCE: Final = 64
"""Topics asked for at the same time."""

_ACTS_ON_ONE: Final = 500
"""Acts read to find who made the changes of one participant."""


async def look_at(broker: Broker, topics: Iterable[str]) -> dict[str, list[Joined]]:
    """Return who is in each topic; topics that are empty are left out."""
    names = list(dict.fromkeys(topics))
    live: dict[str, list[Joined]] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        snapshots = await asyncio.gather(*(broker.look(name) for name in some))
        for name, snapshot in zip(some, snapshots, strict=True):
            if snapshot is not None and snapshot.joined:
                live[name] = list(snapshot.joined)
    return live


class Views:
    """The routes that change nothing. Each shows only topics that the admin's token names."""

    def __init__(self, broker: Broker, audit: AuditLog, clock: Clock) -> None:
        self._broker, self._audit, self._clock = broker, audit, clock

    async def participants(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/participants`."""
        query = Query(request, ("limit", "after"))
        live = await self._live(admin)
        present = _topics_by_participant(live)
        records = await self._broker.participants()
        visible = (
            in_sight(record, admin) for record in records if admin.acts_in(None) or record.id in present
        )
        page, next = _page({record.id: record for record in visible}, query)
        now = self._clock.now()
        shown = [participant_answer(record, present.get(record.id, []), now) for record in page]
        return answer(rest.ParticipantsAnswer(participants=shown, next=next))

    async def participant(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/participants/{id}`."""
        Query(request, ())
        live, id = await self._live(admin), request.path_params["id"]
        record = await self._visible(admin, id, live)
        now = self._clock.now()
        acts = await self._acts_on(id)
        details = participant_details(record, live, amended_patterns(record.amendments, acts, now), now)
        return answer(details, {"ETag": version_tag(record.version)})

    async def topics(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/topics`."""
        live = await self._live(admin)
        page, next = _page(
            {
                name: rest.TopicAnswer(
                    topic=name,
                    participants=len({join.record.participant for join in joins}),
                    connections=len(joins),
                )
                for name, joins in live.items()
            },
            Query(request, ("limit", "after")),
        )
        return answer(rest.TopicsAnswer(topics=page, next=next))

    async def revocations(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/revocations`."""
        query = Query(request, ("limit", "after"))
        kept = [one for one in await self._broker.revocations() if admin.acts_in(one.topic)]
        newest = kept[::-1]
        start = query.number("after", 0, 0)
        end = start + query.limit()
        return answer(
            rest.RevocationsAnswer(
                revocations=[revocation_record(revocation) for revocation in newest[start:end]],
                next=str(end) if end < len(newest) else None,
            )
        )

    async def explain(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/explain?participant=&topic=&kind=`."""
        query = Query(request, ("participant", "topic", "kind"))
        id, topic, kind = query.participant(), query.required_topic(), query.kind()
        admin.check_acts_in(topic)
        live = await look_at(self._broker, [topic])
        record = await self._broker.participant(id)
        if record is None:
            raise Problem(ProblemCode.PARTICIPANT_UNKNOWN, f"{id!r} was never here")
        bases = [join.record.base for join in live.get(topic, ()) if join.record.participant == id]
        record = in_sight(record, admin)
        verdict = why(record, topic, kind, self._clock.now(), bases)
        return answer(explain_answer(record, topic, verdict, connected=bool(bases)))

    async def audit(self, admin: Admin, request: Request) -> Response:
        """`GET /admin/audit`."""
        query = Query(request, ("limit", "before", "who", "what", "target", "topic"))
        who, what, target = query.text("who"), query.text("what"), query.text("target")
        topic, before = query.topic(), query.number("before", LAST_NUMBER, 1)

        def is_wanted(one: AuditedAct) -> bool:
            return (
                who in (None, one.act.who)
                and what in (None, one.act.what)
                and target in (None, one.act.target)
                and topic in (None, one.act.topic)
                and admin.acts_in(one.act.topic)
            )

        page = await asyncio.to_thread(self._audit.read, is_wanted, query.limit(), before)
        if not admin.acts_in(None):
            page = replace(page, acts=[_in_sight(one, admin) for one in page.acts])
        return answer(audit_answer(page))

    async def _live(self, admin: Admin) -> Live:
        names = [name for name in await self._broker.topics() if admin.acts_in(name)]
        return await look_at(self._broker, names)

    async def _visible(self, admin: Admin, id: str, live: Live) -> ParticipantRecord:
        """Return what is seen of a participant; to an admin of other topics, one who never came."""
        record = await self._broker.participant(id)
        if record is not None and (
            admin.acts_in(None)
            or id in _topics_by_participant(live)
            or any(one.topic is not None and admin.acts_in(one.topic) for one in record.amendments)
        ):
            return in_sight(record, admin)
        raise Problem(ProblemCode.PARTICIPANT_UNKNOWN, f"{id[:128]!r} was never here")

    async def _acts_on(self, id: str) -> list[AuditedAct]:
        """Return the newest changes made to a participant; none when the log cannot be read."""
        try:
            page = await asyncio.to_thread(
                self._audit.read,
                lambda one: one.act.target == id and one.act.what == "capabilities.change",
                _ACTS_ON_ONE,
            )
        except AuditUnavailable:
            return []
        return [one for one in page.acts if one.outcome != "refused"]


def _in_sight(one: AuditedAct, admin: Admin) -> AuditedAct:
    """Return an act in one of an admin's topics, without what another admin saw of a participant's token."""
    if one.act.who == admin.id:
        return one
    hidden = ("oldCapabilities", "newCapabilities")
    return replace(one, result={name: value for name, value in one.result.items() if name not in hidden})


def _topics_by_participant(live: Live) -> dict[str, list[str]]:
    present: dict[str, set[str]] = {}
    for topic, joins in live.items():
        for join in joins:
            present.setdefault(join.record.participant, set()).add(topic)
    return {participant: sorted(topics) for participant, topics in present.items()}


def _page(items: dict[str, Item], query: Query) -> tuple[list[Item], str | None]:
    """Return the items whose names follow `after`, up to the limit, and where the next page begins."""
    after, limit = query.text("after") or "", query.limit()
    names = sorted(name for name in items if name > after)
    page = names[:limit]
    return [items[name] for name in page], page[-1] if len(names) > limit else None
