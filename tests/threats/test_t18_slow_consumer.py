"""T18: somebody who does not read makes the gateway keep what it was to read."""

from __future__ import annotations

import time
from typing import Final

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import running_gateway

MOST_MORE: Final = 64 << 20
"""Bytes of memory that a slow consumer may cost."""
SIZE: Final = 100_000
COUNT: Final = 900
"""So that, kept for each of the slow, five times as much would be kept."""
SLOW: Final = 4


async def test_memory_is_bounded_the_slow_are_closed_and_the_others_wait_for_nobody() -> None:
    env = {"MCPX_RATE_LIMIT": "100000:100000", "MCPX_LOG_FORMAT": "json"}
    async with running_gateway(env=env) as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.conducted(), ops.join("ann", "chat") as ann, ops.join("bob") as bob:

            async def round_trips(count: int) -> float:
                worst = 0.0
                for _ in range(count):
                    at = time.monotonic()
                    sent = await ann.send("chat", {"text": "x" * SIZE})
                    for seat in (ann, bob):
                        assert (await seat.next_of("chat"))["id"] == sent.id
                    worst = max(worst, time.monotonic() - at)
                return worst

            await round_trips(100)
            before = gateway.resident_bytes
            slow = []
            for n in range(SLOW):
                token = gateway.token(f"slow-{n}", topics=[ops.name], capabilities=["chat"])
                slow.append(await ops.connect(token, max_queue=1))
            worst, most = 0.0, 0
            for _ in range(COUNT // 50):
                worst = max(worst, await round_trips(50))
                most = max(most, gateway.resident_bytes)
            for socket in slow:
                socket.transport.abort()
        closed = [
            (e["participant"], e["code"]) for e in gateway.log_events() if e["event"] == "connection.closed"
        ]

    assert COUNT * SIZE * SLOW > 5 * MOST_MORE, "else keeping everything would pass"
    assert most - before < MOST_MORE
    assert sorted(closed) == [(f"slow-{n}", 4413) for n in range(SLOW)]
    assert worst < 9, "somebody waited for the slow, who have ten seconds"
