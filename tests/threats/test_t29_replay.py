"""T29: an old envelope, or an old approval, is said again. (The bus between nodes is T23's.)"""

from __future__ import annotations

from typing import Any

from participants.conversation import Chat, Misbehaved, Way
from tests.conformance.topic_under_test import TopicUnderTest
from tests.participants.conversation_topic import TopicInMemory

WRITE: dict[str, Any] = {"name": "write", "arguments": {}}


async def test_nobody_can_say_again_what_another_said(ops: TopicUnderTest) -> None:
    async with ops.join("ann", "chat") as ann, ops.join("mallory", "chat") as mallory:
        await ann.send("chat", {"text": "approved"})
        heard = await mallory.next_text()
        while '"approved"' not in heard:
            heard = await mallory.next_text()
        await mallory.send_text(heard)

        assert (await mallory.next_error())["payload"]["error"] == "from_mismatch"


def test_who_says_the_same_envelope_again_is_heard_once() -> None:
    topic = TopicInMemory()
    ann, bob = topic.join("ann", "chat"), topic.join("bob", "chat")
    said = ann.forge("chat", {"text": "pay 10"})
    for _ in range(100):
        topic.publish(ann, said)
    ann.forge("chat", {"text": "pay 1000"}, id=said.id)

    assert [seen.text for seen in bob.all(Chat)] == ["pay 10"]
    assert bob.all(Misbehaved) == []


def test_an_approval_counts_once_even_after_much_else_was_said() -> None:
    topic = TopicInMemory()
    agent, files = topic.join("agent", "mcp/proposal:*"), topic.join("files", "mcp/response:*")
    ann, talker = topic.join("ann", "mcp/*"), topic.join("talker", "chat")
    call = agent.ask("files", "tools/call", WRITE, way=Way.PROPOSE, expires_in=300.0)
    approval = ann.fulfill(call)
    files.respond()
    for n in range(3_000):  # more than a window of ids would hold if it were small
        talker.forge("chat", {"text": str(n)})
    topic.publish(ann, approval)
    payload = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": WRITE}
    ann.forge("mcp/request:tools/call:write", payload, to=["files"], correlation_id=call.id)

    assert len(files.served) == 1
