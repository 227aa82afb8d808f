"""T7: capability patterns that grant more than they say: prefixes, letter case, Unicode, stars, contexts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from capabilities import CapabilitySet, Pattern, PatternError
from schemas import Kind, KindError
from tests.capabilities.slow_matcher import slow_grants
from tests.conformance.topic_under_test import TopicUnderTest
from tests.strategies import kinds, patterns


@given(patterns(), kinds())
@settings(max_examples=2_000)
def test_two_matchers_agree(pattern: Pattern, kind: Kind) -> None:
    assert CapabilitySet.of([str(pattern)]).grants(kind) == slow_grants(str(pattern), str(kind))


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
