"""T22: after a crash somebody seems to be here who is not, or leaves twice, or leaves who is still here."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.threats.conftest import Starting

WITHIN_S = 15.0


@pytest.mark.redis
@pytest.mark.slow
async def test_members_of_a_killed_node_leave_once_within_fifteen_seconds_and_nobody_else_does(
    node: Starting,
) -> None:
    async with node() as one, node() as two:
        ops = TopicUnderTest(one)
        async with (
            ops.conducted(),
            ops.join("ann", "chat") as ann,
            ops.join("both", "chat"),
            ops.join("ghost-1", "chat", gateway=two) as first,
            ops.join("ghost-2", "chat", gateway=two) as second,
            ops.join("both", "chat", gateway=two) as third,
        ):
            await ann.heard()
            at = time.monotonic()
            await two.kill()
            left: dict[str, float] = {}
            while len(left) < 2:
                async with asyncio.timeout(WITHIN_S):
                    text = await ann.socket.recv()
                if '"leave"' in str(text):
                    for name in ("ghost-1", "ghost-2", "both", "ann"):
                        if f'"id":"{name}"' in str(text):
                            assert name not in left, "once"
                            left[name] = time.monotonic() - at
            for seat in (first, second, third):
                seat.socket.transport.abort()
            after = [one["payload"] for one in await ann.heard() if one["kind"] == "system/presence"]
            late = await _roster(ops)

    assert set(left) == {"ghost-1", "ghost-2"}
    assert max(left.values()) <= WITHIN_S
    assert [one for one in after if one["event"] == "leave"] == []
    assert {"ann", "both"} <= late
    assert not {"ghost-1", "ghost-2"} & late


async def _roster(ops: TopicUnderTest) -> set[str]:
    """Who is here, as one who comes now is told."""
    async with ops.join("late") as late:
        return {one["id"] for one in late.welcome["payload"]["participants"]}


async def test_the_end_of_an_old_socket_does_not_make_a_newer_one_leave(ops: TopicUnderTest) -> None:
    async with ops.join("bob") as bob, ops.join("ann", "chat") as new:
        async with ops.join("ann", "chat") as old:
            await bob.heard()
            old.socket.transport.abort()
        sent = await new.send("chat")

        heard = [(one["kind"], one["payload"].get("event")) for one in await bob.heard()]
        assert ("system/presence", "leave") not in heard
        assert ("chat", None) in heard
        assert (await new.next_of("chat"))["id"] == sent.id
