"""T26: somebody says in its envelope who it is, what it may do, or who approved it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.topic_under_test import TopicUnderTest

CLAIMS: list[dict[str, Any]] = [
    {"meta": {"governance": {"user_id": "root", "roles": ["admin"], "approved": True}}},
    {"_meta": {"user_id": "root"}},
    {"capabilities": ["mcp/*"]},
    {"you": {"id": "root", "capabilities": ["mcp/*"]}},
    {"sub": "root", "roles": ["admin"], "act": {"sub": "root"}},
    {"authorization": "Bearer x"},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=lambda claims: next(iter(claims)))
async def test_what_it_says_of_itself_changes_no_decision(
    ops: TopicUnderTest, claims: dict[str, Any]
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", **claims}, **claims}
    async with ops.join("bob") as bob, ops.join("mallory", "mcp/proposal:*", "chat") as mallory:
        sent = await mallory.send("mcp/request:tools/call:x", call, **claims)

        error = await mallory.next_error()
        assert (error["correlation_id"], error["payload"]["error"]) == (sent.id, "capability_violation")
        assert error["payload"]["your_capabilities"] == ["mcp/proposal:*", "chat"]
        allowed = await mallory.send("chat", {"text": "x", **claims}, **claims)
        heard = await bob.next_of("chat")
        assert (heard["from"], heard["id"]) == ("mallory", allowed.id), "who it is stays what its token says"
