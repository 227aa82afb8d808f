"""While Redis is away nobody is let in, and everybody is told why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import running_redis
from tests.requirements import spec

pytestmark = pytest.mark.redis


async def wait_status(http: httpx.AsyncClient, path: str, status: int, **headers: str) -> httpx.Response:
    """Return the first answer that has this status; another process has no event to wait for."""
    async with asyncio.timeout(30):
        while (answer := await http.get(path, headers=headers)).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


def bearer(gateway: GatewayProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {gateway.token('ann', topics=['ops'])}"}


@spec("mcpx identity handshake 503")
async def test_a_handshake_is_answered_503_and_when_to_try_again(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        async with (
            running_gateway("--redis", redis.url) as gateway,
            httpx.AsyncClient(base_url=gateway.http_url, timeout=30) as http,
        ):
            assert (await http.get("/ws?topic=ops", headers=bearer(gateway))).status_code == 426

            redis.kill()
            answer = await wait_status(http, "/ws?topic=ops", 503, **bearer(gateway))

            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"


@spec("mcpx identity handshake 503", "mcpx delivery broker back")
async def test_readiness_follows_the_broker_and_liveness_does_not(tmp_path: Path) -> None:
    with running_redis(tmp_path, durable=True) as redis:
        async with (
            running_gateway("--redis", redis.url) as gateway,
            httpx.AsyncClient(base_url=gateway.http_url, timeout=30) as http,
        ):
            redis.kill()
            await wait_status(http, "/readyz", 503)
            assert (await http.get("/livez")).status_code == 200

            redis.start()
            await wait_status(http, "/readyz", 200)
            await wait_status(http, "/ws?topic=ops", 426, **bearer(gateway))
