"""T5: a stolen or outdated token on a live connection; the link that would tell of it is cut."""

from __future__ import annotations

import asyncio
import time

import httpx
import jwt
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conformance.topic_under_test import Seat, TopicUnderTest, listening
from tests.faults.fault_proxy import fault_proxy
from tests.gateway_process import running_gateway
from tests.redis_server import RedisServer
from tests.threats.conftest import Starting

REVOCATION = {"jti": "stolen", "reason": "a test"}


async def test_at_its_end_a_tokens_connection_is_closed_and_nothing_of_it_comes_after(
    ops: TopicUnderTest,
) -> None:
    token = ops.gateway.token("ann", topics=[ops.name], capabilities=["chat"], ttl_s=5)
    until = jwt.decode(token, options={"verify_signature": False})["exp"]
    async with ops.join("bob", "chat") as bob, ops.join("ann", token=token) as ann:

        async def go_on() -> None:
            while True:
                await ann.send("chat", {"at": time.time()})
                await asyncio.sleep(0.01)

        speaking = asyncio.create_task(go_on())
        code = await ann.close_code()
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        heard = [one["payload"]["at"] for one in await bob.heard() if one["kind"] == "chat"]

    assert code == 4401
    assert heard
    assert max(heard) < until


@pytest.mark.redis
async def test_a_revoked_token_is_out_at_once_on_every_node(node: Starting) -> None:
    async with node() as one, node() as two:
        ops = TopicUnderTest(one)
        async with ops.conducted(), ops.join("thief", "chat", gateway=two, jti="stolen") as thief:
            token = two.token("thief", topics=[ops.name], capabilities=["chat"], jti="stolen")
            answer = await one.post("/admin/revocations", REVOCATION)

            assert len(answer.json()["closed"]) == 1
            assert await thief.close_code() == 4403
            for gateway in (one, two):
                assert (await ops.refused(token, gateway=gateway)).status_code == 401


@pytest.mark.redis
async def test_a_node_cut_off_from_redis_relays_nothing_of_a_token_revoked_meanwhile(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    env = {"MCPX_REDIS_PREFIX": redis_prefix, "MCPX_RATE_LIMIT": "100000:100000"}
    async with (
        fault_proxy(redis_server.port) as link,
        running_gateway("--redis", redis_server.url, env=env) as one,
        running_gateway("--redis", link.url, env=env) as cut_off,
    ):
        ops = TopicUnderTest(one)
        token = cut_off.token("thief", topics=[ops.name], capabilities=["chat"], jti="stolen")
        async with ops.conducted(), ops.join("bob", "chat") as bob, ops.connect(token, gateway=cut_off) as s:
            thief = Seat(ops, "thief", s, {})
            async with listening(thief):
                before = await thief.send("chat")
                assert (await bob.next_of("chat"))["id"] == before.id

                link.blackhole()
                answer = await one.post("/admin/revocations", REVOCATION)
                assert answer.status_code == 200, answer.text
                for _ in range(50):
                    try:
                        await thief.send("chat")
                    except ConnectionClosed:
                        break
                    await asyncio.sleep(0.02)  # the pace of one who tries again and again
                # Nobody new comes in there, and no admin acts there: it cannot know who is revoked.
                async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
                    bearer = {"Authorization": f"Bearer {cut_off.admin_token()}"}
                    door = await http.get(
                        f"{cut_off.http_url}/ws?topic={ops.name}",
                        headers={"Authorization": f"Bearer {token}"},
                    )
                    shut = await http.get(f"{cut_off.http_url}/admin/topics", headers=bearer)

                link.heal()  # and what it still held comes late
                async with asyncio.timeout(60):
                    await s.wait_closed()
                heard = [e["payload"] for e in await bob.heard() if e["kind"] == "chat"]

    assert (door.status_code, shut.status_code) == (503, 503)
    assert heard == []
