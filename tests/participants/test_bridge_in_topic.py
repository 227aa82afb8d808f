"""A bridged real server in a real topic: gateway and bridge are processes, callers have connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError

from participants import Closed, HandshakeRefused, Notification, Participant, ProposalSeen, RequestFailed
from participants.bridge import ChildNotStarted, run_bridge
from participants.calling import topic_transport
from participants.serving import serve
from tests.gateway_process import GatewayProcess, running_gateway
from tests.npm_servers import npm_server
from tests.participants.bridge_processes import is_alive, killed_afterwards, until, wait_all_gone
from tests.requirements import spec

SERVER = str(Path(__file__).with_name("bridge_servers.py"))
SOON = 30

BRIDGE = """
    import asyncio, sys, structlog
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    from participants.bridge import run_bridge

    url, topic, *command = sys.argv[1:]
    ready = lambda me, facts: print("ready", me.id, facts.name, flush=True)
    asyncio.run(run_bridge(command, url, topic, sys.stdin.readline().strip(), on_ready=ready))
"""


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayProcess]:
    async with running_gateway() as process:
        yield process


@asynccontextmanager
async def bridge_process(gateway: GatewayProcess, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a bridge called `files` in the topic `ops`; it is killed if the block did not end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(BRIDGE),
        gateway.url,
        "ops",
        *command,
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "MCPX_TOKEN": "s3cret"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(gateway.token("files", profile="server").encode() + b"\n")
    try:
        async with asyncio.timeout(SOON):
            ready = await process.stdout.readline()
        assert ready.startswith(b"ready files"), ready
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def joining(gateway: GatewayProcess, name: str, *capabilities: str) -> Participant:
    token = gateway.token(name, capabilities=capabilities or None)
    return Participant.connect(gateway.url, "ops", token)


async def pids_of(me: Participant) -> list[int]:
    outcome = await me.request("files", "tools/call", {"name": "pids", "arguments": {}})
    pids: list[int] = json.loads(outcome.result["content"][0]["text"])
    return pids


async def test_the_official_client_writes_a_real_file_through_the_topic(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command = (npm_server("mcp-server-filesystem"), str(tmp_path))
    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, *command),
        joining(gateway, "alice") as alice,
        Client(topic_transport(alice, "files")) as client,
    ):
        await client.call_tool("write_file", {"path": str(tmp_path / "a.txt"), "content": "hello"})

    assert (tmp_path / "a.txt").read_text() == "hello"


@spec("mcpx proposals any trust level", "MCPx 8.2 MCP server")
async def test_a_proposer_with_the_official_client_has_its_call_done_by_the_one_who_approves(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command = (npm_server("mcp-server-filesystem"), str(tmp_path))
    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, *command),
        joining(gateway, "alice") as alice,
        joining(gateway, "novice", "mcp/proposal:*", "mcp/request:*/list", "chat") as novice,
        Client(topic_transport(novice, "files")) as client,
    ):
        seen = alice.events()
        await client.list_tools()
        call = asyncio.create_task(
            client.call_tool("write_file", {"path": str(tmp_path / "b.txt"), "content": "approved"})
        )
        async for event in seen:
            if isinstance(event, ProposalSeen):
                await alice.fulfill(event.proposal)
                break
        await call

    assert (tmp_path / "b.txt").read_text() == "approved"


async def test_a_rejection_reaches_the_official_client_with_its_reason(gateway: GatewayProcess) -> None:
    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, sys.executable, SERVER),
        joining(gateway, "alice") as alice,
        joining(gateway, "novice", "mcp/proposal:*", "chat") as novice,
        Client(topic_transport(novice, "files")) as client,
    ):
        seen = alice.events()
        call = asyncio.create_task(client.call_tool("pids", {}))
        async for event in seen:
            if isinstance(event, ProposalSeen):
                await alice.reject(event.proposal, "policy", "not on a Friday")
                break
        with pytest.raises(MCPError) as rejected:
            await call

    assert rejected.value.code == -32003
    assert rejected.value.data == {"by": "alice", "reason": "policy", "message": "not on a Friday"}


async def test_progress_crosses_the_topic_to_the_callback_of_the_official_client(
    gateway: GatewayProcess,
) -> None:
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, npm_server("mcp-server-everything")),
        joining(gateway, "alice") as alice,
        Client(topic_transport(alice, "files")) as client,
    ):
        arguments = {"duration": 0.3, "steps": 3}
        await client.call_tool("trigger-long-running-operation", arguments, progress_callback=on_progress)

    assert steps == [1, 2, 3]


async def test_a_restarted_server_is_the_same_participant_and_the_topic_hears_of_it(
    gateway: GatewayProcess,
) -> None:
    told: asyncio.Queue[Notification] = asyncio.Queue()
    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, sys.executable, SERVER),
        joining(gateway, "alice") as alice,
    ):
        alice.on_notification(told.put)
        before = await pids_of(alice)
        os.kill(before[0], signal.SIGKILL)
        notification = await told.get()
        await until_answered(alice)
        after = await pids_of(alice)

    assert notification.method == "notifications/tools/list_changed"
    assert before != after


async def until_answered(alice: Participant) -> None:
    """Ask until the server is up again; the caller bounds it."""
    while True:
        with suppress(RequestFailed):  # -32000, while it restarts
            await pids_of(alice)
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_a_bridge_is_ended_no_process_of_its_server_is_left(
    gateway: GatewayProcess, number: signal.Signals
) -> None:
    async with (
        asyncio.timeout(SOON + 10),
        bridge_process(gateway, sys.executable, SERVER, "family") as bridge,
        joining(gateway, "alice") as alice,
    ):
        pids = await pids_of(alice)
        with killed_afterwards(pids):
            assert len(pids) == 3
            assert all(is_alive(pid) for pid in pids)

            bridge.send_signal(number)
            await bridge.wait()
            await wait_all_gone(pids)
            await until(lambda: "files" not in alice.roster)

        assert bridge.returncode == (-9 if number is signal.SIGKILL else 0)


async def test_the_servers_environment_holds_no_token(gateway: GatewayProcess) -> None:
    async with (
        asyncio.timeout(SOON),
        bridge_process(gateway, sys.executable, SERVER),
        joining(gateway, "alice") as alice,
    ):
        outcome = await alice.request("files", "tools/call", {"name": "env", "arguments": {}})

    assert "s3cret" not in outcome.result["content"][0]["text"]


async def test_a_bridge_whose_token_is_not_let_in_ends_with_the_reason(gateway: GatewayProcess) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        async with asyncio.timeout(SOON):
            await run_bridge((sys.executable, SERVER), gateway.url, "ops", "no token")

    assert refused.value.status == 401


async def test_a_bridge_that_is_disconnected_for_good_ends_with_the_close_code(
    gateway: GatewayProcess,
) -> None:
    token = gateway.token("files", profile="server", ttl_s=6)  # a server starts meanwhile
    with pytest.raises(Closed) as closed:
        async with asyncio.timeout(SOON):
            await run_bridge((sys.executable, SERVER), gateway.url, "ops", token)

    assert closed.value.code == 4401


async def test_a_bridge_without_its_command_says_so_before_it_joins(gateway: GatewayProcess) -> None:
    with pytest.raises(ChildNotStarted):
        await run_bridge(("no-such-server",), gateway.url, "ops", "no token")


async def test_an_sdk_server_is_served_and_called_over_the_wire_in_both_eras(gateway: GatewayProcess) -> None:
    server = MCPServer("clock")

    @server.tool()
    async def tick(times: int, ctx: Context[Any]) -> str:
        for step in range(times):
            await ctx.report_progress(step + 1, times)
        return "tock"

    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    clock = joining(gateway, "clock", "mcp/response:*", "mcp/request:notifications/*")
    async with asyncio.timeout(SOON), serve(clock, server), clock, joining(gateway, "alice") as alice:
        for mode in ("legacy", "auto"):
            async with Client(topic_transport(alice, "clock"), mode=mode) as client:
                result: Any = await client.call_tool("tick", {"times": 2}, progress_callback=on_progress)
                assert result.content[0].text == "tock"

    assert steps == [1, 2, 1, 2]
