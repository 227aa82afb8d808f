"""More than one process: workers that share a port, and metrics on a port of their own."""

from __future__ import annotations

import httpx
import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import running_gateway
from tests.redis_server import RedisServer, free_port
from tests.requirements import spec


@pytest.mark.redis
@spec("mcpx delivery one order")
async def test_workers_share_a_port_and_a_topic_lives_on_any_of_them(
    redis_server: RedisServer, redis_prefix: str
) -> None:
    env = {"MCPX_REDIS_PREFIX": redis_prefix}
    async with running_gateway("--redis", redis_server.url, "--workers", "2", env=env) as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.conducted(), ops.join("ann", "chat") as ann:
            nodes = {ann.welcome["id"].rpartition("/")[0].rpartition("-")[2]}
            for n in range(400):
                async with ops.join(f"p{n}", "chat") as other:
                    nodes.add(other.welcome["id"].rpartition("/")[0].rpartition("-")[2])
                    sent = await other.send("chat")
                    assert (await ann.next_of("chat"))["id"] == sent.id
                if len(nodes) == 2:
                    break
        status = await gateway.terminate()

    assert len(nodes) == 2, "so many connections, and all on one of two workers"
    assert status == 0


async def test_metrics_have_a_port_of_their_own_if_asked() -> None:
    port = free_port()
    async with (
        running_gateway("--metrics-port", str(port)) as gateway,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        beside = await http.get(f"http://127.0.0.1:{port}/metrics")
        here = await http.get(f"{gateway.http_url}/metrics")

    assert "mcpx_connections 0.0" in beside.text
    assert here.status_code == 404


async def test_a_metrics_port_that_is_taken_is_named() -> None:
    async with running_gateway() as other:
        with pytest.raises(RuntimeError, match="--metrics-port"):
            async with running_gateway("--metrics-port", str(other.port)):
                pass
