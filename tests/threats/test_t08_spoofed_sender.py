"""T8: somebody speaks as another, as the gateway, or in its namespace."""

from __future__ import annotations

import time

import pytest

from schemas import is_participant_id
from tests.capabilities.signing import claims, encode
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import AUDIENCE, ISSUER, SECRET


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
    with pytest.raises(Exception, match="401"):
        async with ops.connect(_token_for(ops, id)):
            pass


def _token_for(ops: TopicUnderTest, id: str) -> str:
    """A token that an issuer who does not know the rule would make."""
    now = int(time.time())
    made = claims(iss=ISSUER, aud=AUDIENCE, sub=id, iat=now, exp=now + 60, topics=[ops.name])
    return encode(made, key=SECRET.encode())
