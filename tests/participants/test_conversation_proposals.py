"""Proposals from beginning to end: what they say, edits, newcomers, Directed mode, and bounds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.conversation import (
    FulfillmentSeen,
    Mode,
    Outcome,
    Proposal,
    ProposalLapsed,
    ProposalSeen,
    Said,
    Way,
)
from participants.conversation.events import How
from participants.conversation.proposals import ProposalBook, Settled, Unknown
from participants.conversation.settling import Attempt, canonical
from participants.errors import NeedsAllMode, NotAllowed, NotYours, ProposalExpired, TargetRequired
from schemas import Envelope, Kind, PayloadError, RejectReason, WithdrawReason
from tests.participants.conversation_topic import START, Member, TopicInMemory
from tests.requirements import spec

WRITE: dict[str, Any] = {"name": "write", "arguments": {"path": "/a"}}


class Ops:
    """An agent that may only propose, one who may approve, and a server."""

    def __init__(self) -> None:
        self.topic = TopicInMemory()
        self.agent = self.topic.join("agent", "mcp/proposal:*")
        self.ann = self.topic.join("ann", "mcp/*")
        self.files = self.topic.join("files", "mcp/response:*")

    def propose(self, target: str | None = "files", expires_in: float | None = 300.0) -> Said:
        return self.agent.ask(target, "tools/call", WRITE, way=Way.PROPOSE, expires_in=expires_in)


def copies(member: Member, said: Said) -> int:
    return member.frames.count(said.data)


@spec("MCPx 3.2.1 proposals carry no correlation_id", "MCPx 3.2.1 fulfillments carry correlation_id")
def test_a_proposal_begins_something_new_and_its_fulfillment_refers_to_it() -> None:
    ops = Ops()
    call = ops.propose()
    approval = ops.ann.fulfill(call)

    assert Envelope.parse(call.data).correlation_id is None
    assert Envelope.parse(approval.data).correlation_id == call.id
    assert str(Envelope.parse(approval.data).kind) == "mcp/request:tools/call:write"


@spec("mcpx envelope refused by receivers", "MCPx 3.2.1 proposals carry no correlation_id")
def test_a_proposal_with_a_correlation_id_is_none() -> None:
    ops = Ops()
    payload = {"method": "tools/call", "params": WRITE}

    ops.agent.forge("mcp/proposal:tools/call:write", payload, to=["files"], correlation_id="env-1")

    assert ops.ann.pending == []
    assert dict(ops.ann.conversation.misbehaviour) == {"agent": 1}


@spec("mcpx proposals expiresAt")
@pytest.mark.parametrize(
    ("expires_in", "on_the_wire"),
    [(300.0, "2025-08-26T14:05:00.000Z"), (1.5, "2025-08-26T14:00:01.500Z"), (None, None)],
)
def test_a_proposal_says_until_when_it_may_be_fulfilled(
    expires_in: float | None, on_the_wire: str | None
) -> None:
    ops = Ops()
    call = ops.propose(expires_in=expires_in)

    assert orjson.loads(call.data)["payload"]["expiresAt"] == on_the_wire
    (proposal,) = ops.ann.pending
    assert proposal.expires_at == (None if expires_in is None else START + expires_in)


@spec("mcpx proposals expiresAt")
def test_a_proposal_that_does_not_say_expires_after_five_minutes() -> None:
    ops = Ops()
    ops.agent.forge("mcp/proposal:tools/call:write", {"method": "tools/call", "params": WRITE}, to=["files"])

    (proposal,) = ops.ann.pending
    assert proposal.expires_at == START + 300.0


@spec("mcpx proposals expiresAt")
@pytest.mark.parametrize("expires_at", ["tomorrow", "", 7, "2025-13-01T00:00:00Z", True])
def test_an_expiry_that_is_no_time_makes_the_proposal_none(expires_at: Any) -> None:
    ops = Ops()
    payload = {"method": "tools/call", "params": WRITE, "expiresAt": expires_at}

    ops.agent.forge("mcp/proposal:tools/call:write", payload, to=["files"])

    assert ops.ann.pending == []
    assert dict(ops.ann.conversation.misbehaviour) == {"agent": 1}


@spec("mcpx proposals expired")
def test_a_proposal_whose_time_was_over_before_it_came_is_never_pending() -> None:
    ops = Ops()
    call = ops.propose(expires_in=-1.0)

    assert ops.ann.pending == []
    assert ops.ann.only(ProposalLapsed).proposal.id == call.id
    assert isinstance(ops.agent.end_of(call), ProposalExpired)


def test_a_notification_is_not_proposed() -> None:
    ops = Ops()
    payload = {"method": "notifications/cancelled", "params": {}}

    ops.agent.forge("mcp/proposal:notifications/cancelled", payload)

    assert ops.ann.pending == []
    assert dict(ops.ann.conversation.misbehaviour) == {"agent": 1}


# Edit, then approve


@spec("mcpx proposals edited")
def test_edited_arguments_run_edited_and_the_caller_gets_both() -> None:
    ops = Ops()
    call = ops.propose()

    edited = {"name": "write", "arguments": {"path": "/tmp/a"}}
    approval = ops.ann.fulfill(call, params=edited)
    ops.files.respond()

    assert ops.files.served[-1].params == edited
    for end in (ops.agent.end_of(call), ops.ann.end_of(approval)):
        assert isinstance(end, Outcome)
        assert end.edited
        assert end.params == edited
    assert ops.agent.only(FulfillmentSeen).edited
    assert ops.agent.only(ProposalSeen).proposal.params == WRITE


@spec("mcpx proposals edited")
@pytest.mark.parametrize(("proposed", "run"), [(1, True), (1, 1.0), ("1", 1), (None, False), ([], {})])
def test_an_edit_from_one_json_type_to_another_shows(proposed: Any, run: Any) -> None:
    ops = Ops()
    call = ops.agent.ask(
        "files", "tools/call", {"name": "write", "arguments": {"x": proposed}}, way=Way.PROPOSE
    )

    ops.ann.fulfill(call, params={"name": "write", "arguments": {"x": run}})

    assert ops.agent.only(FulfillmentSeen).edited


@spec("mcpx proposals edit not method")
@pytest.mark.parametrize("params", [{"name": "delete"}, {"arguments": {}}, {"name": "write "}])
def test_the_library_does_not_let_an_edit_name_another_tool(params: dict[str, Any]) -> None:
    ops = Ops()
    call = ops.propose()

    with pytest.raises(PayloadError, match="never which tool"):
        ops.ann.fulfill(call, params=params)
    assert [proposal.id for proposal in ops.ann.pending] == [call.id]


def test_a_proposal_under_a_bare_kind_is_fulfilled_under_a_bare_kind() -> None:
    ops = Ops()
    call = ops.agent.ask("files", "tools/call", {"name": "write file"}, way=Way.PROPOSE)

    with pytest.raises(PayloadError, match="never which tool"):
        ops.ann.fulfill(call, params={"name": "delete file"})
    approval = ops.ann.fulfill(call)
    assert str(Envelope.parse(approval.data).kind) == "mcp/request:tools/call"
    assert ops.files.served[-1].params == {"name": "write file"}


# Who may not


def test_the_library_lets_nobody_fulfill_or_reject_without_the_capability() -> None:
    ops = Ops()
    call = ops.propose()
    reader = ops.topic.join("reader", "mcp/request:resources/*", "mcp/proposal:*")
    ops.topic.publish(ops.agent, call)

    with pytest.raises(NotAllowed, match="tools/call:write"):
        reader.fulfill(call)
    with pytest.raises(NotAllowed, match="mcp/reject:tools/call:write"):
        reader.conversation.speak.reject(call.id, RejectReason.DENIED, "", ops.topic.now)


def test_the_library_lets_nobody_fulfill_their_own_or_withdraw_anothers() -> None:
    ops = Ops()
    ops.topic.promote(ops.agent, "mcp/*")
    call = ops.propose()

    with pytest.raises(NotYours, match="their own"):
        ops.agent.fulfill(call)
    with pytest.raises(NotYours, match="Only agent"):
        ops.ann.conversation.speak.withdraw(call.id, WithdrawReason.TIMEOUT, "", ops.topic.now)


def test_who_fulfills_a_broadcast_proposal_names_its_target() -> None:
    ops = Ops()
    call = ops.propose(None)

    with pytest.raises(TargetRequired):
        ops.ann.fulfill(call)
    with pytest.raises(PayloadError, match="no target"):
        ops.ann.fulfill(ops.propose("files"), target="ann")


# Sent again for newcomers


@spec("mcpx proposals sent again", "mcpx proposals resend is a double")
def test_a_newcomer_who_could_fulfill_is_shown_what_is_pending_and_the_others_drop_the_double() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.wait(10.0)

    bob = ops.topic.join("bob", "mcp/request:tools/call:write")

    assert [proposal.id for proposal in bob.pending] == [call.id]
    assert copies(ops.ann, call) == 2
    assert len(ops.ann.all(ProposalSeen)) == 1
    assert ops.ann.complaints == bob.complaints == []
    bob.fulfill(call)
    assert len(ops.files.served) == 1


@spec("mcpx proposals sent again")
def test_a_newcomer_who_could_not_fulfill_is_no_reason_to_send_again() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.wait(10.0)

    ops.topic.join("reader", "mcp/request:tools/list", "mcp/proposal:*", "mcp/response:*")
    ops.topic.wait(10.0)

    assert copies(ops.ann, call) == 1


@spec("mcpx proposals sent again")
def test_a_target_that_comes_back_is_shown_what_is_proposed_to_it() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.leave(ops.files)
    ops.topic.wait(10.0)

    ops.files = ops.topic.join("files", "mcp/response:*")

    assert copies(ops.files, call) == 1
    ops.ann.fulfill(call)
    ops.files.respond()
    assert isinstance(ops.agent.end_of(call), Outcome)


@spec("mcpx proposals sent again")
def test_one_who_is_promoted_is_shown_what_it_may_fulfill_now() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.wait(10.0)

    ops.topic.promote(ops.files, "mcp/response:*", "mcp/request:tools/*")

    assert copies(ops.ann, call) == 2


@spec("mcpx proposals sent again")
def test_each_further_connection_of_one_who_could_fulfill_is_shown_what_is_pending() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.wait(10.0)

    second = ops.topic.join("ann", "mcp/*")
    ops.topic.wait(10.0)
    third = ops.topic.join("ann", "mcp/*")

    assert [copies(tab, call) for tab in (ops.ann, second, third)] == [3, 2, 1]
    for tab in (ops.ann, second, third):
        assert [proposal.id for proposal in tab.pending] == [call.id]
        assert len(tab.all(ProposalSeen)) == 1
        assert tab.complaints == []


@spec("mcpx proposals sent again")
def test_a_further_connection_of_the_proposer_is_no_reason_to_send_again() -> None:
    ops = Ops()
    call = ops.agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE)
    ops.topic.promote(ops.agent, "mcp/*")
    ops.topic.wait(10.0)

    second = ops.topic.join("agent", "mcp/*")
    ops.topic.wait(10.0)

    assert copies(second, call) == 0


@spec("mcpx proposals sent again")
def test_however_many_come_a_proposal_is_sent_at_most_once_a_second() -> None:
    ops = Ops()
    call = ops.propose()
    ops.topic.wait(0.4)

    newcomers = [ops.topic.join(f"bob-{number}", "mcp/request:*") for number in range(5)]
    assert copies(ops.ann, call) == 1
    ops.topic.wait(0.6)
    assert copies(ops.ann, call) == 2
    ops.topic.wait(0.5)
    ops.topic.join("carl", "mcp/request:*")
    assert copies(ops.ann, call) == 2
    ops.topic.wait(0.5)

    assert copies(ops.ann, call) == 3
    assert all([proposal.id for proposal in bob.pending] == [call.id] for bob in newcomers)


@spec("mcpx proposals sent again")
def test_a_settled_proposal_is_not_sent_again() -> None:
    ops = Ops()
    call = ops.propose()
    ops.ann.fulfill(call)
    ops.topic.wait(10.0)

    bob = ops.topic.join("bob", "mcp/request:*")

    assert copies(bob, call) == 0


@spec("mcpx proposals sent again")
def test_a_second_sending_that_was_refused_is_tried_again_and_costs_the_proposal_nothing() -> None:
    ops = Ops()
    call = ops.propose()
    refusal = {"error": "rate_limited", "message": "too many", "retry_after_ms": 10}

    ops.topic.refuse(ops.agent, call.id, refusal)
    assert ops.agent.end_of(call) is None
    ops.topic.wait(1.0)

    assert copies(ops.ann, call) == 2


def test_the_conversation_says_when_it_wants_to_be_woken() -> None:
    ops = Ops()
    assert ops.agent.conversation.next_deadline() is None
    ops.propose(expires_in=60.0)
    assert ops.agent.conversation.next_deadline() == START + 60.0
    ops.topic.wait(0.5)
    ops.topic.join("bob", "mcp/request:*")
    assert ops.agent.conversation.next_deadline() == START + 1.0


# Directed mode


@spec("mcpx proposals directed refused")
def test_in_directed_mode_the_library_refuses_to_propose_to_approve_and_to_reject() -> None:
    ops = Ops()
    ops.propose(None)
    agent = ops.topic.join("quiet-agent", "mcp/proposal:*", mode=Mode.DIRECTED)
    approver = ops.topic.join("quiet-approver", "mcp/*", mode=Mode.DIRECTED)
    ops.topic.wait(1.0)
    (proposal,) = approver.pending  # broadcast, so it was heard

    with pytest.raises(NeedsAllMode, match="mode=all"):
        agent.call("files", "write", path="/a")
    with pytest.raises(NeedsAllMode, match="mode=all"):
        approver.fulfill(proposal, target="files")
    with pytest.raises(NeedsAllMode, match="mode=all"):
        approver.conversation.speak.reject(proposal.id, RejectReason.DENIED, "", ops.topic.now)


@spec("mcpx proposals directed refused")
def test_in_directed_mode_a_server_answers_a_fulfillment_with_an_error_and_other_requests_as_ever() -> None:
    ops = Ops()
    quiet = ops.topic.join("quiet", "mcp/response:*", mode=Mode.DIRECTED)
    call = ops.propose("quiet")

    ops.ann.fulfill(call)

    assert quiet.served == []
    end = ops.agent.end_of(call)
    assert end is not None
    assert "mode=all" in str(end)
    direct = ops.ann.call("quiet", "write", path="/b")
    quiet.respond()
    assert isinstance(ops.ann.end_of(direct), Outcome)


# Bounds


def proposal(id: str, proposer: str = "agent", expires_at: float | None = None) -> Proposal:
    kind = Kind.parse("mcp/proposal:tools/call:write")
    return Proposal(id, proposer, kind, WRITE, ("files",), expires_at, START, mine=False)


def fulfillment(at: float = START) -> Attempt:
    kind = Kind.parse("mcp/request:tools/call:write")
    return Attempt(How.FULFILLED, "ann", kind, ("files",), at, "env", may_request=True)


@spec("mcpx proposals bounded memory")
def test_who_floods_the_memory_pushes_out_their_own_proposals() -> None:
    book = ProposalBook(limit=100)
    book.add(proposal("of-the-agent"), 100)

    for number in range(500):
        book.add(proposal(f"flood-{number}", "mallory"), 100)

    assert len(book.pending(START)) == 100
    assert isinstance(book.attempt("of-the-agent", fulfillment()), Settled)
    assert isinstance(book.attempt("flood-0", fulfillment()), Unknown)


@spec("mcpx proposals bounded memory")
def test_params_are_bounded_in_bytes_and_forgotten_once_the_proposal_is_settled() -> None:
    book = ProposalBook(limit_bytes=1_000_000)
    for number in range(10):
        book.add(proposal(f"big-{number}"), 300_000)

    assert len(book.pending(START)) == 3
    assert isinstance(book.attempt("big-9", fulfillment()), Settled)
    tracked = book.get("big-9")
    assert tracked is not None
    assert tracked.proposal.params == {}


@spec("mcpx proposals bounded memory")
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50_000), st.booleans()), max_size=60))
def test_the_memory_keeps_its_bounds_whatever_comes(history: list[tuple[str, int, bool]]) -> None:
    book = ProposalBook(limit=20, limit_bytes=200_000)
    for number, (proposer, size, settled) in enumerate(history):
        book.add(proposal(f"p-{number}", proposer, START + 10), size)
        if settled:
            book.attempt(f"p-{number}", fulfillment())

    assert len(book._tracked) <= 20
    assert 0 <= book._bytes <= 200_000
    assert book._bytes == sum(tracked.weight for tracked in book._tracked.values())
    assert {lapsed.id for lapsed in book.lapse(START + 10)} == {
        id
        for id, tracked in book._tracked.items()
        if tracked.settlement and tracked.settlement.how is How.EXPIRED
    }
    assert book.pending(START) == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_canonical_json_is_equal_for_what_is_equal_on_the_wire_and_for_nothing_else(
    one: Any, other: Any
) -> None:
    assert canonical(orjson.loads(orjson.dumps(one))) == canonical(one)
    if canonical(one) == canonical(other):
        assert one == other
