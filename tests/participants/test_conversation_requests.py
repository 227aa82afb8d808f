"""Requests at any level of trust, and the answers and notifications that belong to them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from participants.conversation import (
    CallNotified,
    CancelServing,
    ErrorHeard,
    Mode,
    NotificationSeen,
    Outcome,
    Told,
    Way,
)
from participants.conversation.repeating import Repeats
from participants.conversation.requests import RequestBook, SeenRequest
from participants.errors import (
    ConnectionLost,
    NeedsAllMode,
    NotAllowed,
    PeerLeft,
    Refused,
    RequestFailed,
    TargetRequired,
)
from schemas import Envelope, Kind, WithdrawReason
from tests.participants.conversation_topic import START, Member, TopicInMemory, kinds_heard
from tests.requirements import spec


def outcome_of(member: Member, call: Any) -> Outcome:
    end = member.end_of(call)
    assert isinstance(end, Outcome)
    return end


@spec(
    "mcpx proposals any trust level", "MCPx 3.2 restricted participants propose", "MCPx 6.2 welcome respected"
)
def test_the_same_call_returns_the_same_result_with_and_without_the_capability() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")

    first = agent.call("files", "write", path="/a")
    assert str(Envelope.parse(first.data).kind) == "mcp/proposal:tools/call:write"
    ann.fulfill(first)
    files.respond({"content": ["done"]})
    topic.promote(agent, "mcp/proposal:*", "mcp/request:tools/*")
    second = agent.call("files", "write", path="/a")
    assert str(Envelope.parse(second.data).kind) == "mcp/request:tools/call:write"
    files.respond({"content": ["done"]})
    topic.promote(agent, "mcp/proposal:*")
    third = agent.call("files", "write", path="/a")
    assert str(Envelope.parse(third.data).kind) == "mcp/proposal:tools/call:write"

    assert outcome_of(agent, first).result == outcome_of(agent, second).result
    assert outcome_of(agent, first).fulfilled_by == "ann"
    assert outcome_of(agent, second).fulfilled_by is None


@spec("mcpx proposals refused once")
def test_a_request_that_is_refused_for_its_capability_becomes_a_proposal_once() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/*")
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    # The gateway has taken the capability away; the agent has not heard of it yet.
    agent.capabilities = agent.capabilities.of(["mcp/proposal:*"])

    call = agent.call("files", "write", path="/a")

    (proposal,) = ann.pending
    assert agent.only(ErrorHeard).error == "capability_violation"
    assert proposal.id != call.id, "an id that was refused is not used again"
    ann.fulfill(proposal)
    files.respond({"content": ["done"]})
    assert outcome_of(agent, call).proposal_id == proposal.id


@spec("mcpx proposals refused once")
def test_a_proposal_that_is_refused_as_well_fails_its_caller_at_once() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/*")
    agent.capabilities = agent.capabilities.of(["chat"])

    call = agent.call("files", "write", path="/a")

    end = agent.end_of(call)
    assert isinstance(end, NotAllowed)
    assert len(agent.all(ErrorHeard)) == 2


def test_who_wants_a_request_or_nothing_hears_of_the_violation_at_once() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    topic.join("files", "mcp/response:*")

    call = agent.ask("files", "tools/call", {"name": "write"}, way=Way.REQUEST)

    end = agent.end_of(call)
    assert isinstance(end, NotAllowed)
    assert end.nearest == "mcp/request:tools/call:write"


def test_another_refusal_fails_the_caller_with_its_code() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/*")
    call = agent.conversation.speak.ask("files", "ping", {}, topic.now)

    topic.refuse(agent, call.id, {"error": "rate_limited", "message": "too fast", "retry_after_ms": 40})

    end = agent.end_of(call)
    assert isinstance(end, Refused)
    assert (end.code, end.retry_after_ms) == ("rate_limited", 40)


def test_an_error_for_another_ends_no_call() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/*")
    call = agent.conversation.speak.ask("files", "ping", {}, topic.now)
    bob = topic.join("bob", "chat")

    topic.refuse(bob, call.id, {"error": "rate_limited", "message": "too fast"})
    agent.steps += agent.conversation.receive(bob.frames[-1], topic.now)

    assert agent.end_of(call) is None
    assert agent.complaints == []


def test_without_any_capability_the_library_says_so_and_sends_nothing() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "chat")

    with pytest.raises(NotAllowed, match="mcp/request:tools/call:write"):
        agent.call("files", "write")
    assert agent.conversation.calls_pending == ()


@spec("mcpx proposals one target")
def test_a_request_names_one_target_unless_it_asks_for_a_list() -> None:
    topic = TopicInMemory()
    only_requests = topic.join("a", "mcp/request:*")
    everything = topic.join("b", "mcp/*")

    with pytest.raises(TargetRequired):
        only_requests.call(None, "write")
    with pytest.raises(TargetRequired):
        everything.ask(None, "tools/call", {"name": "write"}, way=Way.REQUEST)
    call = everything.call(None, "write")
    assert str(Envelope.parse(call.data).kind) == "mcp/proposal:tools/call:write"
    request = everything.call("a", "write")
    assert Envelope.parse(request.data).to == ("a",)


def test_in_directed_mode_direct_requests_work_and_a_refused_one_says_what_it_needs() -> None:
    topic = TopicInMemory()
    quiet = topic.join("quiet", "mcp/request:*", mode=Mode.DIRECTED)
    files = topic.join("files", "mcp/response:*")
    call = quiet.call("files", "write")
    files.respond()
    assert isinstance(quiet.end_of(call), Outcome)

    quiet.capabilities = quiet.capabilities.of(["mcp/proposal:*"])
    refused = quiet.call("files", "write")

    assert isinstance(quiet.end_of(refused), NeedsAllMode)


@spec("MCPx 3.1.2 responses carry correlation_id", "MCPx 3.1.2 responses carry the context")
def test_a_response_repeats_what_it_answers() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    request = ann.ask("files", "resources/read", {"uri": "file:///a:b"})

    envelope = Envelope.parse(files.respond({"contents": []}).data)

    assert envelope.correlation_id == request.id
    assert str(envelope.kind) == "mcp/response:resources/read:file:///a:b"
    assert envelope.to == ("ann",)


@spec("mcpx envelope refused by receivers")
def test_a_response_without_correlation_id_is_none() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    mallory = topic.join("mallory", "mcp/response:*")
    call = ann.ask("mallory", "ping", {})

    mallory.forge("mcp/response:ping", {"jsonrpc": "2.0", "id": 1, "result": {}}, to=["ann"])

    assert ann.end_of(call) is None
    assert dict(ann.conversation.misbehaviour) == {"mallory": 1}


def test_a_json_rpc_error_ends_the_call_with_it() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.ask("files", "ping", {})

    files.publish(files.conversation.respond_error(call.id, -32602, "no", topic.now, {"x": 1}))

    end = ann.end_of(call)
    assert isinstance(end, RequestFailed)
    assert (end.code, end.message, end.data) == (-32602, "no", {"x": 1})


def test_a_request_is_answered_once() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.ask("files", "ping", {})

    files.respond({})

    assert files.conversation.respond(call.id, {}, topic.now) is None
    assert files.conversation.respond_error(call.id, -1, "", topic.now) is None


def test_a_participant_may_ask_itself() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")

    call = ann.ask("ann", "ping", {})
    ann.respond({})

    assert outcome_of(ann, call).by == "ann"


# Nobody answers


def test_a_call_ends_when_its_target_leaves_before_answering() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    agent = topic.join("agent", "mcp/proposal:*")
    files = topic.join("files", "mcp/response:*")
    direct = ann.ask("files", "ping", {})
    proposal = agent.call("files", "write")
    approval = ann.fulfill(proposal)
    still_pending = agent.call("files", "write")

    topic.leave(files)

    for member, call in ((ann, direct), (ann, approval), (agent, proposal)):
        end = member.end_of(call)
        assert isinstance(end, PeerLeft)
        assert end.peer == "files"
    assert agent.end_of(still_pending) is None, "a target may come back before somebody approves"


def test_a_call_to_one_who_is_not_there_ends_at_its_place_in_the_order() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    agent = topic.join("agent", "mcp/proposal:*")
    direct = ann.ask("nobody", "ping", {})
    proposal = agent.call("nobody", "write")

    assert isinstance(ann.end_of(direct), PeerLeft)
    assert agent.end_of(proposal) is None
    ann.fulfill(proposal)
    assert isinstance(agent.end_of(proposal), PeerLeft)


def test_a_lost_connection_ends_every_call_and_what_was_asked_of_this_participant() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/*")
    direct = ann.ask("files", "ping", {})
    proposal = ann.ask("files", "ping", {}, way=Way.PROPOSE)
    asked = files.ask("ann", "ping", {})

    ann.steps += ann.conversation.disconnected(ConnectionLost("gone"))

    assert isinstance(ann.end_of(direct), ConnectionLost)
    assert isinstance(ann.end_of(proposal), ConnectionLost)
    assert ann.only(CancelServing).request_id == asked.id
    assert ann.conversation.respond(asked.id, {}, topic.now) is None
    assert ann.conversation.calls_pending == ()


# Giving up


@spec("mcpx proposals withdraws on cancel")
@pytest.mark.parametrize("reason", list(WithdrawReason))
def test_who_gives_a_proposal_up_withdraws_it(reason: WithdrawReason) -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*")
    call = agent.call("files", "write")

    for said in agent.conversation.give_up(call.id, reason, topic.now):
        agent.publish(said)

    assert ann.pending == []
    assert orjson.loads(agent.frames[-1])["payload"] == {"reason": str(reason), "message": ""}
    assert agent.conversation.give_up(call.id, reason, topic.now) == []


@spec("mcpx kinds notifications", "mcpx kinds cancelled from requester")
def test_who_gives_a_request_up_cancels_it_if_that_is_granted() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    bob = topic.join("bob", "mcp/request:tools/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.call("files", "slow")
    quiet = bob.call("files", "slow")

    (said,) = ann.conversation.give_up(call.id, WithdrawReason.TIMEOUT, topic.now)
    ann.publish(said)

    cancel = files.only(CancelServing)
    assert (cancel.request_id, cancel.reason) == (call.id, "timeout")
    assert Envelope.parse(said.data).correlation_id == call.id
    assert bob.conversation.give_up(quiet.id, WithdrawReason.TIMEOUT, topic.now) == []


def test_who_gives_a_fulfilled_proposal_up_leaves_the_fulfillment_to_its_fulfiller() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*", "mcp/request:notifications/*")
    ann = topic.join("ann", "mcp/*")
    topic.join("files", "mcp/response:*")
    call = agent.call("files", "write")
    ann.fulfill(call)

    assert agent.conversation.give_up(call.id, WithdrawReason.TIMEOUT, topic.now) == []


# Notifications


def cancelled(request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


def progress(value: int = 1) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {"progressToken": 1, "progress": value},
    }


@spec("mcpx kinds cancelled from requester")
def test_nobody_cancels_the_request_of_another() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    mallory = topic.join("mallory", "mcp/request:notifications/*")
    call = ann.call("files", "slow")

    mallory.forge("mcp/request:notifications/cancelled", cancelled(1), to=["files"], correlation_id=call.id)

    assert files.all(CancelServing) == []
    assert dict(files.conversation.misbehaviour) == {"mallory": 1}


@spec("mcpx kinds cancelled from requester")
@pytest.mark.parametrize("request_id", ["1", 2, True, 1.0, [1]])
def test_a_cancellation_names_the_json_rpc_id_of_its_request(request_id: Any) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.call("files", "slow")

    ann.forge(
        "mcp/request:notifications/cancelled", cancelled(request_id), to=["files"], correlation_id=call.id
    )

    assert files.all(CancelServing) == []
    assert dict(files.conversation.misbehaviour) == {"ann": 1}


@spec("mcpx kinds notifications")
@pytest.mark.parametrize("payload", [cancelled(1), progress()])
def test_a_notification_that_belongs_to_a_request_names_it(payload: dict[str, Any]) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/*")
    ann.call("files", "slow")

    ann.forge(f"mcp/request:{payload['method']}", payload, to=["files"])

    assert files.all(CancelServing) == []
    assert files.all(Told) == []
    assert dict(files.conversation.misbehaviour) == {"ann": 1}


@spec("mcpx kinds progress from addressee")
@pytest.mark.parametrize("method", ["notifications/progress", "notifications/message"])
def test_only_who_was_asked_tells_of_progress_and_logs(method: str) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*", "mcp/request:notifications/*")
    mallory = topic.join("mallory", "mcp/request:notifications/*")
    call = ann.call("files", "slow")
    payload = {**progress(), "method": method}

    mallory.forge(f"mcp/request:{method}", payload, to=["ann"], correlation_id=call.id)
    assert ann.all(CallNotified) == []
    assert ann.all(Told) == []
    assert dict(ann.conversation.misbehaviour) == {"mallory": 1}

    files.publish(files.conversation.notify_about(call.id, method, payload["params"], topic.now))
    assert ann.only(CallNotified).notification.sender == "files"


@spec("mcpx kinds progress from addressee", "MCPx 3.2.1 response to both")
def test_progress_of_a_fulfillment_reaches_proposer_and_fulfiller() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*", "mcp/request:notifications/*")
    call = agent.call("files", "slow")
    approval = ann.fulfill(call)

    files.publish(
        files.conversation.notify_about(approval.id, "notifications/progress", {"progress": 1}, topic.now)
    )

    assert agent.progress_of(call) == ann.progress_of(approval) == [{"progress": 1}]


def test_a_server_that_may_not_notify_is_told_so_and_one_that_has_answered_says_nothing_more() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.call("files", "slow")

    with pytest.raises(NotAllowed, match="notifications/progress"):
        files.conversation.notify_about(call.id, "notifications/progress", {}, topic.now)
    files.respond()
    assert files.conversation.notify_about(call.id, "notifications/progress", {}, topic.now) is None


@spec("mcpx kinds notifications")
def test_a_notification_that_belongs_to_no_call_is_told_to_those_whom_it_concerns() -> None:
    topic = TopicInMemory()
    files = topic.join("files", "mcp/request:notifications/*")
    ann = topic.join("ann", "chat")
    bob = topic.join("bob", "chat")

    for to in ((), ("ann",)):
        files.publish(
            files.conversation.speak.notify(to, "notifications/tools/list_changed", None, topic.now)
        )

    assert len(ann.all(Told)) == 2
    assert len(bob.all(Told)) == 1
    assert files.all(Told) == []
    assert len(bob.all(NotificationSeen)) == 2


def test_an_answer_after_the_call_was_given_up_is_heard_and_does_no_harm() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    call = ann.call("files", "slow")
    ann.conversation.give_up(call.id, WithdrawReason.TIMEOUT, topic.now)

    files.respond()

    assert ann.end_of(call) is None
    assert ann.complaints == []
    assert str(kinds_heard(ann)[-1]) == "mcp/response:tools/call:slow"


def test_requests_are_remembered_up_to_a_bound_and_the_oldest_goes_first() -> None:
    book = RequestBook(limit=2)
    for number in range(3):
        book.add(SeenRequest(f"env-{number}", "ann", Kind("mcp/request", "ping"), number, ("files",)))

    assert [book.get(f"env-{number}") is not None for number in range(3)] == [False, True, True]


# Answers that were too many


def test_answers_that_were_too_many_are_said_again_one_by_one_after_the_pause_that_was_asked_for() -> None:
    topic = TopicInMemory()
    ann, files = topic.join("ann", "mcp/*"), topic.join("files", "mcp/response:*")
    calls = [ann.call("files", "write", n=number) for number in range(3)]
    for number, request in enumerate(files.served):
        said = files.conversation.respond(request.id, {"n": number}, topic.now)
        assert said is not None
        refusal = {"error": "rate_limited", "message": "too many", "retry_after_ms": 250}
        topic.refuse(files, said.id, refusal)

    assert files.conversation.next_deadline() == topic.now + 0.25
    answered = []
    for seconds in (0.125, 0.125, 0.05, 0.05):
        topic.wait(seconds)
        answered.append(sum(ann.end_of(call) is not None for call in calls))

    assert answered == [0, 1, 2, 3]
    assert [outcome_of(ann, call).result for call in calls] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert files.conversation.next_deadline() is None
    assert ann.complaints == []


def test_an_answer_refused_for_another_reason_is_not_said_again() -> None:
    topic = TopicInMemory()
    ann, files = topic.join("ann", "mcp/*"), topic.join("files", "mcp/response:*")
    ann.call("files", "write")
    said = files.conversation.respond(files.served[0].id, {}, topic.now)
    assert said is not None

    topic.refuse(files, said.id, {"error": "topic_unavailable", "message": "the broker is away"})

    assert files.conversation.next_deadline() is None


def test_what_waits_to_be_said_again_is_bounded_and_ends_with_the_connection() -> None:
    repeats = Repeats(limit_bytes=10)
    for number in range(3):
        repeats.sent(f"answer-{number}", b"12345")
        repeats.refused(f"answer-{number}", START, 0.0)

    assert repeats.due(START + 1.0) == b"12345"
    repeats.accepted("answer-1")
    repeats.forget()
    assert repeats.next_at() is None
    repeats.refused("answer-2", START, 0.0)
    assert repeats.due(START + 9.0) is None
