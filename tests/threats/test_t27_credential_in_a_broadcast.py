"""T27: a credential in what everybody reads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.participants.conversation_topic import TopicInMemory

CALL = "mcp/request:tools/call:x"


@pytest.mark.parametrize("name", ["auth", "Auth", "AUTH"])
async def test_an_envelope_with_auth_reaches_nobody_and_the_answer_does_not_repeat_it(
    ops: TopicUnderTest, name: str
) -> None:
    async with ops.join("bob", "chat") as bob, ops.join("ann", "chat") as ann:
        await bob.heard()
        await ann.send("chat", {"text": "x"}, **{name: {"token": "s3cret-t0ken"}})

        error = await ann.next_error()
        assert error["payload"]["error"] == "invalid_envelope"
        assert "s3cret" not in str(error)
        assert await bob.heard_nothing()
    assert "s3cret" not in ops.gateway.log_text()


@pytest.mark.parametrize("name", ["auth", "Auth"])
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (CALL, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}),
        ("mcp/proposal:tools/call:x", {"method": "tools/call", "params": {"name": "x"}, "expiresAt": None}),
    ],
)
def test_a_message_with_auth_is_not_acted_on_by_who_serves(
    name: str, kind: str, payload: dict[str, Any]
) -> None:
    topic = TopicInMemory()
    files, ann = topic.join("files", "mcp/*"), topic.join("ann", "mcp/*")

    ann.forge(kind, {**payload, name: {"token": "s3cret-t0ken"}}, to=["files"])
    assert (files.served, files.pending) == ([], [])
    assert len(files.complaints) == 1
    assert "s3cret" not in files.complaints[0]

    ann.forge(kind, payload, to=["files"])
    assert len(files.served) + len(files.pending) == 1
