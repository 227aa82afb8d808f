"""T21: one envelope costs n writes, one join n presences: both are bounded."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import running_gateway
from tests.threats.conftest import Starting

JOINS = 300


async def test_a_topic_that_is_full_lets_nobody_in_until_somebody_leaves() -> None:
    async with running_gateway(env={"MCPX_MAX_TOPIC_CONNECTIONS": "3"}) as gateway, AsyncExitStack() as stack:
        ops = TopicUnderTest(gateway)
        others = [gateway.token(f"p{n}", topics=["*"]) for n in range(4)]
        for token in others[:2]:
            await (await stack.enter_async_context(ops.connect(token))).recv()
        third = await ops.connect(others[2])
        refused = await ops.refused(others[3])
        async with TopicUnderTest(gateway).connect(others[3]):
            pass
        await third.close()
        async with asyncio.timeout(30):
            while True:
                try:
                    async with ops.connect(others[3]):
                        break
                except InvalidStatus:
                    continue

    problem = json.loads(refused.body or b"{}")
    assert (refused.status_code, problem["code"], problem["per"], problem["most"]) == (
        429,
        "too_many_connections",
        "topic",
        3,
    )


@pytest.mark.redis
async def test_what_others_hold_on_another_node_counts(node: Starting) -> None:
    async with node() as one, node(MCPX_MAX_TOPIC_CONNECTIONS="3") as two:
        ops = TopicUnderTest(one)
        async with ops.join("a"), ops.join("b"), ops.join("c", gateway=two):
            assert (await ops.refused(two.token("d"), gateway=two)).status_code == 429


async def test_hundreds_who_join_at_once_are_all_welcomed_and_each_is_told_once() -> None:
    async with running_gateway(env={"MCPX_RATE_LIMIT": "100000:100000"}) as gateway:
        ops = TopicUnderTest(gateway)
        tokens = [gateway.token(f"p{n}", topics=[ops.name], capabilities=["chat"]) for n in range(JOINS)]
        async with ops.join("first") as first:
            before = time.monotonic()
            sockets = []
            for at in range(0, JOINS, 50):  # as fast as this process can dial
                dialed = [ops.connect(token) for token in tokens[at : at + 50]]
                sockets += await asyncio.gather(*dialed)
            joined: list[str] = []
            while len(joined) < JOINS:
                heard = await first.next()
                assert heard["payload"]["event"] == "join"
                joined.append(heard["payload"]["participant"]["id"])
            took = time.monotonic() - before
            welcomes = [json.loads(await socket.recv())["kind"] for socket in sockets]
            for socket in sockets:
                socket.transport.abort()

    assert sorted(joined) == sorted(f"p{n}" for n in range(JOINS))
    assert welcomes == ["system/welcome"] * JOINS
    assert took < 40, "`make bench` has the figure for a thousand on a quiet machine"
