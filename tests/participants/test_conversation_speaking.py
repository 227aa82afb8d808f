"""What a participant says: how it is built, and what the library does not let it say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from participants.conversation import Conversation, Outcome, Way
from participants.errors import (
    SETTLED,
    Closed,
    ConnectionLost,
    NotAllowed,
    ProposalRejected,
    ProposalSettled,
    ProposalWithdrawn,
    Refused,
    RequestFailed,
    TargetRequired,
)
from schemas import Envelope, KindError, NameRefused, RejectReason, WithdrawReason
from tests.participants.conversation_topic import START, TopicInMemory
from tests.requirements import spec

WRITE: dict[str, Any] = {"name": "write", "arguments": {"path": "/a"}}


@spec("mcpx envelope library carries ts")
def test_everything_that_the_library_says_carries_id_time_sender_and_kind() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*", "chat")

    said = ann.conversation.speak.say(
        "chat", {"text": "hi"}, START + 0.25, to=["bob"], correlation_id="env-1"
    )

    assert orjson.loads(said.data) == {
        "protocol": "mcpx/v0.1",
        "id": said.id,
        "ts": "2025-08-26T14:00:00.250Z",
        "from": "ann",
        "to": ["bob"],
        "kind": "chat",
        "correlation_id": "env-1",
        "payload": {"text": "hi"},
    }


def test_nothing_can_be_said_before_the_welcome() -> None:
    conversation = Conversation("ops", new_id=lambda: "env")

    with pytest.raises(ConnectionLost, match="welcomed"):
        conversation.speak.say("chat", {}, START)


@pytest.mark.parametrize(
    ("kind", "to", "error"), [("", (), KindError), ("chat", ("two words",), NameRefused)]
)
def test_what_no_gateway_would_take_is_not_built(
    kind: str, to: tuple[str, ...], error: type[Exception]
) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*", "chat")

    with pytest.raises(error):
        ann.conversation.speak.say(kind, {}, START, to=to)


@spec("mcpx kinds reject and withdraw", "mcpx proposals rejected")
def test_the_library_rejects_with_a_reason_and_a_message() -> None:
    topic = TopicInMemory()
    agent, ann = topic.join("agent", "mcp/proposal:*"), topic.join("ann", "mcp/*")
    call = agent.call("files", "write")

    said = ann.publish(ann.conversation.speak.reject(call.id, RejectReason.BUSY, "at lunch", topic.now))

    envelope = Envelope.parse(said.data)
    assert (str(envelope.kind), envelope.correlation_id) == ("mcp/reject:tools/call:write", call.id)
    end = agent.end_of(call)
    assert isinstance(end, ProposalRejected)
    assert str(end) == "ann rejected the proposal (busy): at lunch"


@spec("mcpx kinds reject and withdraw", "mcpx proposals withdrawn")
def test_the_library_withdraws_an_own_proposal_also_from_another_connection() -> None:
    topic = TopicInMemory()
    agent, ann = topic.join("agent", "mcp/proposal:*"), topic.join("ann", "mcp/*")
    call = agent.call("files", "write")

    said = agent.publish(
        agent.conversation.speak.withdraw(call.id, WithdrawReason.SUPERSEDED, "better idea", topic.now)
    )

    assert str(Envelope.parse(said.data).kind) == "mcp/withdraw:tools/call:write"
    end = agent.end_of(call)
    assert isinstance(end, ProposalWithdrawn)
    assert str(end) == "The proposal was withdrawn (superseded): better idea"
    assert ann.pending == []


def test_nothing_is_said_about_a_proposal_that_is_unknown_or_whose_time_is_over() -> None:
    topic = TopicInMemory()
    agent, ann = topic.join("agent", "mcp/proposal:*"), topic.join("ann", "mcp/*")
    call = agent.call("files", "write")
    topic.now += 300.0  # nobody was woken

    with pytest.raises(ProposalSettled, match="not known"):
        ann.conversation.speak.fulfill("unknown", None, None, topic.now)
    with pytest.raises(ProposalSettled, match="expired") as raised:
        ann.fulfill(call)
    assert (raised.value.how, raised.value.by) == ("expired", None)
    with pytest.raises(ProposalSettled, match="expired"):
        agent.conversation.speak.withdraw(call.id, WithdrawReason.TIMEOUT, "", topic.now)


def test_who_wants_to_propose_and_may_not_is_told_so() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/request:*")

    with pytest.raises(NotAllowed, match="mcp/proposal:tools/call:write"):
        ann.ask("files", "tools/call", WRITE, way=Way.PROPOSE)
    assert ann.conversation.calls_pending == ()


def test_who_may_nothing_of_the_kind_is_told_that_rather_than_to_name_a_target() -> None:
    topic = TopicInMemory()
    chatter = topic.join("chatter", "chat")

    with pytest.raises(NotAllowed):
        chatter.ask(None, "tools/call", WRITE)
    with pytest.raises(TargetRequired):
        chatter.ask(None, "tools/call", WRITE, way=Way.REQUEST)


@spec("mcpx proposals refused once")
def test_a_fulfillment_that_is_refused_does_not_become_a_proposal() -> None:
    topic = TopicInMemory()
    agent, ann = topic.join("agent", "mcp/proposal:*"), topic.join("ann", "mcp/*")
    call = agent.call("files", "write")
    ann.capabilities = ann.capabilities.of(["mcp/proposal:*"])  # and has not heard of it yet

    approval = ann.fulfill(call)

    assert isinstance(ann.end_of(approval), NotAllowed)
    assert [proposal.id for proposal in agent.pending] == [call.id]


def test_the_error_of_a_settled_proposal_means_so_only_for_a_fulfillment() -> None:
    topic = TopicInMemory()
    ann, files = topic.join("ann", "mcp/*"), topic.join("files", "mcp/response:*")
    call = ann.call("files", "write")

    files.publish(files.conversation.respond_error(call.id, SETTLED, "mine means another thing", topic.now))

    end = ann.end_of(call)
    assert isinstance(end, RequestFailed)
    assert not isinstance(end, ProposalSettled)


def test_a_request_without_params_has_none_on_the_wire() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")

    call = ann.ask("ann", "ping", {})

    assert orjson.loads(call.data)["payload"] == {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    ann.respond()
    end = ann.end_of(call)
    assert isinstance(end, Outcome)
    assert end.params == {}


def test_what_json_cannot_say_leaves_no_call_behind() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")

    with pytest.raises(TypeError):
        ann.call("files", "write", value=object())
    assert ann.conversation.calls_pending == ()


def test_the_conversation_knows_its_topic_itself_and_what_was_proposed() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    call = agent.call("files", "write")

    conversation = agent.conversation
    assert (conversation.topic, conversation.id, str(conversation.mode)) == ("ops", "agent", "all")
    known = conversation.proposal(call.id)
    assert known is not None
    assert (known.id, known.method, known.context) == (call.id, "tools/call", "write")
    assert conversation.proposal("unknown") is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotAllowed("chat", "chat"), "You lack capability for 'chat'; an admin could grant 'chat'"),
        (NotAllowed("chat", None), "You lack capability for 'chat'"),
        (Refused("rate_limited", "slow down", 5), "The gateway refused it (rate_limited): slow down"),
        (Closed(4403, "revoked"), "The connection was closed (4403): revoked"),
        (ProposalRejected("ann", "denied"), "ann rejected the proposal (denied)"),
        (RequestFailed(-1, "no"), "no (-1)"),
        (ProposalSettled("ann was first", {"by": "ann", "how": 7}), "ann was first"),
    ],
)
def test_every_error_is_a_sentence_and_survives_a_copy(error: Exception, text: str) -> None:
    import copy

    assert str(error) == text
    assert str(copy.copy(error)) == text


def test_an_answer_that_names_no_first_one_has_none() -> None:
    assert ProposalSettled("late", None).by is None
    assert ProposalSettled("late", {"how": 7}).how is None
