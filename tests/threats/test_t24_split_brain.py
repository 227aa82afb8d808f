"""T24: two nodes disagree on what somebody may do: revoked on one while it floods on the other."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conformance.topic_under_test import Seat, TopicUnderTest, listening
from tests.faults.fault_proxy import fault_proxy
from tests.redis_server import RedisServer
from tests.threats.conftest import Starting

ROUNDS = 8


async def flood(seat: Seat) -> None:
    try:
        while True:
            for _ in range(20):
                await seat.send("x-test/flood")
            await asyncio.sleep(0.002)  # a pace that the witness can follow
    except ConnectionClosed:
        pass


@pytest.mark.redis
@pytest.mark.parametrize("how", ["revocation", "removal"])
async def test_nothing_of_one_who_floods_on_b_is_delivered_after_a_has_answered(
    node: Starting, redis_server: RedisServer, how: str
) -> None:
    async with fault_proxy(redis_server.port) as link, node() as a, node(MCPX_REDIS_URL=link.url) as b:
        # What b judged by the old rights is still on its way to Redis when a answers.
        link.delay(0.02, 0.02, "up")
        ops = TopicUnderTest(a)
        async with (
            ops.conducted(),
            ops.join("here", "x-test/after") as here,
            ops.join("there", gateway=b) as there,
        ):
            for n in range(ROUNDS):
                name = f"flood-{n}"
                async with ops.join(name, "x-test/flood", gateway=b, jti=name) as seat, listening(seat):
                    flooding = asyncio.create_task(flood(seat))
                    for witness in (here, there):
                        await witness.next_of("x-test/flood")
                    if how == "revocation":
                        answer = await a.post("/admin/revocations", {"jti": name})
                    else:
                        path = f"/admin/participants/{name}/capabilities?topic={ops.name}"
                        answer = await a.post(path, {"remove": ["x-test/flood"]})
                    await here.send("x-test/after")
                    for witness in (here, there):
                        await witness.next_of("x-test/after")
                        heard = [one["kind"] for one in await witness.heard()]
                        assert "x-test/flood" not in heard
                    flooding.cancel()
                    await asyncio.gather(flooding, return_exceptions=True)
                assert answer.status_code == 200, answer.text
