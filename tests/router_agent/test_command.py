"""`python -m router_agent`: it enters, routes, and ends when it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from router_agent.calibration import calibrate
from router_agent.cases import Case, Expected
from router_agent.configuring import read_models
from router_agent.core import Intent
from router_agent.core.limits import Breaker, State
from router_agent.errors import ModelUnavailable
from router_agent.generating import GgufWriter
from tests.gateway_process import running_gateway
from tests.router_agent.core.tools_at_hand import ALL, EXCHANGE, READ, WEATHER
from tests.router_agent.test_agent_in_topic import Server, call, joined

ROOT = Path(__file__).parents[2]


async def test_the_process_routes_and_ends_with_a_signal() -> None:
    server = Server(WEATHER)
    async with (
        asyncio.timeout(60),
        running_gateway() as gateway,
        joined(gateway, "tools") as offering,
        joined(gateway, "ann") as ann,
    ):
        offering.on_request(server.answer)
        arguments = [
            "--topic",
            "ops",
            "--url",
            gateway.url,
            "--encoder",
            "none",
            "--act",
            "0",
            "--propose",
            "0",
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router_agent", *arguments),
            cwd=ROOT,
            env={**os.environ, "MCPX_TOKEN": gateway.token("router")},
            stderr=PIPE,
        )
        try:
            assert process.stderr is not None
            assert b"by words and rules alone" in await process.stderr.readline()
            told = await call(ann, "route_intent", "get the current weather of Oslo")
            while not told["calls"]:  # its tools may not have been told yet
                told = await call(ann, "route_intent", "get the current weather of Oslo")
            process.send_signal(signal.SIGTERM)

            assert told["calls"][0]["tool"] == "weather.get_current"
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_without_a_token_it_says_so() -> None:
    env = {name: value for name, value in os.environ.items() if name != "MCPX_TOKEN"}
    async with asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "router_agent", "--topic", "ops", cwd=ROOT, env=env, stderr=PIPE
        )
        _, errors = await process.communicate()

    assert process.returncode == 2
    assert b"There is no token" in errors


class BrokenModel:
    """A model whose every answer fails."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def dialect(self) -> BrokenModel:
        return self

    def prompt(self, *_: object) -> str:
        return "prompt"

    def tokens(self, text: str) -> list[int]:
        return [len(text)]

    def begin(self, tokens: object) -> None:
        self.asked += 1
        raise ValueError(f"{tokens} do not fit")


def test_a_model_that_fails_is_no_reason_for_a_route_to_fail() -> None:
    model, breaker = BrokenModel(), Breaker(failures=2, pause=100)
    writer = GgufWriter(model, breaker=breaker, clock=lambda: 0.0)

    assert [writer.write(Intent.of("x"), [READ]) for _ in range(5)] == [()] * 5
    assert model.asked == 2
    assert breaker.state(0.0) is State.OPEN


def test_the_same_cases_give_the_same_gate() -> None:
    wanted = {
        "get the current weather of Oslo": Expected(WEATHER.name, {"city": ["Oslo"]}),
        "read the text file a.txt": Expected(READ.name, {"path": ["a.txt"]}),
        "convert 5 euros to dollars": Expected(EXCHANGE.name, {"amount": [5]}),
    }
    cases = [Case(intent, intent, ALL, (expected,)) for intent, expected in wanted.items()] * 4

    one, other = calibrate(cases, None, seed=3), calibrate(cases, None, seed=3)

    assert one.json() == other.json()
    assert 0 <= one.floor <= 1


def test_an_operator_is_told_which_model_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[models.big]\nkind = "telepathy"\n')

    with pytest.raises(ModelUnavailable, match=r"big cannot be used.*telepathy"):
        read_models(path, {})
