"""One gateway for all conformance tests, and a topic for each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import RedisServer


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["memory", "redis"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[GatewayProcess]:
    """A gateway on its embedded defaults, and one whose topics are in Redis."""
    arguments: tuple[str, ...] = ()
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        arguments = ("--redis", server.url)
    async with running_gateway(*arguments) as process:
        yield process


@pytest.fixture
async def ops(gateway: GatewayProcess) -> AsyncIterator[TopicUnderTest]:
    """A topic in which nobody but the test's own participants is."""
    async with TopicUnderTest(gateway).conducted() as topic:
        yield topic
