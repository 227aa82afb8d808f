"""T8: somebody speaks as another, as the gateway, or in its namespace."""

from __future__ import annotations

import pytest

from schemas import is_participant_id
from tests.conformance.topic_under_test import TopicUnderTest
from tests.threats.foreign_tokens import token


@pytest.mark.parametrize(
    "name", ["bob", "Mallory", "mallory ", "system:gateway", "SYSTEM:gateway", "", "mаllory"]
)
async def test_another_from_than_the_tokens_reaches_nobody(ops: TopicUnderTest, name: str) -> None:
    async with ops.join("bob", "chat") as bob, ops.join("mallory", "mcp/*", "chat") as mallory:
        await bob.heard()
        forged = await mallory.send("chat", {"text": "x"}, from_=name)

        error = await mallory.next_error()
        assert error["payload"]["error"] in {"from_mismatch", "invalid_envelope"}
        assert error["correlation_id"] == forged.id
        assert await bob.heard_nothing()


@pytest.mark.parametrize(
    "kind",
    [
        "system/welcome",
        "system/presence",
        "system/error",
        "System/Error",
        "SYSTEM/x",
        "system",
        "presence",
        "Presence",
    ],
)
async def test_what_only_the_gateway_says_reaches_nobody_from_anybody_else(
    ops: TopicUnderTest, kind: str
) -> None:
    async with ops.join("bob", "chat") as bob, ops.join("mallory", "mcp/*", "chat") as mallory:
        await bob.heard()
        await mallory.send(kind, {"event": "leave", "participant": {"id": "bob"}})

        assert (await mallory.next_error())["payload"]["error"] == "reserved_kind"
        assert await bob.heard_nothing()


@pytest.mark.parametrize(
    "id", ["system", "System", "SYSTEM-1", "systemd", "sYsTeM:gateway", "system:gateway"]
)
async def test_no_token_makes_somebody_the_gateway(ops: TopicUnderTest, id: str) -> None:
    assert not is_participant_id(id)
    assert (await ops.refused(token(sub=id))).status_code == 401
