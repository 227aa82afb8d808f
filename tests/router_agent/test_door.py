"""The router as it is started: a process, a real gateway, a model's real wire, each caller's own token."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from router_agent.core.limits import Allowance
from tests.gateway_process import GatewayProcess, running_gateway
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import WEATHER
from tests.router_agent.routed_topic import Server
from tests.router_agent.test_web import Scripted, asked, bearer, served
from tests.router_agent.wire_server import WireServer, openai_wire

ROOT: Final = Path(__file__).parents[2]
SOON: Final = 30
CHECKS: Final = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@asynccontextmanager
async def started(gateway: GatewayProcess, models: Path) -> AsyncIterator[httpx.AsyncClient]:
    """`python -m router_agent` with its HTTP door on a free port; told to go at the end."""
    options = (
        "--encoder",
        "none",
        "--http-port",
        "0",
        "--http-allowed-hosts",
        "router.example, tools.example",
        "--models",
        str(models),
        "--act",
        "0.1",
        "--propose",
        "0",
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router_agent", "--topic", "ops", "--url", gateway.url, *options),
        cwd=ROOT,
        env={**os.environ, "MCPX_TOKEN": gateway.token("router"), "BIG_KEY": "sk-1"},
        stderr=PIPE,
    )
    try:
        assert process.stderr is not None
        while not (line := (await process.stderr.readline()).decode()).startswith("http://"):
            assert line, "it ended before it listened"
        async with httpx.AsyncClient(base_url=line.strip(), trust_env=False, timeout=SOON) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def frames_of(text: str) -> list[dict[str, str]]:
    """The fields of each server-sent event."""
    return [
        dict(line.split(": ", 1) for line in frame.split("\n") if not line.startswith(":"))
        for frame in text.strip().split("\n\n")
    ]


async def test_one_process_executes_streams_and_refuses(tmp_path: Path) -> None:
    server = Server(WEATHER, answer="sunny")
    wire = WireServer(openai_wire(["[TOOL: get the current weather of Oslo]"]), openai_wire(["Sunny."]))
    async with (
        asyncio.timeout(2 * SOON),
        wire.running(),
        running_gateway() as gateway,
        OneTopic(gateway).joined("tools") as offering,
    ):
        offering.on_request(server.answer)
        models = tmp_path / "models.toml"
        models.write_text(
            f'[models.big]\nkind = "openai"\nmodel = "m"\nbase_url = "{wire.url}/v1"\nkey_env = "BIG_KEY"\n'
        )
        async with started(gateway, models) as client:
            ann, guest = (
                bearer(gateway.token("ann")),
                bearer(gateway.token("guest", capabilities=["chat", "mcp/request:tools/list"])),
            )
            wish = asked("get the current weather of Oslo")
            done = await client.post("/v2/execute", json=wish, headers=ann)
            refused = await client.post("/v2/execute", json=wish, headers=guest)
            unknown = await client.post("/v2/execute", json=wish, headers=bearer("a.b.c"))
            by_name = [
                await client.post("/v2/execute", json=wish, headers={**guest, "Host": host})
                for host in ("tools.example:3000", "evil.example")
            ]
            turns = [{"role": "user", "content": "How is Oslo?"}]
            told = await client.post(
                "/v2/stream", json={"topic": "ops", "messages": turns, "model": "big"}, headers=ann
            )

    assert done.json()["steps"][0]["result"]["content"][0]["text"] == "sunny"
    assert refused.json()["error"] == "No tool is in view."
    assert (unknown.status_code, unknown.headers["content-type"]) == (401, "application/problem+json")
    assert [answer.status_code for answer in by_name] == [200, 421]
    frames = frames_of(told.text)
    assert [frame["id"] for frame in frames] == [str(number + 1) for number in range(len(frames))]
    assert [frame["event"] for frame in frames] == ["intent", "route", "result", "text", "done"]
    assert json.loads(frames[3]["data"]) == {"text": "Sunny."}
    assert server.done == [("weather.get_current", {"city": "Oslo"})] * 2
    assert wire.asked[0].headers["authorization"] == "Bearer sk-1"
    assert gateway.token("ann") not in str(wire.asked)


async def test_whatever_the_door_is_asked_it_answers_as_it_says() -> None:
    async with (
        running_gateway(env={"MCPX_RATE_LIMIT": "1000:10000", "MCPX_JOIN_RATE": "1000:10000"}) as gateway,
        served(OneTopic(gateway), Server(WEATHER), Scripted(), Allowance(1e6, 1e6)) as client,
    ):
        headers = bearer(gateway.token("ann"))
        described = await asyncio.to_thread(schemathesis.openapi.from_url, f"{client.base_url}/openapi.json")
        operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
        for operation, mode in itertools.product(operations, schemathesis.GenerationMode):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
            def ask(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(checks=CHECKS, headers=headers)

            await asyncio.to_thread(ask)

    assert len(operations) == 2
