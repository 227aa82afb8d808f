"""What a topic carries: one sender, many receivers, a real gateway process and real WebSockets."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import quantiles

from websockets.asyncio.client import ClientConnection, connect

from schemas import encode_envelope
from tests.gateway_process import GatewayProcess, running_gateway

PAYLOAD = {"text": "x" * 200}


@dataclass(frozen=True, slots=True)
class FanOut:
    """One run: how many envelopes reached how many receivers, and how long one took there and back."""

    receivers: int
    envelopes: int
    deliveries_per_s: float
    round_trip_p50_ms: float
    round_trip_p99_ms: float


def _chat(number: int) -> str:
    return encode_envelope(
        id=f"bench-{number}", ts="2026-01-12T09:30:00Z", sender="sender", kind="chat", payload=PAYLOAD
    ).decode()


async def _join(gateway: GatewayProcess, participant: str) -> ClientConnection:
    bearer = {"Authorization": f"Bearer {gateway.token(participant)}"}
    link = await connect(
        f"{gateway.url}/ws?topic=bench",
        additional_headers=bearer,
        compression=None,
        max_queue=None,
        proxy=None,
    )
    await link.recv()  # the welcome
    return link


async def _hear(link: ClientConnection, count: int) -> None:
    heard = 0
    while heard < count:
        if b'"kind":"chat"' in await link.recv(decode=False):
            heard += 1


async def measure(receivers: int, envelopes: int) -> FanOut:
    """Send `envelopes` as fast as they go and wait until every receiver heard each; then time single ones."""
    async with (
        running_gateway(env={"MCPX_RATE_LIMIT": "1000000:1000000"}) as gateway,
        AsyncExitStack() as stack,
    ):
        sender = await _join(gateway, "sender")
        links = [sender, *[await _join(gateway, f"receiver-{number}") for number in range(receivers)]]
        for link in links:
            stack.push_async_callback(link.close)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for link in links:
                group.create_task(_hear(link, envelopes))
            for number in range(envelopes):
                await sender.send(_chat(number))
        deliveries = envelopes * len(links) / (time.perf_counter() - began)

        trips = []
        for number in range(500):
            began = time.perf_counter()
            await sender.send(_chat(envelopes + number))
            await _hear(sender, 1)
            trips.append((time.perf_counter() - began) * 1000)
        cuts = quantiles(trips, n=100)
        return FanOut(receivers, envelopes, deliveries, cuts[49], cuts[98])
