"""
T7: capability patterns that grant more than they say: prefixes, letter case, Unicode, stars, contexts.

`tests/capabilities/test_slow_matcher.py` compares the matcher with a second one.
"""

from __future__ import annotations

import pytest

from capabilities import CapabilitySet, Pattern, PatternError
from schemas import Kind, KindError
from tests.conformance.topic_under_test import TopicUnderTest
from tests.threats.foreign_tokens import token


@pytest.mark.parametrize(
    ("held", "tried"),
    [
        ("mcp/request:tools/call:read", "mcp/request:tools/call:read_all"),
        ("mcp/request:tools/call:read", "mcp/request:tools/call"),
        ("mcp/request:tools/call:read", "mcp/request:tools/call:Read"),
        ("mcp/request:tools/call", "mcp/request:tools/call2"),
        ("mcp/request:*/list", "mcp/request:tools/call:x/list"),
        ("mcp/request:tools/list", "mcp/request:tools/list/../call"),
        ("mcp/proposal:*", "mcp/request:tools/call:x"),
        ("mcp/response:*", "mcp/response"),
        ("chat", "chat:x"),
        ("mcp/*", "chat"),
        ("mcp/*", "MCP/request:tools/list"),
    ],
)
async def test_a_kind_beside_the_pattern_is_refused(ops: TopicUnderTest, held: str, tried: str) -> None:
    async with ops.join("mallory", held) as mallory:
        sent = await mallory.send(tried)

        error = await mallory.next_error()
        assert (error["correlation_id"], error["payload"]["error"]) == (sent.id, "capability_violation")


@pytest.mark.parametrize(
    "kind",
    [
        "mcp/*:tools/call",
        "mcp/request:*",
        "mcp/request:tools/*:x",
        "mcp/requеst:tools/list",
        "chat ",
        "chat\u200b",
    ],
)
async def test_a_kind_with_a_star_or_a_look_alike_letter_is_none(ops: TopicUnderTest, kind: str) -> None:
    with pytest.raises(KindError):
        Kind.parse(kind)
    async with ops.join("mallory", "mcp/*", "chat") as mallory:
        await mallory.send(kind)

        assert (await mallory.next_error())["payload"]["error"] == "invalid_envelope"


@pytest.mark.parametrize(
    "pattern", ["*", "**", "s*", "sys*", "system/*", "SYSTEM/*", "*ystem/presence", "p*", "", "*/*"]
)
async def test_a_pattern_that_could_grant_the_gateways_own_kinds_is_nowhere_accepted(
    ops: TopicUnderTest, pattern: str
) -> None:
    with pytest.raises(PatternError):
        Pattern.parse(pattern)
    with pytest.raises(PatternError):
        CapabilitySet.of([pattern])
    assert (await ops.refused(token(capabilities=[pattern]))).status_code == 401
