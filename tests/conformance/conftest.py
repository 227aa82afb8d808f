"""One gateway for all conformance tests, and a topic for each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import GatewayProcess, running_gateway


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway() -> AsyncIterator[GatewayProcess]:
    """A gateway on its embedded defaults."""
    async with running_gateway() as process:
        yield process


@pytest.fixture
async def ops(gateway: GatewayProcess) -> AsyncIterator[TopicUnderTest]:
    """A topic in which nobody but the test's own participants is."""
    async with TopicUnderTest(gateway).conducted() as topic:
        yield topic
