"""The examples in the pages run as they are shown, against a real gateway."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from participants import Participant
from router_agent.agent import RouterAgent
from router_agent.core import EVERY_CALL
from router_agent.opening import open_router
from router_agent.thinking import Thinker
from tests.gateway_process import GatewayProcess, running_gateway

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str) -> ModuleType:
    """Load one example as a module, as `python docs/examples/NAME.py` would."""
    found = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@asynccontextmanager
async def in_background(*works: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Run `works` beside the block; what fails in one fails the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def wait_present(gateway: GatewayProcess, *ids: str) -> None:
    """Return when all of `ids` are in the topic."""
    async with Participant.connect(gateway.url, "ops", gateway.token("watcher")) as me, asyncio.timeout(30):
        if set(ids) <= set(me.roster):
            return
        async for _ in me.events():
            if set(ids) <= set(me.roster):
                return


def ask(gateway: GatewayProcess, token: str, text: str) -> Coroutine[Any, Any, str]:
    answer: Coroutine[Any, Any, str] = example("ask").ask(
        gateway.url, "ops", token, "shouting", "shout", {"text": text}
    )
    return answer


async def test_who_may_ask_is_answered() -> None:
    async with running_gateway() as gateway:
        offering = example("offer").offer(gateway.url, "ops", gateway.token("shouting", profile="server"))
        async with in_background(offering), asyncio.timeout(30):
            await wait_present(gateway, "shouting")

            assert await ask(gateway, gateway.token("ann"), "hello") == "allowed: HELLO"


@pytest.mark.parametrize(
    ("harmless", "answer"),
    [
        ({"shout"}, "approved by approver: HELLO"),
        ({"whisper"}, "approver said no (policy): Only harmless tools are approved here"),
    ],
    ids=["approved", "rejected"],
)
async def test_who_may_only_propose_gets_what_the_approver_decides(harmless: set[str], answer: str) -> None:
    async with running_gateway() as gateway:
        offering = example("offer").offer(gateway.url, "ops", gateway.token("shouting", profile="server"))
        deciding = example("approve").decide(gateway.url, "ops", gateway.token("approver"), harmless)
        async with in_background(offering, deciding), asyncio.timeout(30):
            await wait_present(gateway, "shouting", "approver")

            assert await ask(gateway, gateway.token("agent", profile="proposal-only"), "hello") == answer


async def test_who_is_promoted_is_answered_without_an_approver() -> None:
    async with running_gateway() as gateway:
        token = gateway.token("agent", profile="proposal-only")
        offering = example("offer").offer(gateway.url, "ops", gateway.token("shouting", profile="server"))
        async with in_background(offering), asyncio.timeout(30):
            await wait_present(gateway, "shouting")
            async with Participant.connect(gateway.url, "ops", token):
                capabilities = await example("promote").promote(
                    gateway.http_url, gateway.admin_token(), "agent", "mcp/request:tools/call:shout", "earned"
                )

            assert "mcp/request:tools/call:shout" in capabilities
            assert await ask(gateway, token, "hello") == "allowed: HELLO"


async def test_who_says_what_they_want_is_served_by_a_router() -> None:
    async with running_gateway() as gateway:
        offering = example("offer").offer(gateway.url, "ops", gateway.token("shouting", profile="server"))
        thinker = Thinker(open_router(policy=EVERY_CALL))
        me = Participant.connect(gateway.url, "ops", gateway.token("router"))
        agent = RouterAgent(me, thinker)
        async with in_background(offering), asyncio.timeout(30), me, in_background(agent.run()):
            await agent.wait_offered("shouting")
            said = await example("intend").intend(
                gateway.url, "ops", gateway.token("ann"), "shout the text 'hello'"
            )

            assert "HELLO" in said
        thinker.close()


async def test_a_server_of_the_demonstration_answers_any_client() -> None:
    async with asyncio.timeout(30):
        assert "sunny, 20 °C in San Francisco" in await example("domain").weather("San Francisco")
        assert "has no 'Atlantis'" in await example("domain").weather("Atlantis")
