"""The demonstration, end to end: a real gateway, eight real servers, plain words, and nothing left behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from participants import Chat, Participant, Proposal, ProposalSeen
from tests.participants.cli.mcpx_process import processes_with, run_mcpx
from tests.router_demo import SENTENCE, as_invited, router_demo

STEP_S = 60.0

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """One demonstration for all tests of the module: it takes ten processes and some seconds to start."""
    state_dir = tmp_path_factory.mktemp("demo")
    async with router_demo(state_dir) as (_, scene):
        yield {**scene, "state_dir": state_dir}


async def executed(ann: Participant, intent: str) -> dict[str, Any]:
    """Have an intent executed; what the router only proposes, ann approves."""

    async def approve() -> None:
        async for event in ann.events():
            if isinstance(event, ProposalSeen) and event.proposal.proposer == "router":
                await ann.fulfill(event.proposal)

    approving = asyncio.create_task(approve())
    try:
        call = {"name": "execute_intent", "arguments": {"intent": intent}}
        outcome = await ann.request("router", "tools/call", call, timeout=STEP_S)
    finally:
        approving.cancel()
        await asyncio.wait({approving})
    told: dict[str, Any] = outcome.result["structuredContent"]
    return told


async def said(events: AsyncIterator[Any], text: str) -> str:
    """Return the next message of the router that has this in it."""
    async with asyncio.timeout(STEP_S):
        async for event in events:
            if isinstance(event, Chat) and event.sender == "router" and text in event.text:
                return event.text
    raise AssertionError(f"the router never said {text!r}")


async def proposed(events: AsyncIterator[Any]) -> Proposal:
    """Return the next proposal."""
    async with asyncio.timeout(STEP_S):
        async for event in events:
            if isinstance(event, ProposalSeen):
                return event.proposal
    raise AssertionError("nothing was proposed")


@pytest.mark.parametrize(
    ("domain", "intent", "answer"),
    [
        ("files", "read the file todo.md", "Book the hut"),
        ("git", "show the git log of ./notes", "Message: Begin"),
        ("database", "find user records where age > 25", "Chen"),
        ("calendar", "create an event 'Picnic' on 2026-03-08 at 2pm", "2026-03-08T14:00:00"),
        ("mail", "send email to john@example.com with the subject 'Lunch' and the text 'At noon'", "Sent to"),
        ("web", "search the web for AI news", "https://news.example/ai"),
        ("weather", "what is the weather in Tokyo?", "sunny"),
        ("scripts", "run the script picnic_list", "blanket"),
    ],
)
async def test_each_domain_does_what_is_said_in_plain_words(
    scene: dict[str, Any], domain: str, intent: str, answer: str
) -> None:
    async with as_invited(scene) as ann:
        told = await executed(ann, intent)

    (step,) = told["steps"]
    assert step["participant"] == domain
    assert step["result"].get("isError") is not True
    assert answer in str(step["result"]["content"])


async def test_what_changes_for_good_is_proposed_even_to_who_may_do_it(scene: dict[str, Any]) -> None:
    async with as_invited(scene) as ann:
        told = await executed(ann, "delete the file readme.md")
        assert (told["steps"][0]["way"], told["steps"][0]["fulfilledBy"]) == ("propose", "ann")
        listed = await executed(ann, "list the files")

    assert "readme.md" not in str(listed["steps"][0]["result"])


async def test_the_sentence_is_done_up_to_its_condition_and_on_when_told_so(scene: dict[str, Any]) -> None:
    async with as_invited(scene) as ann:
        events = ann.events()
        await ann.chat(f"@router {SENTENCE}")
        weather = await said(events, "check_weather answered")
        question = await said(events, "It depends")
        await ann.chat("@router yes")
        scripts = await said(events, "search_scripts answered")

    assert "sunny" in weather
    assert "68" in weather
    assert "not measured" in weather
    assert "if it is nice" in question
    assert "plan_hike" in scripts
    assert "picnic_list" in scripts


async def test_who_may_only_propose_gets_a_proposal_that_names_them(scene: dict[str, Any]) -> None:
    rights = ("-c", "chat", "-c", "mcp/proposal:*")
    issued = await run_mcpx(
        "token", "issue", "-p", "bob", "-t", "demo", *rights, env={"MCPX_STATE_DIR": str(scene["state_dir"])}
    )
    weak = Participant.connect(scene["url"], scene["topic"], issued.out.strip())
    async with as_invited(scene) as ann, weak as bob:
        seen, heard = ann.events(), bob.events()
        await bob.chat("@router check the weather in Oslo")
        proposal = await proposed(seen)
        await ann.fulfill(proposal)
        report = await said(heard, "check_weather answered")

    assert proposal.proposer == "router"
    assert proposal.params["_meta"]["mcpx.router/asker"] == "bob"
    assert "ann approved it" in report
    assert "snowy" in report


async def test_every_hint_that_is_printed_is_understood(scene: dict[str, Any]) -> None:
    async with as_invited(scene) as ann:
        for hint in scene["hints"]:
            call = {"name": "route_intent", "arguments": {"intent": hint.removeprefix("@router ")}}
            outcome = await ann.request("router", "tools/call", call, timeout=STEP_S)
            told = outcome.result["structuredContent"]

            understood = told["decision"] in {"act", "propose"} or "It depends" in told["question"]
            assert understood, (hint, told)


def descendants_of(pid: int) -> set[int]:
    """The processes below one: the weather's server has no marker in its command line."""
    parents = {}
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            if directory.name.isdigit():
                parents[int(directory.name)] = int(
                    (directory / "stat").read_text().rpartition(")")[2].split()[1]
                )
    found, fresh = set[int](), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh}
        found |= fresh
    return found


def is_alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def test_after_ctrl_c_no_server_is_left(tmp_path: Path) -> None:
    marker = f"state-{uuid4().hex}"
    async with router_demo(tmp_path / marker) as (mcpx, scene):
        running = processes_with(marker)
        domains = ("files", "database", "agenda", "mail", "pages", "scripts")
        assert all(any(f"router_agent.domains.{name}" in one for one in running) for name in domains)
        assert any("mcp_server_git" in one for one in running)
        assert len(scene["servers"]) == 8
        started = descendants_of(mcpx.pid)
        assert len(started) >= 9

        mcpx.signal(signal.SIGINT)

        assert await mcpx.wait() == 130
        assert processes_with(marker) == []
        async with asyncio.timeout(STEP_S):  # what was killed is buried in the kernel's own time
            while any(is_alive(pid) for pid in started):  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--demo", "circus"), "Choose one of: router"),
        (("--demo", "router", "--name", "mail"), "mail takes part already"),
        (("--demo", "router", "--", "a-server"), "brings its own servers"),
    ],
)
async def test_what_cannot_be_played_is_refused(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    ran = await run_mcpx("run", *arguments, env={"MCPX_STATE_DIR": str(tmp_path)})

    assert ran.code == 2
    assert why in ran.err
