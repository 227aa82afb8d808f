"""What an admin may do, over all histories of what admins did before."""

from __future__ import annotations

from itertools import product
from typing import Final

from hypothesis import given, reject
from hypothesis import strategies as st

from capabilities import AdminClaims, Amendment, CapabilitySet, Pattern, effective
from gateway.broker.protocol import ParticipantRecord
from gateway.http.admin.rules import MAX_CHANGES, Admin, Promotion, handed_out, promote
from gateway.http.problems import Problem, ProblemCode
from tests.requirements import spec

READ: Final = "mcp/request:resources/read"
TOOLS: Final = "mcp/request:tools/*"
CALL: Final = "mcp/request:tools/call:x"
PATTERNS: Final = (READ, TOOLS, CALL, "chat")
TOPICS: Final = (None, "ops", "dev")
NOW: Final = 1000.0
INSTANTS: Final = (1000.0, 1005.0, 1010.0, 1015.0, 1020.0, 1e9)


def admin(*may_grant: str) -> Admin:
    return Admin(AdminClaims("ann", ("*",), CapabilitySet.of(may_grant), "j", 0.0, 1e12))


WIDE: Final = admin("mcp/*", "chat")
NARROW: Final = admin(READ)


def some_patterns() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True).map(tuple)


@st.composite
def promotions(draw: st.DrawFn) -> Promotion:
    add = draw(some_patterns())
    return Promotion(
        topic=draw(st.sampled_from(TOPICS)),
        add=add,
        remove=tuple(pattern for pattern in draw(some_patterns()) if pattern not in add),
        revert=draw(st.one_of(st.booleans(), some_patterns())),
        expires_at=draw(st.sampled_from([None, 1005.0, 1010.0, 1020.0])),
    )


@st.composite
def records(draw: st.DrawFn) -> ParticipantRecord:
    """Draw what a few promotions by an admin of all rights have led to."""
    record = ParticipantRecord("agent-a", base=draw(some_patterns()))
    for promotion in draw(st.lists(promotions(), max_size=5)):
        try:
            record = ParticipantRecord(
                record.id,
                record.version + 1,
                promote(record, promotion, WIDE, now=NOW),
                record.base,
            )
        except Problem:
            continue
    return record


def allowed(record: ParticipantRecord, promotion: Promotion, by: Admin = WIDE) -> tuple[Amendment, ...]:
    """What comes of a promotion; one that is refused shows nothing."""
    try:
        return promote(record, promotion, by, now=NOW)
    except Problem:
        reject()


def held(amendments: tuple[Amendment, ...], topic: str | None, base: tuple[str, ...], at: float) -> set[str]:
    return set(effective(base, [one for one in amendments if one.topic in (None, topic)], at))


@spec("mcpx admin hands out its own")
@given(records(), promotions())
def test_no_history_lets_an_admin_hand_out_more_than_its_own_at_any_time_anywhere(
    record: ParticipantRecord, promotion: Promotion
) -> None:
    after = allowed(record, promotion, NARROW)

    for topic, at, base in product(TOPICS, INSTANTS, ((), PATTERNS, (READ,), (TOOLS,), (CALL,))):
        gained = held(after, topic, base, at) - held(record.amendments, topic, base, at)
        assert all(NARROW.claims.may_grant.covers(Pattern.parse(pattern)) for pattern in gained)


@given(records(), promotions())
def test_what_is_said_to_be_handed_out_is_exactly_what_somebody_gains(
    record: ParticipantRecord, promotion: Promotion
) -> None:
    after = allowed(record, promotion)

    gained = {
        pattern
        for topic, at, base in product(TOPICS, INSTANTS, ((), PATTERNS))
        for pattern in held(after, topic, base, at) - held(record.amendments, topic, base, at)
    }
    assert set(handed_out(record.amendments, after, NOW)) == gained


@spec("mcpx admin idempotent")
@given(records(), promotions())
def test_the_same_promotion_again_changes_nothing(record: ParticipantRecord, promotion: Promotion) -> None:
    after = allowed(record, promotion)
    once = ParticipantRecord(record.id, record.version + 1, after, record.base)

    assert promote(once, promotion, WIDE, now=NOW) == after


@spec("mcpx admin still granted")
@given(records(), promotions())
def test_what_was_removed_is_gone_wholly_wherever_it_was_removed(
    record: ParticipantRecord, promotion: Promotion
) -> None:
    after = allowed(record, promotion)

    for topic in TOPICS if promotion.topic is None else (promotion.topic,):
        left = [Pattern.parse(text) for text in held(after, topic, record.base, NOW)]
        for text in promotion.remove:
            assert not any(Pattern.parse(text).overlaps(other) for other in left)


def test_a_record_cannot_be_made_to_grow_without_end() -> None:
    record = ParticipantRecord("agent-a")
    code: ProblemCode | None = None
    for number in range(MAX_CHANGES // 256 + 1):
        add = tuple(f"x-{number}/{which}" for which in range(256))
        try:
            changed = promote(record, Promotion(None, add), admin("x-*"), now=NOW)
        except Problem as problem:
            code = problem.code
            break
        record = ParticipantRecord(record.id, record.version + 1, changed)

    assert code is ProblemCode.INVALID_BODY
    assert sum(len(one.changes) for one in record.amendments) == MAX_CHANGES
