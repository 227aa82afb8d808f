"""Once: the first valid fulfillment, reject or withdraw in the topic's order counts, and nothing after it."""

from __future__ import annotations

from typing import Any

import pytest

from participants.conversation import (
    CancelServing,
    FulfillmentSeen,
    How,
    Outcome,
    ProposalLapsed,
    ProposalSeen,
    RejectSeen,
    ResponseSeen,
    Said,
    Way,
    WithdrawSeen,
)
from participants.errors import SETTLED, ProposalExpired, ProposalRejected, ProposalSettled
from schemas import RejectReason
from tests.participants.conversation_topic import Member, TopicInMemory
from tests.requirements import spec

WRITE: dict[str, Any] = {"name": "write", "arguments": {"path": "/a"}}


class Ops:
    """An agent that may only propose, two who may approve, and a server."""

    def __init__(self) -> None:
        self.topic = TopicInMemory()
        self.agent = self.topic.join("agent", "mcp/proposal:*")
        self.ann = self.topic.join("ann", "mcp/*")
        self.bob = self.topic.join("bob", "mcp/*")
        self.files = self.topic.join("files", "mcp/response:*")

    def propose(self, expires_in: float | None = 300.0) -> Said:
        return self.agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=expires_in)

    def late(self, by: Member, proposal: Said) -> Said:
        """A fulfillment by one who did not look, or looked away."""
        payload = {"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": WRITE}
        return by.forge("mcp/request:tools/call:write", payload, to=["files"], correlation_id=proposal.id)


def refusal_of(member: Member, request: Said) -> dict[str, Any]:
    (response,) = [seen for seen in member.all(ResponseSeen) if seen.request_id == request.id]
    assert response.sender == "files"
    assert response.error is not None
    assert response.error["code"] == SETTLED
    return response.error


@spec("mcpx proposals once", "mcpx proposals late fulfillment")
def test_of_two_who_approve_the_first_in_the_order_runs_and_the_other_is_told_who_was_first() -> None:
    ops = Ops()
    call = ops.propose()

    first = ops.ann.fulfill(call)
    late = ops.late(ops.bob, call)

    assert [request.id for request in ops.files.served] == [first.id]
    error = refusal_of(ops.bob, late)
    assert error["data"] == {"how": "fulfilled", "by": "ann", "proposal": call.id}
    assert error["message"].startswith("ann was first")
    effective = [seen.effective for seen in ops.ann.all(FulfillmentSeen)]
    assert effective == [True, False]
    assert ops.files.complaints == []


@spec("mcpx proposals once", "mcpx proposals late fulfillment")
def test_whoever_approves_at_the_same_moment_gets_a_settled_proposal_as_error() -> None:
    ops = Ops()
    call = ops.propose()
    now = ops.topic.now

    by_ann = ops.ann.conversation.speak.fulfill(call.id, None, None, now)
    by_bob = ops.bob.conversation.speak.fulfill(call.id, None, None, now)
    ops.topic.publish(ops.bob, by_bob)
    ops.topic.publish(ops.ann, by_ann)
    ops.files.publish(ops.files.conversation.respond(by_bob.id, {"content": []}, now))

    assert isinstance(ops.bob.end_of(by_bob), Outcome)
    lost = ops.ann.end_of(by_ann)
    assert isinstance(lost, ProposalSettled)
    assert (lost.by, lost.how) == ("bob", "fulfilled")
    end = ops.agent.end_of(call)
    assert isinstance(end, Outcome)
    assert end.fulfilled_by == "bob"


@spec("mcpx proposals once", "mcpx proposals late fulfillment")
@pytest.mark.parametrize("how", [How.REJECTED, How.WITHDRAWN])
def test_a_fulfillment_after_a_reject_or_a_withdraw_is_refused_naming_who_was_first(how: How) -> None:
    ops = Ops()
    call = ops.propose()
    if how is How.REJECTED:
        ops.ann.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id=call.id)
    else:
        ops.agent.forge("mcp/withdraw:tools/call:write", {"reason": "timeout"}, correlation_id=call.id)

    late = ops.late(ops.bob, call)

    assert ops.files.served == []
    by = "ann" if how is How.REJECTED else "agent"
    assert refusal_of(ops.bob, late)["data"] == {"how": str(how), "by": by, "proposal": call.id}


@spec("mcpx proposals expired fulfillment", "mcpx proposals expired")
def test_a_fulfillment_after_its_time_is_refused_and_the_caller_was_told_in_time() -> None:
    ops = Ops()
    call = ops.propose(expires_in=5.0)

    ops.topic.wait(4.999)
    assert ops.agent.end_of(call) is None
    ops.topic.wait(0.001)
    assert isinstance(ops.agent.end_of(call), ProposalExpired)
    late = ops.late(ops.bob, call)

    assert ops.files.served == []
    assert refusal_of(ops.bob, late)["data"] == {"how": "expired", "proposal": call.id}
    assert ops.ann.only(ProposalLapsed).proposal.id == call.id
    assert ops.ann.pending == []


@spec("mcpx proposals expired fulfillment")
def test_a_target_that_nobody_woke_at_expiry_refuses_all_the_same() -> None:
    ops = Ops()
    call = ops.propose(expires_in=5.0)

    ops.topic.now += 5.0  # nobody ticks
    ops.late(ops.bob, call)

    assert ops.files.served == []


@spec("mcpx proposals once")
def test_a_reject_after_the_fulfillment_changes_nothing() -> None:
    ops = Ops()
    call = ops.propose()
    ops.ann.fulfill(call)

    ops.bob.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id=call.id)
    ops.files.respond()

    assert isinstance(ops.agent.end_of(call), Outcome)
    assert not ops.agent.only(RejectSeen).effective
    assert ops.agent.complaints == []


@spec("mcpx proposals once")
def test_a_withdraw_after_the_fulfillment_changes_nothing() -> None:
    ops = Ops()
    call = ops.propose()
    ops.ann.fulfill(call)

    ops.agent.forge("mcp/withdraw:tools/call:write", {"reason": "timeout"}, correlation_id=call.id)

    assert len(ops.files.served) == 1
    ops.files.respond()
    assert isinstance(ops.agent.end_of(call), Outcome)
    assert not ops.ann.only(WithdrawSeen).effective


@spec("mcpx proposals once")
def test_the_second_of_two_rejects_changes_nothing() -> None:
    ops = Ops()
    call = ops.propose()

    ops.ann.forge("mcp/reject:tools/call:write", {"reason": "policy"}, correlation_id=call.id)
    ops.bob.forge("mcp/reject:tools/call:write", {"reason": "busy"}, correlation_id=call.id)

    end = ops.agent.end_of(call)
    assert isinstance(end, ProposalRejected)
    assert (end.by, end.reason) == ("ann", "policy")
    assert [seen.effective for seen in ops.files.all(RejectSeen)] == [True, False]


@spec("mcpx proposals once")
def test_the_library_does_not_send_what_would_come_too_late() -> None:
    ops = Ops()
    call = ops.propose()
    ops.ann.fulfill(call)

    with pytest.raises(ProposalSettled, match="ann was first") as raised:
        ops.bob.fulfill(call)
    assert (raised.value.by, raised.value.how) == ("ann", "fulfilled")
    with pytest.raises(ProposalSettled):
        ops.bob.conversation.speak.reject(call.id, RejectReason.DENIED, "", ops.topic.now)


@spec("mcpx proposals once")
def test_the_same_fulfillment_delivered_twice_runs_once() -> None:
    ops = Ops()
    call = ops.propose()
    ops.ann.fulfill(call)

    ops.ann.topic.publish(ops.ann, Said("again", ops.files.frames[-1]))

    assert len(ops.files.served) == 1
    assert ops.files.complaints == []


def test_an_attempt_that_did_not_count_takes_nothing_away_from_the_one_that_does() -> None:
    ops = Ops()
    call = ops.propose()
    ops.files.forge("mcp/withdraw:tools/call:write", {"reason": "timeout"}, correlation_id=call.id)

    ops.ann.fulfill(call)
    ops.files.respond()

    assert isinstance(ops.agent.end_of(call), Outcome)


# Newcomers hear the end before the beginning, when a proposal is sent again for them


@spec("mcpx proposals once", "mcpx proposals resend is a double")
@pytest.mark.parametrize("how", [How.REJECTED, How.WITHDRAWN])
def test_a_newcomer_that_hears_the_end_first_takes_the_proposal_for_settled(how: How) -> None:
    ops = Ops()
    call = ops.propose()
    newcomer = ops.topic.join("newcomer", "mcp/*")
    if how is How.REJECTED:
        ops.ann.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id=call.id)
    else:
        ops.agent.forge("mcp/withdraw:tools/call:write", {"reason": "timeout"}, correlation_id=call.id)

    ops.topic.publish(ops.agent, call)  # was under way already

    seen = newcomer.only(ProposalSeen)
    assert seen.settled is not None
    assert seen.settled.how is how
    assert newcomer.pending == []
    assert newcomer.complaints == []


@spec("mcpx proposals once")
def test_a_newcomer_is_not_fooled_by_a_reject_that_did_not_count() -> None:
    ops = Ops()
    call = ops.propose()
    newcomer = ops.topic.join("newcomer", "mcp/*")
    mallory = ops.topic.join("mallory", "mcp/reject:*", "mcp/withdraw:*")
    mallory.forge("mcp/reject:tools/call:write", {"reason": "denied"}, correlation_id=call.id)
    mallory.forge("mcp/withdraw:tools/call:write", {"reason": "timeout"}, correlation_id=call.id)

    ops.topic.publish(ops.agent, call)

    assert [proposal.id for proposal in newcomer.pending] == [call.id]


@spec("mcpx proposals once")
def test_a_target_that_came_late_runs_one_fulfillment_and_refuses_the_next() -> None:
    ops = Ops()
    ops.topic.leave(ops.files)
    call = ops.propose()
    files = ops.topic.join("files", "mcp/response:*")
    ops.files = files
    first = ops.late(ops.ann, call)  # before the proposal was sent again

    ops.topic.wait(1.0)  # now it is, but it is settled, so nobody sends it
    ops.topic.publish(ops.agent, call)
    late = ops.late(ops.bob, call)

    assert [request.id for request in files.served] == [first.id]
    assert refusal_of(ops.bob, late)["data"]["by"] == "ann"


@spec("mcpx proposals once")
def test_a_target_that_has_not_heard_the_proposal_runs_one_fulfillment_of_it_too() -> None:
    ops = Ops()
    ops.topic.leave(ops.files)
    call = ops.propose()
    files = ops.topic.join("files", "mcp/response:*")

    first, late = ops.late(ops.ann, call), ops.late(ops.bob, call)

    assert [request.id for request in files.served] == [first.id]
    assert refusal_of(ops.bob, late)["data"] == {"how": "fulfilled", "proposal": call.id, "by": "ann"}


# Several connections of the one who is asked


def test_what_another_connection_of_the_server_answered_is_not_answered_twice() -> None:
    ops = Ops()
    second = ops.topic.join("files", "mcp/response:*")
    call = ops.ann.call("files", "write", path="/a")
    (request,) = ops.files.served

    second.respond({"content": ["by the second"]})

    assert ops.files.only(CancelServing).request_id == request.id
    assert ops.files.conversation.respond(request.id, {"content": []}, ops.topic.now) is None
    assert second.all(CancelServing) == []
    end = ops.ann.end_of(call)
    assert isinstance(end, Outcome)
    assert end.result == {"content": ["by the second"]}
    assert ops.ann.complaints == []
