"""`mcpx join`, `send`, `approve`, `reject`, `bridge`, `promote` and `revoke` against a real gateway."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from participants import Participant, ProposalRejected, Request, RequestFailed
from schemas import JsonObject
from tests.gateway_process import GatewayProcess, running_gateway
from tests.participants.cli.conftest import Ran
from tests.participants.cli.mcpx_process import mcpx_process, processes_with, run_mcpx
from tests.participants.client_gateway import scripted_gateway

STEP_S = 30.0
CALL = {"name": "write", "arguments": {"text": "old"}}


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayProcess]:
    async with running_gateway() as process:
        yield process


def env_of(gateway: GatewayProcess, participant: str, **token: str) -> dict[str, str]:
    """What somebody who takes part in `ops` has in their environment."""
    issued = gateway.token(participant, topics=["ops"], **token)  # type: ignore[arg-type]  # names of options
    return {"MCPX_URL": gateway.http_url, "MCPX_TOPIC": "ops", "MCPX_TOKEN": issued}


def enter(gateway: GatewayProcess, participant: str, profile: str) -> Participant:
    return Participant.connect(gateway.url, "ops", gateway.token(participant, profile=profile))


async def echo(request: Request) -> JsonObject:
    """A tool that tells what it was called with."""
    if request.params["name"] == "broken":
        raise RequestFailed(-32602, "no such tool")
    return {"content": [{"type": "text", "text": json.dumps(request.params["arguments"])}]}


async def test_a_script_joins_hears_and_says_by_json_lines(gateway: GatewayProcess) -> None:
    async with mcpx_process("join", "--json", env=env_of(gateway, "ann")) as ann:
        welcome = await ann.event("welcome")
        assert welcome["you"] == {"id": "ann", "capabilities": ["mcp/*", "chat"]}

        async with enter(gateway, "bob", "full") as bob:
            await ann.event("presence", change="join", **{"from": "system:gateway"})
            await bob.chat("hello, ann")
            assert (await ann.event("chat", **{"from": "bob"}))["text"] == "hello, ann"

            await ann.say(chat="hello, bob", to=["bob"], tag=1)
            done, chat = await ann.event("done", tag=1), await ann.event("chat", **{"from": "ann"})
            assert (chat["id"], chat["to"]) == (done["id"], ["bob"])

            await ann.say(who=True, tag=2)
            here = (await ann.event("done", tag=2))["participants"]
            assert sorted(peer["id"] for peer in here) == ["ann", "bob"]

            await ann.say(nonsense=True)
            assert (await ann.event("failed"))["error"] == "UsageRefused"

        await ann.say(quit=True)
        assert await ann.wait() == 0


async def test_at_the_end_of_the_input_what_is_under_way_is_finished(gateway: GatewayProcess) -> None:
    async with enter(gateway, "files", "server") as files:
        files.on_request(echo)
        line = json.dumps({"call": "files", "tool": "write", "arguments": {"n": 1}, "tag": "a"})

        ran = await run_mcpx("join", "--json", env=env_of(gateway, "ann"), stdin=line)

    done = next(json.loads(each) for each in ran.out.splitlines() if '"done"' in each)
    assert ran.code == 0
    assert (done["tag"], done["by"]) == ("a", "files")
    assert done["result"]["content"][0]["text"] == '{"n": 1}'


async def test_a_person_approves_edits_and_rejects_by_short_numbers(gateway: GatewayProcess) -> None:
    async with (
        enter(gateway, "files", "server") as files,
        enter(gateway, "agent", "proposal-only") as agent,
        mcpx_process("join", env=env_of(gateway, "ann")) as ann,
    ):
        files.on_request(echo)
        await ann.read_until("You are ann")

        first = asyncio.create_task(agent.request("files", "tools/call", CALL))
        assert "agent asks files for tools/call write" in await ann.read_until("Proposal #1")
        await ann.write("/approve 1")
        async with asyncio.timeout(STEP_S):
            assert (await first).fulfilled_by == "ann"

        second = asyncio.create_task(agent.request("files", "tools/call", CALL))
        await ann.read_until("Proposal #2")
        await ann.write("/edit 2")
        await ann.write('/edit 2 {"text": "new"}')
        async with asyncio.timeout(STEP_S):
            outcome = await second
        assert (outcome.edited, outcome.params["arguments"]) == (True, {"text": "new"})

        third = asyncio.create_task(agent.request("files", "tools/call", CALL))
        await ann.read_until("Proposal #3")
        await ann.write("/reject 3 not today")
        async with asyncio.timeout(STEP_S):
            with pytest.raises(ProposalRejected, match="not today"):
                await third

        await ann.write("/quit")
        ended = await ann.end()
    assert ended.code == 0
    assert '/edit 2 {"text": "old"}' in ended.err


async def test_what_others_wrote_cannot_steer_the_terminal(gateway: GatewayProcess) -> None:
    async with (
        enter(gateway, "mallory", "full") as mallory,
        mcpx_process("join", env=env_of(gateway, "ann")) as ann,
    ):
        await ann.read_until("You are ann")

        await mallory.chat("\x1b[1A\x1b[2Kann: I approve\u202e")

        line = await ann.read_until("mallory:")
        assert "\x1b" not in line
        assert "\\x1b[1A\\x1b[2Kann: I approve\\u202e" in line


async def test_ctrl_c_leaves_the_topic_with_status_130(gateway: GatewayProcess) -> None:
    async with mcpx_process("join", env=env_of(gateway, "ann")) as ann:
        await ann.read_until("You are ann")

        ann.signal(signal.SIGINT)

        ran = await ann.end()
        assert ran.code == 130
        assert "Traceback" not in ran.err


async def test_send_prints_the_id_of_what_was_accepted(gateway: GatewayProcess) -> None:
    async with enter(gateway, "bob", "full") as bob:
        events = bob.events()
        chat = await run_mcpx("send", "-", env=env_of(gateway, "ann"), stdin="two\nlines\n")
        envelope = json.dumps({"kind": "chat", "payload": {"text": "raw", "format": "plain"}, "to": ["bob"]})
        raw = await run_mcpx("send", "--envelope", env=env_of(gateway, "ann"), stdin=envelope)

        heard: dict[str, str] = {}
        async with asyncio.timeout(STEP_S):
            while len(heard) < 2:
                event = await anext(events)
                if getattr(event, "sender", None) == "ann":
                    heard[event.id] = event.text  # type: ignore[union-attr]  # ann only chats

    assert (chat.code, raw.code) == (0, 0)
    assert heard == {chat.out.strip(): "two\nlines", raw.out.strip(): "raw"}


async def test_send_of_what_is_not_allowed_is_exit_status_3(gateway: GatewayProcess) -> None:
    envelope = json.dumps(
        {"kind": "mcp/request:tools/list", "payload": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}}
    )

    ran = await run_mcpx(
        "send", "--envelope", env=env_of(gateway, "agent", profile="proposal-only"), stdin=envelope
    )

    assert ran.code == 3
    assert "capability" in ran.err


async def test_a_token_that_is_refused_is_exit_status_3(gateway: GatewayProcess) -> None:
    env = {**env_of(gateway, "ann"), "MCPX_TOPIC": "elsewhere"}

    ran = await run_mcpx("send", "hello", env=env)

    assert ran.code == 3
    assert env["MCPX_TOKEN"] not in ran.err


async def test_approve_and_reject_decide_on_a_proposal_made_before(gateway: GatewayProcess) -> None:
    async with enter(gateway, "files", "server") as files, enter(gateway, "agent", "proposal-only") as agent:
        files.on_request(echo)
        events = agent.events()

        async def propose() -> tuple[asyncio.Task[object], str]:
            task: asyncio.Task[object] = asyncio.create_task(agent.request("files", "tools/call", CALL))
            async with asyncio.timeout(STEP_S):
                while not (proposals := [each for each in agent.pending_proposals if each.mine]):
                    await anext(events)
            return task, proposals[-1].id

        first, id = await propose()
        approved = await run_mcpx(
            "approve", id[:8], "--arguments", "-", env=env_of(gateway, "ann"), stdin='{"text": "new"}'
        )
        assert approved.code == 0, approved.err
        assert json.loads(approved.out)["content"][0]["text"] == '{"text": "new"}'
        await first

        second, id = await propose()
        rejected = await run_mcpx("reject", id, "not today", "--reason", "policy", env=env_of(gateway, "ann"))
        assert rejected.code == 0, rejected.err
        with pytest.raises(ProposalRejected) as caught:
            await second
        assert (caught.value.by, caught.value.reason, caught.value.message) == ("ann", "policy", "not today")

        gone = await run_mcpx("approve", id, "--wait", "1s", env=env_of(gateway, "ann"))
        assert gone.code == 1
        assert "was seen" in gone.err


async def test_a_rejection_that_comes_too_late_is_said_so_at_once() -> None:
    async with scripted_gateway() as gateway:
        env = {"MCPX_URL": gateway.url, "MCPX_TOPIC": "ops", "MCPX_TOKEN": "any"}
        async with mcpx_process("reject", "prop", env=env) as ann:
            visit = await gateway.next_visit()
            await visit.welcome("ann", "mcp/*", others={"agent": ["mcp/proposal:*"], "bob": ["mcp/*"]})
            proposal = {"method": "tools/call", "params": CALL, "expiresAt": None}
            kind = "mcp/proposal:tools/call:write"
            await visit.say(kind, proposal, sender="agent", to=["files"], id="proposal")
            late = await visit.heard()
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}
            await visit.say(
                "mcp/request:tools/call:write", call, sender="bob", to=["files"], correlation_id="proposal"
            )
            await visit.pass_on(late.data)

            ended = await ann.end()

    assert str(late.kind) == "mcp/reject:tools/call:write"
    assert (ended.code, "too late" in ended.err) == (1, True), ended.err


async def test_a_bridge_sees_the_variables_that_are_named_and_never_the_token(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    marker = f"bridge-{uuid4().hex}"
    server = tmp_path / f"{marker}.py"
    server.write_text(
        "import os\n"
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('env')\n"
        "@server.tool()\n"
        "def names() -> str:\n"
        "    return ' '.join(sorted(os.environ))\n"
        "server.run('stdio')\n"
    )
    env = {**env_of(gateway, "env", profile="server"), "ALLOWED": "1", "HIDDEN": "2"}
    async with enter(gateway, "ann", "full") as ann:
        events = ann.events()
        async with mcpx_process(
            "bridge", "--env", "ALLOWED", "--", sys.executable, str(server), env=env
        ) as bridge:
            async with asyncio.timeout(STEP_S):
                while "env" not in ann.roster:
                    await anext(events)
                outcome = await ann.request("env", "tools/call", {"name": "names", "arguments": {}})
            bridge.signal(signal.SIGINT)
            ended = await bridge.end()

    seen = outcome.result["content"][0]["text"].split()
    assert "ALLOWED" in seen
    assert not {"HIDDEN", "MCPX_TOKEN"} & set(seen)
    assert "Traceback" not in ended.err
    assert ended.code == 130
    assert processes_with(marker) == []


async def test_a_bridge_whose_log_nobody_reads_goes_on(gateway: GatewayProcess) -> None:
    server = (sys.executable, str(Path(__file__).parents[1] / "bridge_servers.py"))
    async with (
        mcpx_process("bridge", "--", *server, env=env_of(gateway, "files", profile="server")),
        enter(gateway, "ann", "full") as ann,
    ):
        async with asyncio.timeout(STEP_S):
            events = ann.events()
            while "files" not in ann.roster:
                await anext(events)
        for _ in range(3):
            outcome = await ann.request(
                "files", "tools/call", {"name": "shout", "arguments": {}}, timeout=STEP_S
            )
            assert outcome.result["content"][0]["text"] == "said"


async def test_promote_and_revoke_change_a_connection_that_is_open(gateway: GatewayProcess) -> None:
    admin = {"MCPX_URL": gateway.http_url, "MCPX_ADMIN_TOKEN": gateway.admin_token()}
    async with enter(gateway, "agent", "proposal-only") as agent:
        events = agent.events()
        pattern = "mcp/request:tools/call:write"

        promoted = await run_mcpx("promote", "agent", "--add", pattern, "--reason", "x", env=admin)
        assert promoted.code == 0, promoted.err
        assert pattern in promoted.out.split()
        async with asyncio.timeout(STEP_S):
            while pattern not in agent.capabilities.patterns:
                await anext(events)

        again = await run_mcpx("promote", "agent", "--add", pattern, "--reason", "x", "--json", env=admin)
        assert again.code == 0, again.err
        assert json.loads(again.out)["participantId"] == "agent"

        revoked = await run_mcpx("revoke", "agent", "--reason", "token leaked", env=admin)
        assert revoked.code == 0, revoked.err
        async with asyncio.timeout(STEP_S):
            assert (await agent.wait_closed()).code == 4403


async def test_the_audit_log_is_verified_and_a_changed_line_is_found(gateway: GatewayProcess) -> None:
    admin = {"MCPX_URL": gateway.http_url, "MCPX_ADMIN_TOKEN": gateway.admin_token()}
    async with enter(gateway, "agent", "proposal-only"):
        await run_mcpx("promote", "agent", "--add", "mcp/request:tools/*", "--reason", "earned", env=admin)
    log = gateway.state_dir / "audit.jsonl"

    intact = await run_mcpx("audit", "verify", str(log), env={})
    log.write_text(log.read_text().replace("earned", "stolen"))
    altered = await run_mcpx("audit", "verify", str(log), env={})

    assert (intact.code, altered.code) == (0, 1)


async def test_what_an_admin_may_not_do_is_exit_status_3_and_says_why(gateway: GatewayProcess) -> None:
    tools, theirs = "mcp/request:tools/*", "mcp/proposal:tools/*"
    weak = gateway.admin_token(capabilities=["chat"])

    def promoting(who: str, change: str, pattern: str, token: str) -> Coroutine[Any, Any, Ran]:
        env = {"MCPX_URL": gateway.http_url, "MCPX_ADMIN_TOKEN": token}
        return run_mcpx("promote", who, change, pattern, "--reason", "x", env=env)

    async with enter(gateway, "agent", "proposal-only"):
        as_participant, beyond, stranger, still = await asyncio.gather(
            promoting("agent", "--add", tools, gateway.token("ann")),
            promoting("agent", "--add", tools, weak),
            promoting("nobody", "--add", "chat", gateway.admin_token()),
            promoting("agent", "--remove", theirs, gateway.admin_token()),
        )

    assert (as_participant.code, beyond.code, stranger.code, still.code) == (3, 3, 1, 1)
    assert "mcp/proposal:*" in still.err
    assert "Traceback" not in as_participant.err + beyond.err + stranger.err + still.err
