"""
What an admin may do, and what comes of it: values in, values out.

No I/O. What is refused is a `Problem`, which says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from capabilities import (
    AdminClaims,
    Amendment,
    CapabilitySet,
    Change,
    Effect,
    Explanation,
    Pattern,
    PatternError,
    Revocation,
    StillGranted,
    amend,
    effective,
    explain,
    is_revoked,
    revert,
)
from gateway.broker.protocol import ParticipantRecord
from gateway.http.problems import Problem, ProblemCode
from schemas import Kind

MAX_CHANGES: Final = 2048
"""Patterns added and removed that one participant's record holds; each join carries them."""


@dataclass(frozen=True, slots=True)
class Admin:
    """An admin whose token is genuine, and what has been taken back since."""

    claims: AdminClaims
    revocations: tuple[Revocation, ...] = ()

    @property
    def id(self) -> str:
        return self.claims.id

    def acts_in(self, topic: str | None) -> bool:
        """Whether the admin may act in a topic; `None`: in all."""
        return self.claims.may_act(topic) and not is_revoked(self.revocations, self.claims, topic)

    def check_acts_in(self, topic: str | None) -> None:
        """
        Refuse an act where the admin has no say.

        Raises:
            Problem: `topic_forbidden`.
        """
        if self.acts_in(topic):
            return
        why = (
            "Acting in all topics needs a token for '*'; name one with ?topic="
            if topic is None
            else "Your token does not name this topic"
        )
        raise Problem(ProblemCode.TOPIC_FORBIDDEN, why)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A change of a participant's capabilities, as asked for."""

    topic: str | None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    revert: tuple[str, ...] | bool = False
    """Patterns whose earlier changes end, or all of them; before anything is added or removed."""
    expires_at: float | None = None
    """Unix seconds, for what is added and removed."""


def check_patterns(add: Sequence[str], remove: Sequence[str]) -> None:
    """
    Refuse texts that are no patterns, and a request that contradicts itself.

    Raises:
        Problem: `invalid_pattern` naming it, or `invalid_body`.
    """
    for text in (*add, *remove):
        try:
            Pattern.parse(text)
        except PatternError as error:
            raise Problem(ProblemCode.INVALID_PATTERN, str(error), pattern=error.text[:256]) from None
    both = next((text for text in add if text in remove), None)
    if both is not None:
        raise Problem(ProblemCode.INVALID_BODY, f"'{both}' is to be added and removed at once")


def promote(
    record: ParticipantRecord,
    promotion: Promotion,
    admin: Admin,
    *,
    live_bases: Sequence[Sequence[str]] = (),
    now: float,
    versions: frozenset[int] | None = None,
) -> tuple[Amendment, ...]:
    """
    Return a participant's amendments after a promotion; the same object if nothing changes.

    `live_bases` are the capabilities that the tokens of open connections
    bring, beside the last token's. With `versions`, the record must be of one
    of them.

    Raises:
        Problem: `changed_meanwhile`, `beyond_own_rights` or `still_granted`.
    """
    if versions is not None and record.version not in versions:
        raise Problem(
            ProblemCode.CHANGED_MEANWHILE,
            f"The participant's record is at version {record.version}",
            version=record.version,
        )
    admin.check_acts_in(promotion.topic)
    may_grant = admin.claims.may_grant
    _check_covered(may_grant, promotion.add)
    current = _amendment(record, promotion.topic)
    base = _union(record.base, live_bases)
    try:
        amended = _amended(record, current, promotion, base, now)
    except StillGranted as error:
        raise _still_granted(error, base, _union(in_sight(record, admin).base, live_bases)) from None
    if _says_the_same(current, amended, now):
        return record.amendments
    others = tuple(amendment for amendment in record.amendments if amendment.topic != promotion.topic)
    after = (*others, amended) if amended.changes else others
    if sum(len(amendment.changes) for amendment in after) > MAX_CHANGES:
        why = f"A participant has at most {MAX_CHANGES} changes in force; revert some"
        raise Problem(ProblemCode.INVALID_BODY, why)
    _check_covered(may_grant, handed_out(record.amendments, after, now))
    return after


def _amended(
    record: ParticipantRecord, current: Amendment, promotion: Promotion, base: Sequence[str], now: float
) -> Amendment:
    start = current
    if promotion.revert is True:
        start = revert(current)
    elif promotion.revert:
        start = revert(current, promotion.revert)
    # What is removed in all topics may stand again in one by an addition
    # there, so each topic with words of its own is asked. What is removed in
    # one topic may stand by what was added in all.
    if promotion.topic is None:
        places = [(), *((other,) for other in record.amendments if other.topic is not None)]
    else:
        places = [tuple(other for other in record.amendments if other.topic is None)]
    amended = [
        amend(
            start,
            add=promotion.add,
            remove=promotion.remove,
            expires_at=promotion.expires_at,
            now=now,
            base=base,
            others=others,
        )
        for others in places
    ]
    return amended[0]


def _still_granted(error: StillGranted, base: Sequence[str], seen: Sequence[str]) -> Problem:
    if error.by in base and error.by not in seen:
        why = f"'{error.pattern}' would still be granted by another pattern, which its token brings"
        return Problem(ProblemCode.STILL_GRANTED, why, pattern=error.pattern)
    return Problem(ProblemCode.STILL_GRANTED, str(error), pattern=error.pattern, granted_by=error.by)


def handed_out(before: Iterable[Amendment], after: Iterable[Amendment], now: float) -> list[str]:
    """
    Return each pattern that somebody would hold, at some time from `now` on, only because of the change.

    An admin hands out by adding, and also by reverting a removal, or by
    letting one end sooner than it would have. For a pattern only this matters:
    whether a token brings it or not, the topic, and the time; all are tried.
    """
    was, becomes = _by_pattern(before), _by_pattern(after)
    return [
        pattern
        for pattern in dict.fromkeys((*was, *becomes))
        if was.get(pattern) != becomes.get(pattern)
        and _gains(pattern, was.get(pattern, ()), becomes.get(pattern, ()), now)
    ]


def _by_pattern(amendments: Iterable[Amendment]) -> dict[str, tuple[Amendment, ...]]:
    """Split amendments, so that each speaks of one pattern."""
    split: dict[str, list[Amendment]] = {}
    for amendment in amendments:
        changes: dict[str, list[Change]] = {}
        for change in amendment.changes:
            changes.setdefault(change.pattern, []).append(change)
        for pattern, its in changes.items():
            split.setdefault(pattern, []).append(replace(amendment, changes=tuple(its)))
    return {pattern: tuple(its) for pattern, its in split.items()}


def _gains(pattern: str, was: Sequence[Amendment], becomes: Sequence[Amendment], now: float) -> bool:
    ends = [change.expires_at for amendment in (*was, *becomes) for change in amendment.changes]
    instants = {now, *(at for at in ends if at is not None and at > now)}
    topics = {None, *(amendment.topic for amendment in (*was, *becomes))}
    for topic, at, base in product(topics, instants, ((), (pattern,))):
        old = [amendment for amendment in was if amendment.topic in (None, topic)]
        new = [amendment for amendment in becomes if amendment.topic in (None, topic)]
        if effective(base, new, at) and not effective(base, old, at):
            return True
    return False


def in_sight(record: ParticipantRecord, admin: Admin) -> ParticipantRecord:
    """
    Return what an admin is shown of a participant.

    One of some topics sees the changes that count there, and of what the last
    token brought, perhaps for another topic, what it could hand out itself.
    """
    if admin.acts_in(None):
        return record
    covers = admin.claims.may_grant.covers
    return replace(
        record,
        base=tuple(text for text in record.base if covers(Pattern.parse(text))),
        amendments=tuple(
            each for each in record.amendments if each.topic is None or admin.acts_in(each.topic)
        ),
    )


def capabilities_of(
    record: ParticipantRecord, topic: str | None, now: float, live_bases: Iterable[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Return what a participant may send in a topic, or (`None`) wherever no topic says otherwise."""
    in_force = [amendment for amendment in record.amendments if amendment.topic in (None, topic)]
    return effective(_union(record.base, live_bases), in_force, now)


@dataclass(frozen=True, slots=True)
class Why:
    """An explanation, and where what decides it comes from."""

    explanation: Explanation
    held: tuple[str, ...]
    pattern: str | None
    """The pattern that grants it, or would if it had not been removed."""
    change: Change | None
    """The admin's change of that pattern; `None`: it is the token's."""
    topic: str | None
    """Where that change counts; `None`: in all topics."""


def why(
    record: ParticipantRecord,
    topic: str,
    kind: Kind,
    now: float,
    live_bases: Iterable[Sequence[str]] = (),
) -> Why:
    """Explain why a participant may send a kind in a topic, or may not."""
    base = _union(record.base, live_bases)
    held = capabilities_of(record, topic, now, live_bases)
    explanation = explain(CapabilitySet.of(held), kind)
    pattern = explanation.by
    wanted = Effect.ADDED
    if pattern is None:
        # Perhaps it would be granted, had an admin not taken it away.
        everything = CapabilitySet.of(_union(base, [_mentioned(record, topic, now)]))
        pattern, wanted = everything.granted_by(kind), Effect.REMOVED
    found: Change | None = None
    where: str | None = None
    for amendment in record.amendments_in(topic):
        for change in amendment.changes:
            if change.pattern == pattern and change.effect is wanted and change.is_live(now):
                found, where = change, amendment.topic
    return Why(explanation, held, pattern, found, where)


def _mentioned(record: ParticipantRecord, topic: str, now: float) -> tuple[str, ...]:
    return tuple(text for amendment in record.amendments_in(topic) for text in amendment.live(now))


def _amendment(record: ParticipantRecord, topic: str | None) -> Amendment:
    found = (amendment for amendment in record.amendments if amendment.topic == topic)
    return next(found, Amendment(record.id, topic))


def _says_the_same(current: Amendment, amended: Amendment, now: float) -> bool:
    live = [change for change in current.changes if change.is_live(now)]
    return set(live) == set(amended.changes) and current.live(now) == amended.live(now)


def _check_covered(may_grant: CapabilitySet, patterns: Iterable[str]) -> None:
    for text in patterns:
        if not may_grant.covers(Pattern.parse(text)):
            why = f"Your own capabilities do not cover '{text}'"
            raise Problem(ProblemCode.BEYOND_OWN_RIGHTS, why, pattern=text)


def _union(base: Sequence[str], more: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*base, *(text for patterns in more for text in patterns)]))
