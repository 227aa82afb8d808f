"""Propose, approve, execute: the way of a call that its caller may not make (MCPx 3.2)."""

from __future__ import annotations

import orjson

from participants.conversation import FulfillmentSeen, Outcome, ProposalSeen
from schemas import Envelope
from tests.participants.conversation_topic import TopicInMemory
from tests.requirements import spec


@spec("MCPx 3.2.1 response to both", "MCPx 9.4 delegated fulfillment")
def test_a_fulfilled_proposal_brings_its_result_to_proposer_and_fulfiller() -> None:
    topic = TopicInMemory()
    agent = topic.join("agent", "mcp/proposal:*")
    ann = topic.join("ann", "mcp/*", "chat")
    files = topic.join("files", "mcp/response:*")

    call = agent.call("files", "write_file", path="/a", text="hi")
    (proposal,) = ann.pending
    approval = ann.fulfill(proposal)
    response = files.respond({"content": [{"type": "text", "text": "written"}]})

    for end in (agent.end_of(call), ann.end_of(approval)):
        assert isinstance(end, Outcome)
        assert end.result == {"content": [{"type": "text", "text": "written"}]}
        assert (end.by, end.fulfilled_by, end.proposal_id, end.request_id) == (
            "files",
            "ann",
            call.id,
            approval.id,
        )
        assert not end.edited
        assert end.params == {"name": "write_file", "arguments": {"path": "/a", "text": "hi"}}
    envelope = Envelope.parse(response.data)
    assert envelope.to == ("ann", "agent")
    assert envelope.correlation_id == approval.id
    assert ann.complaints == agent.complaints == files.complaints == []
    assert ann.only(FulfillmentSeen).effective
    assert agent.only(ProposalSeen).proposal.mine
    assert ann.pending == []
    assert orjson.loads(call.data)["payload"]["expiresAt"] == "2025-08-26T14:05:00.000Z"
