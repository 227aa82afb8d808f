"""
Unexpected bytes at the doors beside the gateway's own: each is refused by name, without a traceback.

The metrics port, the router's HTTP door and its tools, the approver's tools, a
bridge from both of its sides, and what is typed into `mcpx join`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from participants import Participant, RequestFailed, RequestTimeout
from tests.conformance.topic_under_test import TopicUnderTest
from tests.fuzz.targets import mutated
from tests.fuzz.test_unexpected_bytes import STRANGE, at_once, no_requests
from tests.gateway_process import GatewayProcess, running_gateway
from tests.participants.cli.mcpx_process import McpxProcess, mcpx_process
from tests.redis_server import free_port

COUNT: Final = int(os.environ.get("BYTES") or 40)
TOPIC: Final = "doors"
FAILING_SERVER: Final = Path(__file__).parents[1] / "faults" / "failing_server.py"
INTERNAL_ERROR: Final = -32603
BAD: Final = re.compile(r"Traceback \(most recent|File \"/|exception was never retrieved|Unhandled")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(metrics_port: int) -> AsyncIterator[GatewayProcess]:
    env = {"MCPX_METRICS_PORT": str(metrics_port), "MCPX_RATE_LIMIT": "100000:100000"}
    async with running_gateway(env=env) as process:
        yield process
        assert not BAD.search(process.log_text()), process.log_text()[-3000:]


def environment(gateway: GatewayProcess, participant: str, profile: str = "full") -> dict[str, str]:
    token = gateway.token(participant, topics=[TOPIC], profile=profile)
    return {"MCPX_URL": gateway.http_url, "MCPX_TOPIC": TOPIC, "MCPX_TOKEN": token}


@asynccontextmanager
async def running(
    gateway: GatewayProcess, *command: str, name: str, profile: str = "full"
) -> AsyncIterator[McpxProcess]:
    """Run a command of `mcpx` that stays; it must end without ever having shown a traceback."""
    async with mcpx_process(*command, env=environment(gateway, name, profile)) as process:
        yield process
        process.signal(signal.SIGTERM)
        ended = await process.end()
        assert not BAD.search(ended.out + ended.err), (ended.out + ended.err)[-3000:]


def values(random: Random, depth: int = 3) -> Any:
    """Any JSON, of strange parts."""
    match random.randrange(8 if depth else 5):
        case 0 | 1:
            return random.choice(STRANGE)
        case 2:
            return random.choice((0, -1, 2**63, 1e300, 0.1))
        case 3:
            return random.choice((None, True, False))
        case 4:
            return random.choice(([], {}))
        case 5:
            return [values(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            names = (
                "name",
                "arguments",
                "intent",
                "cursor",
                "uri",
                "effect",
                "proposer",
                "target",
                "tool",
                "x",
            )
            return {random.choice(names): values(random, depth - 1) for _ in range(random.randrange(4))}


async def test_at_the_metrics_port(gateway: GatewayProcess, metrics_port: int) -> None:
    assert gateway.is_running
    await at_once(no_requests()[:: max(1, 300 // COUNT)], metrics_port)

    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{metrics_port}", trust_env=False, timeout=30
    ) as http:
        assert (await http.get("/metrics")).status_code == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A router that fulfills by rules and serves HTTP; where it does."""
    rules = tmp_path_factory.mktemp("rules") / "rules.json"
    command = ("router", "--encoder", "none", "--rules", str(rules), "--http-port", "0")
    async with running(gateway, *command, name="router") as process:
        yield (await process.read_error_until("http://")).strip()


async def test_at_the_routers_http_door(gateway: GatewayProcess, router: str) -> None:
    random = Random("router")
    await at_once(no_requests()[:: max(1, 300 // COUNT)], int(router.rpartition(":")[2]))
    good = b'{"topic":"doors","intent":"get the weather","context":{}}'
    turns = b'{"topic":"doors","model":"none","messages":[{"role":"user","content":"hello"}]}'
    tokens = (gateway.token("ann", topics=[TOPIC]), gateway.token("bob", topics=["else"]), "x.y.z", "?")
    async with httpx.AsyncClient(base_url=router, trust_env=False, timeout=20) as http:
        for n in range(COUNT):
            path = random.choice(("/v2/execute", "/v2/stream", "/openapi.json", "/healthz", "/%ff"))
            body = mutated(random, good, turns) if n % 3 else json.dumps(values(random)).encode()
            headers = {"Authorization": f"Bearer {random.choice(tokens)}"}
            answer = await http.request(
                random.choice(("POST", "POST", "PUT")), path, content=body, headers=headers
            )
            assert answer.status_code < 500 or answer.status_code == 503, (path, body, answer.text)
            assert not BAD.search(answer.text)
            if answer.status_code >= 400:
                assert answer.json()["code"], (path, body)
                assert answer.headers["content-type"] == "application/problem+json"


TOOLS: Final = (
    "route_intent",
    "execute_intent",
    "rules_add",
    "rules_list",
    "rules_remove",
    "rules_test",
    "stats",
)


async def answered(me: Participant, params: dict[str, Any]) -> str:
    """What comes of a call: a result, or an error that is not the router's own fault."""
    try:
        return json.dumps((await me.request("router", "tools/call", params, timeout=20)).result)
    except RequestFailed as refused:
        return f"Traceback (most recent of {params})" if refused.code == INTERNAL_ERROR else str(refused)


@pytest.mark.usefixtures("router")
async def test_at_the_tools_of_router_and_approver(gateway: GatewayProcess) -> None:
    random = Random("tools")
    token = gateway.token("ann", topics=[TOPIC])
    async with Participant.connect(gateway.url, TOPIC, token) as ann:
        for n in range(COUNT):
            arguments = values(random)
            params = {"name": TOOLS[n % len(TOOLS)], "arguments": arguments}
            told = await answered(ann, params)
            assert not BAD.search(told), (params, told)
        await ann.request("router", "tools/call", {"name": "stats", "arguments": {}}, timeout=20)


async def test_on_both_sides_of_a_bridge(gateway: GatewayProcess, tmp_path: Path) -> None:
    random = Random("bridge")
    command = ("bridge", "--", sys.executable, str(FAILING_SERVER), str(tmp_path / "mute"))
    count = {"name": "count", "arguments": {}}
    kinds = ("mcp/request:tools/call:count", "mcp/request:tools/list", "mcp/response:x")
    async with (
        asyncio.timeout(60),
        running(gateway, *command, name="files", profile="server"),
        TopicUnderTest(gateway, TOPIC).join("eve", "mcp/*", "chat") as eve,
        Participant.connect(gateway.url, TOPIC, gateway.token("ann", topics=[TOPIC])) as ann,
    ):
        events = ann.events()
        while "files" not in ann.roster:
            await anext(events)
        for _ in range(COUNT):
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": values(random)}
            payload = values(random) if random.random() < 0.5 else call
            said = payload if isinstance(payload, dict) else {"x": payload}
            await eve.send(random.choice(kinds), said, to=["files"], id=str(uuid4()))
        with pytest.raises((RequestFailed, RequestTimeout)):
            await ann.request("files", "tools/call", {"name": "babble", "arguments": {}}, timeout=1)
        assert (await ann.request("files", "tools/call", count, timeout=20)).result == {"content": []}
        while '"mcp/response:tools/call:count"' not in (heard := await eve.next_text()):
            assert not BAD.search(heard)


async def test_in_what_is_typed_into_join(gateway: GatewayProcess) -> None:
    random = Random("join")
    known = (
        b'{"chat":"hello"}',
        b'{"call":{"target":"x","method":"tools/list"},"tag":1}',
        b'{"approve":"1"}',
        b"/who",
    )
    for how in ((), ("--json",)):
        async with mcpx_process("join", *how, env=environment(gateway, "typist")) as process:
            typed = [mutated(random, random.choice(known), random.choice(known)) for _ in range(COUNT)]
            typed += [
                b"\xff\xfe\x00",
                b"[" * 5_000,
                b'{"call":{"params":' + b"[" * 2_000,
                b"x" * (1 << 20) + b"y",
            ]
            ended = await process.end(b"\n".join(each.replace(b"\n", b" ") for each in typed) + b"\n")
            assert not BAD.search(ended.out + ended.err), (ended.out + ended.err)[-3000:]
            assert ended.code == 0, ended.err[-2000:]
            if how:
                events = [json.loads(line) for line in ended.out.splitlines()]
                assert {"welcome", "done", "failed"} <= {event["event"] for event in events}
