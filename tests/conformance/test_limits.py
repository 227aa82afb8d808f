"""How much and how fast (docs/protocol.md, Refusals and Delivery)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.conformance.topic_under_test import Seat, TopicUnderTest
from tests.gateway_process import GatewayProcess, running_gateway
from tests.requirements import spec


@spec("mcpx refusals rate_limited", "mcpx delivery rate per connection", "mcpx delivery rate per participant")
async def test_a_participant_s_connections_share_one_budget() -> None:
    async with running_gateway(env={"MCPX_RATE_LIMIT": "1:10"}) as gateway:
        ops = TopicUnderTest(gateway)
        async with (
            ops.conducted(),
            ops.join("ann", "chat") as first,
            ops.join("ann", "chat") as second,
            ops.join("bob", "chat") as bob,
        ):
            began = time.monotonic()
            for n in range(20):
                await first.send("chat", id=f"a{n}")
                await second.send("chat", id=f"b{n}")
            await bob.send("chat", id="from-bob")
            refused = [
                one["payload"]
                for seat in (first, second)
                for one in await seat.heard()
                if one["kind"] == "system/error"
            ]
            heard = [one["id"] for one in await bob.heard() if one["kind"] == "chat"]
            seconds = time.monotonic() - began

        assert {one["error"] for one in refused} == {"rate_limited"}
        assert all(0 < one["retry_after_ms"] <= 1000 for one in refused)
        assert len(heard) + len(refused) == 41
        assert 10 <= len(heard) - 1 <= 11 + seconds, "a burst of ten, and one for each second"
        assert "from-bob" in heard


# Ten seconds of refusals, which no broker ever sees: over one of them is enough.
@spec("mcpx refusals close 4429")
@pytest.mark.parametrize("gateway", ["memory"], indirect=True)
async def test_refused_without_pause_a_connection_is_closed_with_4429(ops: TopicUnderTest) -> None:
    async with ops.join("flood", "chat") as flood:

        async def go_on() -> None:
            while True:
                await flood.socket.send("{")
                await asyncio.sleep(0.2)  # the pace of a stubborn client, not a wait

        flooding = asyncio.create_task(go_on())
        try:
            async with asyncio.timeout(60):
                code = None
                while code is None:
                    try:
                        code = await flood.close_code()
                    except TimeoutError:
                        continue
        finally:
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
        assert code == 4429


@spec("mcpx refusals close 4413")
async def test_a_consumer_that_falls_behind_is_closed_and_delays_nobody() -> None:
    env = {"MCPX_OUTBOX_BYTES": "200000", "MCPX_RATE_LIMIT": "100000:100000"}
    async with running_gateway(env=env) as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.conducted(), ops.join("ann", "chat") as ann, ops.join("bob") as bob:
            token = gateway.token("slow", topics=[ops.name], capabilities=["chat"])
            slow = await ops.connect(token, max_queue=1)
            try:
                for _ in range(400):
                    sent = await ann.send("chat", {"text": "x" * 50_000})
                    for seat in (ann, bob):
                        assert (await seat.next_of("chat"))["id"] == sent.id
            finally:
                slow.transport.abort()
        assert [(event["participant"], event["code"]) for event in closes(gateway)] == [("slow", 4413)]


async def test_who_stands_behind_for_too_long_is_closed_however_little_waits() -> None:
    env = {"MCPX_OUTBOX_SECONDS": "0.5", "MCPX_OUTBOX_BYTES": "100000000", "MCPX_RATE_LIMIT": "100000:100000"}
    async with running_gateway(env=env) as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.conducted(), ops.join("ann", "chat") as ann, ops.join("bob") as bob:
            token = gateway.token("slow", topics=[ops.name], capabilities=["chat"])
            slow = await ops.connect(token, max_queue=1)
            leaving = asyncio.create_task(next_leave(bob))  # it may come while ann still speaks
            try:
                for _ in range(400):
                    await ann.send("chat", {"text": "x" * 50_000})
                    await ann.next_of("chat")
                left = await leaving
            finally:
                leaving.cancel()
                slow.transport.abort()
        assert left == {"id": "slow"}
        assert [(event["participant"], event["code"]) for event in closes(gateway)] == [("slow", 4413)]


async def next_leave(seat: Seat) -> Any:
    """Who leaves next."""
    while (told := (await seat.next_of("system/presence"))["payload"])["event"] != "leave":
        pass
    return told["participant"]


def closes(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """The connections that the gateway closed of itself, as its log tells."""
    return [event for event in gateway.log_events() if event["event"] == "connection.closed"]


@spec("mcpx refusals close 1012")
async def test_a_gateway_that_goes_away_closes_with_1012() -> None:
    async with running_gateway() as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.join("ann", "chat") as ann:
            code, status = await asyncio.gather(ann.close_code(), gateway.terminate())

        assert (code, status) == (1012, 0)
