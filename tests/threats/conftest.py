"""One gateway for the threats that need no gateway of their own, a topic for each, and a browser for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from tests.browser.conftest import chromium, context, page, script
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import RedisServer

__all__ = ["Starting", "chromium", "context", "gateway", "node", "ops", "page", "script"]

Starting = Callable[..., AbstractAsyncContextManager[GatewayProcess]]
"""Starts a node, with settings of its own as keywords."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway() -> AsyncIterator[GatewayProcess]:
    """A gateway as it starts by itself."""
    async with running_gateway(env={"MCPX_LOG_FORMAT": "json"}) as process:
        yield process


@pytest.fixture
async def ops(gateway: GatewayProcess) -> AsyncIterator[TopicUnderTest]:
    """A topic in which nobody but the test's own participants is."""
    async with TopicUnderTest(gateway).conducted() as topic:
        yield topic


@pytest.fixture
def node(redis_server: RedisServer, redis_prefix: str) -> Starting:
    """Start a node; all that a test starts share topics over one Redis."""
    env = {
        "MCPX_REDIS_URL": redis_server.url,
        "MCPX_REDIS_PREFIX": redis_prefix,
        "MCPX_RATE_LIMIT": "100000:100000",
        "MCPX_LOG_FORMAT": "json",
    }

    def start(**settings: str) -> AbstractAsyncContextManager[GatewayProcess]:
        return running_gateway(env={**env, **settings})

    return start
