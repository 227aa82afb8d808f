"""What a conversation remembers, when it forgets, and that nobody can make it forget for another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from participants.conversation import (
    CancelServing,
    FulfillmentSeen,
    How,
    Misbehaved,
    Outcome,
    Proposal,
    ProposalSeen,
    RejectSeen,
    Settlement,
    Way,
)
from participants.conversation.memory import SeenIds
from participants.conversation.proposals import (
    EARLY_EACH,
    EARLY_REMEMBERED,
    Late,
    ProposalBook,
    Settled,
    Unknown,
)
from participants.conversation.settling import Attempt
from participants.errors import PeerLeft
from schemas import Kind
from tests.participants.conversation_topic import START, Member, TopicInMemory
from tests.requirements import spec

WRITE: dict[str, Any] = {"name": "write", "arguments": {"path": "/a"}}


def proposal(id: str, expires_at: float | None = None) -> Proposal:
    kind = Kind.parse("mcp/proposal:tools/call:write")
    return Proposal(id, "agent", kind, WRITE, ("files",), expires_at, START, mine=False)


def reject(by: str = "ann", at: float = START) -> Attempt:
    kind = Kind.parse("mcp/reject:tools/call:write")
    return Attempt(How.REJECTED, by, kind, (), at, "env", may_request=True, reason="denied")


def with_a_short_memory_of_ids(member: Member, limit: int) -> None:
    member.conversation._state.seen = SeenIds(limit)


@spec("mcpx envelope doubles", "mcpx proposals resend is a double")
def test_a_proposal_sent_again_after_its_id_left_the_window_is_the_same_proposal() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*", "chat")
    with_a_short_memory_of_ids(ann, 2)
    call = agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=300.0)
    ann.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id=call.id)
    for _ in range(3):
        ann.forge("chat", {"text": "much is said"})

    topic.publish(agent, call)

    assert len(ann.all(ProposalSeen)) == 1
    assert ann.pending == []
    assert ann.complaints == []


@spec("mcpx envelope doubles")
def test_nobody_takes_over_a_proposal_whose_id_left_the_window() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*", "chat")
    mallory = topic.join("mallory", "mcp/proposal:*")
    with_a_short_memory_of_ids(ann, 2)
    call = agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=300.0)
    for _ in range(3):
        ann.forge("chat", {"text": "much is said"})

    payload = {"method": "tools/call", "params": {"name": "write", "arguments": {"path": "/etc"}}}
    mallory.forge("mcp/proposal:tools/call:write", payload, to=["files"], id=call.id)

    (pending,) = ann.pending
    assert (pending.proposer, pending.params) == ("agent", WRITE)
    assert ann.only(Misbehaved).sender == "mallory"


def test_a_late_fulfillment_still_shows_whether_it_was_edited() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*")
    topic.join("files", "mcp/response:*")
    call = agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=300.0)
    ann.fulfill(call)
    for params in (WRITE, {"name": "write"}):
        payload = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
        ann.forge("mcp/request:tools/call:write", payload, to=["files"], correlation_id=call.id)

    assert [seen.edited for seen in agent.all(FulfillmentSeen)] == [False, False, True]


def test_a_reject_of_something_unknown_is_told_and_is_not_effective() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")

    ann.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id="before-we-came")

    seen = ann.only(RejectSeen)
    assert (seen.proposal, seen.effective) == (None, False)
    assert ann.complaints == []


def test_a_cancellation_concerns_only_the_one_who_serves_the_request() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    bob = topic.join("bob", "mcp/*")
    topic.join("files", "mcp/response:*")
    call = ann.call("files", "slow")
    payload = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}

    ann.forge("mcp/request:notifications/cancelled", payload, to=["files"], correlation_id=call.id)
    ann.forge("mcp/request:notifications/cancelled", payload, to=["files"], correlation_id="unknown")

    assert bob.all(CancelServing) == []
    assert bob.complaints == []


def test_a_newcomer_is_shown_once_what_is_under_way_and_own_promotions_show_nothing() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*")
    speak = agent.conversation.speak
    call = speak.ask("files", "tools/call", WRITE, topic.now, way=Way.PROPOSE, expires_in=None)
    topic.wait(5.0)
    bob = topic.join("bob", "mcp/*")  # before the proposal has its place in the order
    topic.publish(agent, call)
    topic.wait(5.0)
    assert bob.frames.count(call.data) == 1

    topic.promote(agent, "mcp/*")
    topic.wait(5.0)
    assert bob.frames.count(call.data) == 1

    topic.join("carl", "mcp/*")
    for _ in range(5):
        topic.wait(5.0)
    assert ann.frames.count(call.data) == 2


def test_a_welcome_without_somebody_ends_the_calls_that_wait_for_them() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    bob = topic.join("bob", "mcp/response:*")
    gone, stays = ann.call("files", "slow"), ann.call("bob", "slow")
    pending = ann.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=None)
    not_accepted = ann.conversation.speak.ask("files", "ping", {}, topic.now)

    del topic.members[files.id]  # the order broke: nobody told of it
    topic.promote(ann, "mcp/*")

    assert isinstance(ann.end_of(gone), PeerLeft)
    assert [ann.end_of(call) for call in (stays, pending, not_accepted)] == [None, None, None]
    bob.respond()
    assert isinstance(ann.end_of(stays), Outcome)


def test_a_welcome_that_is_addressed_to_nobody_or_to_several_is_none() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")
    frame = orjson.loads(ann.frames[0])
    frame["payload"]["you"]["capabilities"] = ["mcp/*"]

    for number, to in enumerate(([], ["ann", "bob"], ["bob"])):
        data = orjson.dumps({**frame, "id": f"again-{number}", "to": to})
        (step,) = ann.conversation.receive(data, topic.now)
        assert isinstance(step, Misbehaved)
    assert ann.conversation.capabilities.patterns == ("chat",)


# The book of proposals, by itself


def test_a_fulfillment_after_expiry_is_late_even_if_nobody_looked_at_the_clock() -> None:
    book = ProposalBook()
    book.add(proposal("p", START + 5.0), 100)

    verdict = book.attempt("p", reject(at=START + 5.0))

    assert isinstance(verdict, Late)
    assert verdict.first == Settlement(How.EXPIRED, None, START + 5.0)


def test_what_ended_a_proposal_before_it_came_counts_only_in_its_time() -> None:
    book = ProposalBook()
    book.attempt("p", reject(at=START + 5.0))
    book.attempt("q", reject(at=START + 4.9))

    assert book.add(proposal("p", START + 5.0), 100) is None
    assert book.add(proposal("q", START + 5.0), 100) == reject(at=START + 4.9).settlement


def test_early_endings_are_bounded_per_proposal_and_in_all() -> None:
    book = ProposalBook()
    for number in range(EARLY_EACH):
        book.attempt("crowded", replace(reject(), how=How.WITHDRAWN, by=f"mallory-{number}"))
    book.attempt("crowded", reject())
    assert book.add(proposal("crowded"), 100) is None

    book.attempt("first", reject())
    book.attempt("second", reject())
    for number in range(EARLY_REMEMBERED - 1):
        book.attempt(f"flood-{number}", reject())
    assert book.add(proposal("first"), 100) is None
    assert book.add(proposal("second"), 100) is not None


def test_nobody_crowds_out_the_ending_that_counts() -> None:
    book = ProposalBook()
    for _ in range(10 * EARLY_EACH):
        book.attempt("p", replace(reject(), how=How.WITHDRAWN, by="mallory"))
        book.attempt("p", replace(reject(), by="mallory", may_request=False))
    book.attempt("p", reject())

    settlement = book.add(proposal("p"), 100)
    assert settlement is not None
    assert settlement.by == "ann"


def test_times_of_proposals_that_are_settled_or_forgotten_do_not_pile_up() -> None:
    book = ProposalBook(limit=10)
    for number in range(200):
        book.add(proposal(f"p-{number}", START + 1000 + number), 100)
        if number % 2:
            assert isinstance(book.attempt(f"p-{number}", reject()), Settled)

    assert len(book._expiries) <= 20
    assert {id for _, id in book._expiries} >= {pending.id for pending in book.pending(START)}
    assert isinstance(book.attempt("p-0", reject()), Unknown)
