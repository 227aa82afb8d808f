"""One topic of a real gateway for one test; the process is shared by the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import pytest
import pytest_asyncio

from participants import Participant
from tests.gateway_process import GatewayProcess, running_gateway

_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class OneTopic:
    """A topic of a gateway process, and whoever joins it."""

    gateway: GatewayProcess
    name: str = "ops"

    def token(self, id: str, *capabilities: str) -> str:
        """A token for this topic alone; without capabilities it may do everything."""
        return self.gateway.token(id, topics=[self.name], capabilities=capabilities or ("mcp/*", "chat"))

    @asynccontextmanager
    async def joined(self, id: str, *capabilities: str) -> AsyncIterator[Participant]:
        """Somebody who is there while the block runs."""
        async with Participant.connect(self.gateway.url, self.name, self.token(id, *capabilities)) as me:
            yield me


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway() -> AsyncIterator[GatewayProcess]:
    """A gateway for all tests of a module: to start one takes longer than most of them."""
    async with running_gateway() as process:
        yield process


@pytest.fixture
def topic(shared_gateway: GatewayProcess) -> OneTopic:
    """A topic that no other test has."""
    return OneTopic(shared_gateway, f"topic-{next(_NUMBERS)}")
