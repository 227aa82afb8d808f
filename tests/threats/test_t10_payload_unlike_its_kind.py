"""T10: a payload that is not what its kind was granted for; the gateway does not look (MCPx 4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.participants.conversation_topic import TopicInMemory

SAFE = "mcp/request:tools/call:read_file"


def call(method: str = "tools/call", name: str = "read_file", **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name, "arguments": {}}, **more}


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(call(name="delete_everything"), id="another tool"),
        pytest.param(call(name="read_file\u200b"), id="a tool that looks alike"),
        pytest.param(call(name="Read_File"), id="another case of letters"),
        pytest.param(call(method="resources/read"), id="another method"),
        pytest.param(call(method="tools/call "), id="a method that looks alike"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, id="no tool"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["x"]}, id="no object"),
        pytest.param({"jsonrpc": "1.0", "id": 1, "method": "tools/call"}, id="another JSON-RPC"),
        pytest.param({"result": {}}, id="an answer"),
        pytest.param({}, id="nothing"),
    ],
)
def test_who_serves_does_not_act_on_it_and_counts_it_against_its_sender(payload: dict[str, Any]) -> None:
    topic = TopicInMemory()
    files, mallory = topic.join("files", "mcp/response:*"), topic.join("mallory", SAFE)

    mallory.forge(SAFE, payload, to=["files"])

    assert files.served == []
    assert dict(files.conversation.misbehaviour) == {"mallory": 1}


def test_a_repeated_key_cannot_show_the_check_one_tool_and_the_server_another() -> None:
    topic = TopicInMemory()
    files, mallory = topic.join("files", "mcp/response:*"), topic.join("mallory", SAFE)
    sent = mallory.forge(SAFE, call(), to=["files"])
    assert len(files.served) == 1
    twice = sent.data.replace(b'"name":"read_file"', b'"name":"delete_all","name":"read_file"')
    assert twice != sent.data

    for id, data in (("twice", twice), ("once", sent.data)):
        topic.publish(mallory, type(sent)(id, data.replace(sent.id.encode(), id.encode())))

    assert [request.id for request in files.served] == [sent.id, "once"]


async def test_the_gateway_relays_it_to_those_who_check(ops: TopicUnderTest) -> None:
    async with ops.join("mallory", SAFE) as mallory, ops.join("bob") as bob:
        sent = await mallory.send(SAFE, call(name="delete_everything"), to=["files"])

        assert (await bob.next_of(SAFE))["id"] == sent.id
