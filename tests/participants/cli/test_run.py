"""`mcpx run`: the main job on one machine, and nothing left of it afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from participants import Chat, FulfillmentSeen, Participant, Presence, ProposalSeen, RequestSeen
from tests.participants.cli.mcpx_process import McpxProcess, mcpx_process, processes_with, run_mcpx
from tests.redis_server import free_port
from tests.requirements import spec

STEP_S = 30.0


@asynccontextmanager
async def running(state_dir: Path, *arguments: str) -> AsyncIterator[tuple[McpxProcess, dict[str, Any]]]:
    """`mcpx run --json` on a free port, and what it says once everything runs."""
    command = ("run", "--json", "--port", str(free_port()), "--name", "ann", *arguments)
    async with mcpx_process(*command, env={"MCPX_STATE_DIR": str(state_dir)}) as process:
        yield process, json.loads(await process.read_line())


def as_invited(scene: dict[str, Any]) -> Participant:
    """Who opens the invite link."""
    token = parse_qs(scene["link"].partition("#")[2])["token"][0]
    return Participant.connect(scene["url"], scene["topic"], token)


def log_of(workspace: str) -> list[str]:
    """The commit messages, newest first."""
    done = subprocess.run(
        ["git", "-C", workspace, "log", "--format=%s"], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


@spec("mcpx main job ends clean")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
async def test_after_ctrl_c_no_child_is_left(tmp_path: Path, number: signal.Signals, status: int) -> None:
    marker = f"state-{uuid4().hex}"
    async with running(tmp_path / marker) as (mcpx, scene):
        assert any("mcp_server_git" in each for each in processes_with(marker))
        assert any("-m gateway" in each for each in processes_with(marker))

        mcpx.signal(number)

        assert await mcpx.wait() == status
        assert processes_with(marker) == []
        with socket.socket() as port:
            assert port.connect_ex(("127.0.0.1", int(scene["url"].rpartition(":")[2]))) != 0


async def test_when_it_is_killed_outright_gateway_and_server_end_by_themselves(tmp_path: Path) -> None:
    marker = f"state-{uuid4().hex}"
    async with running(tmp_path / marker) as (mcpx, _):
        mcpx.signal(signal.SIGKILL)
        await mcpx.wait()

        async with asyncio.timeout(STEP_S):
            while processes_with(marker):  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.05)


@spec("mcpx main job approved")
async def test_the_agent_proposes_and_what_is_approved_is_done_to_real_files(tmp_path: Path) -> None:
    async with running(tmp_path / "state") as (_, scene), as_invited(scene) as ann:
        events = ann.events()
        before = log_of(scene["workspace"])
        async with asyncio.timeout(STEP_S):
            proposal = next(iter(ann.pending_proposals), None)
            while proposal is None:
                event = await anext(events)
                proposal = event.proposal if isinstance(event, ProposalSeen) else None

            outcome = await ann.fulfill(proposal)
            report = await _chat_with(events, "ann approved it")

    assert (proposal.proposer, proposal.to, proposal.context) == ("demo-agent", ("git",), "git_commit")
    assert before == ["Begin"]
    assert outcome.result["isError"] is False
    assert log_of(scene["workspace"]) == ["Add entry 1 to the journal", "Begin"]
    assert report.sender == "demo-agent"


@spec("mcpx main job promoted")
async def test_promoted_by_the_command_that_was_printed_the_same_agent_passes_directly(
    tmp_path: Path,
) -> None:
    env = {"MCPX_STATE_DIR": str(tmp_path / "state")}
    async with running(tmp_path / "state") as (_, scene), as_invited(scene) as ann:
        events = ann.events()
        promote = scene["promote"][scene["promote"].index("promote") :]
        demote = scene["demote"][scene["demote"].index("promote") :]

        promoted = await run_mcpx(*promote, env=env)
        assert promoted.code == 0, promoted.err
        async with asyncio.timeout(STEP_S):
            while True:
                event = await anext(events)
                assert not isinstance(event, FulfillmentSeen)
                if isinstance(event, RequestSeen) and event.sender == "demo-agent":
                    break
            await _chat_with(events, "git answered")
        assert log_of(scene["workspace"]) == ["Add entry 1 to the journal", "Begin"]

        demoted = await run_mcpx(*demote, env=env)
        assert demoted.code == 0, demoted.err
        async with asyncio.timeout(STEP_S):
            while not (
                isinstance(event := await anext(events), ProposalSeen) and event.sender == "demo-agent"
            ):
                assert not (isinstance(event, Presence) and event.event == "leave")


async def test_only_who_could_do_it_can_tell_the_agent_to_do_it_again(tmp_path: Path) -> None:
    env = {"MCPX_STATE_DIR": str(tmp_path / "state")}
    async with running(tmp_path / "state") as (_, scene), as_invited(scene) as ann:
        events = ann.events()
        arguments = ("send", "--url", scene["url"], "--topic", "demo", "-p", "mallory", "again")
        weak = await run_mcpx("token", "issue", "-p", "mallory", "-t", "demo", "-c", "chat", env=env)
        said = await run_mcpx(
            *[argument for argument in arguments if argument not in {"-p", "mallory"}],
            env={"MCPX_TOKEN": weak.out.strip()},
        )

        assert said.code == 0, said.err
        async with asyncio.timeout(STEP_S):
            answer = await _chat_with(events, "Sorry mallory")
        assert answer.sender == "demo-agent"


@spec("mcpx main job revoked")
async def test_when_the_agent_is_revoked_it_is_closed_and_the_rest_goes_on(tmp_path: Path) -> None:
    env = {"MCPX_STATE_DIR": str(tmp_path / "state")}
    async with running(tmp_path / "state") as (mcpx, scene), as_invited(scene) as ann:
        events = ann.events()

        revoked = await run_mcpx("revoke", "demo-agent", "--reason", "x", "--url", scene["url"], env=env)

        assert revoked.code == 0, revoked.err
        async with asyncio.timeout(STEP_S):
            while not (isinstance(event := await anext(events), Presence) and event.event == "leave"):
                pass
            outcome = await ann.request(
                "git", "tools/call", {"name": "git_log", "arguments": {"repo_path": scene["workspace"]}}
            )
        mcpx.signal(signal.SIGINT)
        ended = await mcpx.end()
    assert event.peer.id == "demo-agent"
    assert outcome.result["isError"] is False
    assert "4403" in ended.err
    assert ended.code == 130


async def test_a_second_one_in_the_same_state_directory_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "state"):
        second = await run_mcpx("run", env={"MCPX_STATE_DIR": str(tmp_path / "state")})

    assert second.code == 1
    assert "running already" in second.err


async def test_a_port_that_is_taken_is_refused_when_it_was_asked_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ran = await run_mcpx("run", "--port", str(port), env={"MCPX_STATE_DIR": str(tmp_path)})

    assert ran.code == 1
    assert f"Port {port} is taken" in ran.err


async def test_when_the_gateway_dies_run_says_why_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path / "state") as (mcpx, scene):
        os.kill(scene["gateway_pid"], signal.SIGKILL)

        ran = await mcpx.end()

    assert ran.code == 4
    assert "The gateway ended by itself" in ran.err
    assert "Traceback" not in ran.err


async def test_a_server_that_cannot_start_ends_everything(tmp_path: Path) -> None:
    marker = f"state-{uuid4().hex}"
    ran = await run_mcpx(
        "run",
        "--port",
        str(free_port()),
        "--",
        "no-such-server",
        env={"MCPX_STATE_DIR": str(tmp_path / marker)},
    )

    assert ran.code == 1
    assert "no-such-server" in ran.err
    assert "Traceback" not in ran.err
    assert processes_with(marker) == []


async def _chat_with(events: AsyncIterator[Any], text: str) -> Chat:
    async for event in events:
        if isinstance(event, Chat) and text in event.text:
            return event
    raise AssertionError(f"nobody said {text!r}")
