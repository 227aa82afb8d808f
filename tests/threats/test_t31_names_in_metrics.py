"""T31: who was here and what was said leaves through metrics and logs."""

from __future__ import annotations

import asyncio
import re

import httpx

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import running_gateway

PARTICIPANTS = 1_000
AT_ONCE = 25


async def test_after_a_thousand_participants_there_are_at_most_two_hundred_series() -> None:
    async with (
        running_gateway(env={"MCPX_LOG_FORMAT": "json"}) as gateway,
        httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http,
    ):

        async def take_part(n: int) -> None:
            ops = TopicUnderTest(gateway, f"topic-{n % 40}")
            async with ops.join(f"person-{n}", f"x-{n}/thing", "chat") as seat:
                await seat.send(f"x-{n}/thing", {"text": f"secret-{n}"})
                await seat.send(f"x-{n}/forbidden/{n}", {"text": f"secret-{n}"})
                await seat.send_text(f'{{"id":"secret-{n}')
                await seat.next_error()
            await http.get(f"/ws?topic=topic-{n}&mode=m{n}", headers={"Authorization": f"Bearer {n}"})

        for at in range(0, PARTICIPANTS, AT_ONCE):
            await asyncio.gather(*(take_part(n) for n in range(at, at + AT_ONCE)))
        text = (await http.get("/metrics")).text
        log = gateway.log_text()

    series = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert f"mcpx_connections_opened_total {PARTICIPANTS}.0" in series
    assert len(series) <= 200
    assert not re.search(r"person-|topic-|secret-|x-\d", text)
    assert "person-7" in log, "who refuses what to whom is what a log is for"
    assert "secret-" not in log, "what was said is not"
