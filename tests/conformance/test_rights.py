"""Rights that change under a live connection (MCPx 5.1, 11.3; docs/protocol.md, Delivery and Admin)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from tests.conformance.topic_under_test import TopicUnderTest, listening
from tests.gateway_process import running_gateway
from tests.redis_server import RedisServer
from tests.requirements import spec


async def promote(ops: TopicUnderTest, participant: str, **change: Any) -> httpx.Response:
    body = {"add": [], "remove": [], "reason": "a test", **change}
    token = ops.gateway.admin_token(capabilities=["mcp/*", "chat", "x-test/*"])
    path = f"/admin/participants/{participant}/capabilities?topic={ops.name}"
    return await ops.gateway.post(path, body, token=token)


@spec("MCPx 11.3 promotion", "mcpx delivery promotion welcome", "mcpx delivery promotion effective set")
async def test_a_promotion_is_in_force_on_the_live_connection_and_told_to_all(ops: TopicUnderTest) -> None:
    async with ops.join("boss") as boss, ops.join("agent", "mcp/proposal:*", "chat") as agent:
        await boss.heard()
        answer = await promote(ops, "agent", add=["mcp/request:tools/*"])

        welcome, join = await agent.next(), await boss.next()
        await agent.send("mcp/request:tools/call:x")
        assert (await boss.next())["kind"] == "mcp/request:tools/call:x"

    assert answer.status_code == 200
    assert answer.json()["oldCapabilities"] == ["mcp/proposal:*", "chat"]
    assert set(answer.json()["newCapabilities"]) == {"mcp/proposal:*", "chat", "mcp/request:tools/*"}
    assert welcome["kind"] == "system/welcome"
    assert set(welcome["payload"]["you"]["capabilities"]) == set(answer.json()["newCapabilities"])
    assert join["payload"]["event"] == "join"
    assert set(join["payload"]["participant"]["capabilities"]) == set(answer.json()["newCapabilities"])


@spec("mcpx delivery promotion for later tokens", "mcpx admin listed and reverted")
async def test_a_promotion_holds_for_later_tokens_until_it_is_taken_back(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat"):
        await promote(ops, "agent", add=["mcp/request:tools/*"])
    async with ops.join("agent", "chat") as again:
        assert set(again.welcome["payload"]["you"]["capabilities"]) == {"chat", "mcp/request:tools/*"}
        await promote(ops, "agent", remove=["mcp/request:tools/*"])
        assert (await again.next_of("system/welcome"))["payload"]["you"]["capabilities"] == ["chat"]
        await again.send("mcp/request:tools/call:x")
        assert (await again.next_error())["payload"]["error"] == "capability_violation"


@spec("mcpx delivery promotion expires", "mcpx admin ttl")
async def test_a_promotion_lapses_by_itself(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat") as agent:
        await promote(ops, "agent", add=["mcp/*"], ttl_s=1)
        assert set((await agent.next())["payload"]["you"]["capabilities"]) == {"chat", "mcp/*"}

        assert (await agent.next_of("system/welcome"))["payload"]["you"]["capabilities"] == ["chat"]


@spec("mcpx identity revocation closes", "mcpx identity revoked by jti", "mcpx admin revocations")
async def test_a_revoked_token_is_closed_with_4403_and_refused_with_401(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("agent", topics=[ops.name], capabilities=["chat"], jti="the-one")
    async with ops.join("witness") as witness, ops.join("agent", token=token) as agent:
        async with ops.join("agent", "chat") as other:
            await witness.heard()
            answer = await ops.gateway.post("/admin/revocations", {"jti": "the-one", "reason": "stolen"})

            assert answer.status_code == 200
            assert await agent.close_code() == 4403
            assert await other.heard_nothing()
        assert (await ops.refused(token)).status_code == 401


@spec("mcpx admin revocations")
async def test_a_revocation_that_is_told_twice_is_listed_once(ops: TopicUnderTest) -> None:
    answers = [await ops.gateway.post("/admin/revocations", {"jti": "told-twice"}) for _ in range(2)]
    headers = {"Authorization": f"Bearer {ops.gateway.admin_token()}"}
    async with httpx.AsyncClient(
        trust_env=False, base_url=ops.gateway.http_url, headers=headers, timeout=30
    ) as http:
        listed = (await http.get("/admin/revocations", params={"limit": 1000})).json()["revocations"]

    assert [one.status_code for one in answers] == [200, 200]
    assert [one["jti"] for one in listed].count("told-twice") == 1


@spec("mcpx identity revoked by participant")
async def test_revoking_a_participant_ends_its_tokens_so_far_and_a_later_one_works(
    ops: TopicUnderTest,
) -> None:
    async with ops.join("agent", "chat", issued_at=_seconds_ago(60)) as agent:
        answer = await ops.gateway.post("/admin/revocations", {"participant": "agent", "topic": ops.name})

        assert answer.status_code == 200
        assert await agent.close_code() == 4403
    earlier = ops.gateway.token("agent", topics=[ops.name], issued_at=_seconds_ago(60))
    assert (await ops.refused(earlier)).status_code == 401
    async with ops.join("agent", "chat", issued_at=_seconds_ago(-2)) as later:
        assert later.welcome["payload"]["you"]["id"] == "agent"


def _seconds_ago(seconds: float) -> float:
    return time.time() - seconds


@spec("mcpx admin disconnect", "mcpx refusals close 4410")
async def test_a_disconnected_participant_may_come_back(ops: TopicUnderTest) -> None:
    async with ops.join("agent", "chat") as agent:
        answer = await ops.gateway.post(
            f"/admin/participants/agent/disconnect?topic={ops.name}", {"reason": "x"}
        )

        assert answer.status_code == 200
        assert await agent.close_code() == 4410
    async with ops.join("agent", "chat"):
        pass


@spec("mcpx delivery promotion in force", "mcpx delivery one order")
async def test_after_the_admin_s_answer_nothing_judged_by_the_old_set_is_relayed_on_any_node(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    env = {"MCPX_REDIS_PREFIX": redis_prefix, "MCPX_RATE_LIMIT": "100000:100000"}
    arguments = ("--redis", redis_server.url)
    async with running_gateway(*arguments, env=env) as one, running_gateway(*arguments, env=env) as two:
        ops = TopicUnderTest(one)
        async with (
            ops.conducted(),
            ops.join("witness", "x-test/after") as witness,
            ops.join("agent", "chat", "x-test/flood", gateway=two) as agent,
            listening(agent),
        ):
            for _ in range(10):
                flooding = asyncio.create_task(_flood(agent))
                await witness.next_of("x-test/flood")

                answer = await promote(ops, "agent", remove=["x-test/flood"])
                await witness.send("x-test/after")
                await witness.next_of("x-test/after")
                heard = [one["kind"] for one in await witness.heard()]
                flooding.cancel()
                await asyncio.gather(flooding, return_exceptions=True)

                assert answer.status_code == 200, answer.text
                assert "x-test/flood" not in heard
                assert (await promote(ops, "agent", revert=True)).status_code == 200


async def _flood(seat: Any) -> None:
    while True:
        for _ in range(20):
            await seat.send("x-test/flood")
        await asyncio.sleep(0.002)  # a pace that the witness can follow
