"""T11: what is carried out is not what the human saw."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.conversation import FulfillmentSeen, Outcome, Way
from tests.participants.conversation_topic import Member, TopicInMemory

WRITE: dict[str, Any] = {"name": "write", "arguments": {"path": "/a"}}


class Ops:
    """An agent that may only propose, two who may approve, a server and its neighbour."""

    def __init__(self) -> None:
        self.topic = TopicInMemory()
        self.agent = self.topic.join("agent", "mcp/proposal:*")
        self.ann, self.bob = (self.topic.join(name, "mcp/*") for name in ("ann", "bob"))
        self.files = self.topic.join("files", "mcp/response:*")
        self.shell = self.topic.join("shell", "mcp/response:*")
        self.call = self.agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=300.0)

    def fulfillment(self, by: Member, kind: str, params: dict[str, Any], *to: str) -> None:
        payload = {"jsonrpc": "2.0", "id": 9, "method": kind.split(":")[1], "params": params}
        by.forge(kind, payload, to=to, correlation_id=self.call.id)

    @property
    def counted(self) -> list[FulfillmentSeen]:
        return self.agent.all(FulfillmentSeen)


@pytest.mark.parametrize(
    ("kind", "params", "to"),
    [
        ("mcp/request:tools/call:delete", {"name": "delete", "arguments": {}}, ["files"]),
        ("mcp/request:tools/call", {"name": "write", "arguments": {}}, ["files"]),
        ("mcp/request:prompts/get:write", {"name": "write"}, ["files"]),
        ("mcp/request:tools/call:write", WRITE, ["shell"]),
        ("mcp/request:tools/call:write", WRITE, ["files", "shell"]),
    ],
)
def test_another_method_tool_or_target_than_was_proposed_is_no_fulfillment(
    kind: str, params: dict[str, Any], to: list[str]
) -> None:
    ops = Ops()

    ops.fulfillment(ops.ann, kind, params, *to)

    assert ops.counted == []
    assert [p.id for p in ops.bob.pending] == [ops.call.id], "it waits for a real one"


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1), max_size=4)
)
def test_whatever_is_changed_in_the_parameters_is_told_to_who_asked_and_to_all(
    arguments: dict[str, Any],
) -> None:
    ops = Ops()
    ops.ann.fulfill(ops.call, {"name": "write", "arguments": arguments})
    ops.files.respond()

    end = ops.agent.end_of(ops.call)
    assert isinstance(end, Outcome)
    assert end.edited == (arguments != WRITE["arguments"])
    assert end.params["arguments"] == arguments == ops.files.served[0].params["arguments"]
    (seen,) = ops.bob.all(FulfillmentSeen)
    assert seen.edited == end.edited


def test_of_two_humans_who_approve_at_once_exactly_one_is_carried_out() -> None:
    ops = Ops()
    for by in (ops.ann, ops.bob):
        ops.fulfillment(by, "mcp/request:tools/call:write", WRITE, "files")

    assert [one.sender for one in ops.files.served] == ["ann"]


def test_an_approval_that_is_said_again_is_not_carried_out_again() -> None:
    ops = Ops()
    approval = ops.ann.fulfill(ops.call)
    ops.files.respond()
    ops.topic.publish(ops.bob, approval)
    ops.fulfillment(ops.ann, "mcp/request:tools/call:write", WRITE, "files")

    assert len(ops.files.served) == 1
