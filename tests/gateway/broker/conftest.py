"""Brokers for the tests of this folder: each test runs with every kind that it names."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.broker.memory import MemoryBroker
from gateway.broker.protocol import Broker
from gateway.broker.redis_broker import RedisBroker
from gateway.clock import ManualClock
from tests.gateway.broker.hearing import Hearing
from tests.redis_server import RedisServer

NewNode = Callable[[str], Awaitable[Hearing]]
"""Starts a node with this id; it is stopped when the test ends."""


async def started(broker: Broker, node: str, stack: AsyncExitStack) -> Hearing:
    """Start a node on a broker, and stop it with the stack."""
    hearing = Hearing(node, broker)
    await broker.start(node, hearing)
    stack.push_async_callback(broker.stop)
    return hearing


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def node(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[Hearing]:
    """One node, on a broker of each kind."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            epochs = (f"epoch{number}" for number in itertools.count())
            broker: Broker = MemoryBroker(new_epoch=lambda: next(epochs))
        else:
            server: RedisServer = request.getfixturevalue("redis_server")
            broker = RedisBroker(server.url, prefix=redis_prefix, clock=ManualClock())
        yield await started(broker, "n1", stack)


@pytest.fixture
async def new_node(redis_server: RedisServer, redis_prefix: str) -> AsyncIterator[NewNode]:
    """Nodes that share one Redis."""
    async with AsyncExitStack() as stack:

        async def new(name: str) -> Hearing:
            broker = RedisBroker(redis_server.url, prefix=redis_prefix, clock=ManualClock(), secret=b"k" * 32)
            return await started(broker, name, stack)

        yield new
