"""
The main job, by clicking: a restricted agent proposes, a person decides, a real MCP server does it.

Everything is real: the gateway's process, the page in Chromium, the filesystem
server under `mcpx bridge`, the files. Where it says two nodes, browsers and
participants are on different ones, with Redis between them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from participants import (
    Closed,
    HandshakeRefused,
    Outcome,
    Participant,
    ProposalRejected,
    ProposalSeen,
    Welcome,
)
from schemas import Kind
from tests.browser.house import WRITE, House, write
from tests.gateway_process import running_gateway
from tests.redis_server import RedisServer
from tests.requirements import spec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session", params=["one node", "two nodes"])
async def house(request: pytest.FixtureRequest, tmp_path: Path, redis_prefix: str) -> AsyncIterator[House]:
    """The house on one node with its memory, and on two nodes with Redis between them."""
    folder = tmp_path / "files"
    folder.mkdir()
    if request.param == "one node":
        async with running_gateway() as gateway:
            house = House(gateway, gateway, folder)
            async with house.bridged():
                yield house
        return
    redis: RedisServer = request.getfixturevalue("redis_server")
    arguments, env = ("--redis", redis.url), {"MCPX_REDIS_PREFIX": redis_prefix}
    async with running_gateway(*arguments, env=env) as one, running_gateway(*arguments, env=env) as two:
        house = House(one, two, folder)
        async with house.bridged():
            yield house


@pytest_asyncio.fixture(loop_scope="session")
async def agent(house: House) -> AsyncIterator[Participant]:
    """The agent that may only propose."""
    async with house.agent() as agent:
        yield agent


def card(page: Page, state: str = "pending") -> Locator:
    return page.locator(f"[data-testid^='proposal-'][data-state='{state}']")


async def proposing(agent: Participant, path: Path, content: str, **options: Any) -> asyncio.Task[Outcome]:
    """Start the agent's call and return once its proposal is in the topic."""
    seen = asyncio.Event()

    async def watch() -> None:
        async for event in agent.events():
            if isinstance(event, ProposalSeen):
                seen.set()

    watching = asyncio.create_task(watch())
    call = asyncio.create_task(write(agent, path, content, **options))
    async with asyncio.timeout(30):
        await seen.wait()
    watching.cancel()
    return call


async def click_twice(page: Page, button: Locator) -> None:
    """Click twice where the button is, whatever is there the second time: as an impatient hand does."""
    await button.scroll_into_view_if_needed()
    box = await button.bounding_box()
    assert box is not None
    await page.wait_for_timeout(600)  # the page ignores clicks on a card that has just come
    await page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


async def welcomed_with(agent: Participant, kind: str) -> None:
    """Return once the agent knows that it may send this kind."""
    async with asyncio.timeout(30):
        if not agent.capabilities.grants(Kind.parse(kind)):
            async for event in agent.events():
                if isinstance(event, Welcome) and agent.capabilities.grants(Kind.parse(kind)):
                    return


async def result(call: asyncio.Task[Outcome]) -> Outcome:
    async with asyncio.timeout(30):
        return await call


@spec("mcpx main job approved", "MCPx 9.4 delegated fulfillment", "mcpx main job two nodes")
async def test_proposed_seen_approved_done_and_seen_by_all(
    house: House, agent: Participant, context: BrowserContext, chromium: Any
) -> None:
    ann = await house.open(context, "ann")
    other = await chromium.new_context()
    bob = await house.open(other, "bob", "read-only")
    path = house.folder / "hello.txt"

    call = await proposing(agent, path, "Hello, world\n")
    await expect(card(ann)).to_contain_text(str(path))
    await card(ann).get_by_test_id("approve").click()
    outcome = await result(call)

    assert path.read_text() == "Hello, world\n"
    assert (outcome.by, outcome.fulfilled_by, outcome.edited) == ("files", "ann", False)
    for page in (ann, bob):
        await expect(card(page, "executed").get_by_test_id("result")).to_contain_text("hello.txt")
    await other.close()


@spec("mcpx main job approved")
async def test_a_proposal_is_on_the_screen_within_300_ms(
    house: House, agent: Participant, context: BrowserContext
) -> None:
    ann = await house.open(context, "ann")
    await ann.evaluate(
        """() => {
            window.seen = [];
            new MutationObserver(() => {
                const cards = document.querySelectorAll("[data-testid^='proposal-']").length;
                while (window.seen.length < cards) window.seen.push(Date.now());
            }).observe(document.body, {subtree: true, childList: true});
        }"""
    )
    delays: list[float] = []
    # The median of five: the machine that runs this does other things too, for a while perhaps little else.
    while len(delays) < 25 and not (len(delays) >= 5 and sorted(delays[-5:])[2] < 0.3):
        n = len(delays)
        at = time.time()
        call = await proposing(agent, house.folder / f"{n}.txt", "x")
        await expect(ann.locator("[data-testid^='proposal-']")).to_have_count(n + 1)
        delays.append(await ann.evaluate("n => window.seen[n]", n) / 1000 - at)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    assert sorted(delays[-5:])[2] < 0.3, delays


@spec("mcpx main job rejected", "mcpx proposals rejected")
async def test_a_rejection_reaches_the_agent_with_its_reason(
    house: House, agent: Participant, context: BrowserContext
) -> None:
    ann = await house.open(context, "ann")
    path = house.folder / "no.txt"
    call = await proposing(agent, path, "x")

    await card(ann).get_by_test_id("reject").click()
    await ann.get_by_test_id("reject-reason").select_option("policy")
    await ann.get_by_test_id("reject-message").fill("Not on a Friday")
    await ann.get_by_test_id("reject-send").click()

    with pytest.raises(ProposalRejected) as rejection:
        await result(call)
    assert (rejection.value.by, rejection.value.reason, rejection.value.message) == (
        "ann",
        "policy",
        "Not on a Friday",
    )
    await expect(card(ann, "rejected")).to_contain_text("Not on a Friday")
    assert not path.exists()


@spec("mcpx main job latecomer", "mcpx proposals sent again")
async def test_a_browser_that_opens_ten_seconds_later_and_one_that_reloads_can_still_approve(
    house: House, agent: Participant, context: BrowserContext
) -> None:
    call = await proposing(agent, house.folder / "late.txt", "late")
    await asyncio.sleep(10)  # the claim is about this time, so nothing shorter would prove it
    ann = await house.open(context, "ann")
    await expect(card(ann)).to_be_visible()
    await ann.reload()
    await expect(card(ann)).to_be_visible()

    await card(ann).get_by_test_id("approve").click()

    assert (await result(call)).fulfilled_by == "ann"
    assert (house.folder / "late.txt").read_text() == "late"


@spec("mcpx main job latecomer", "mcpx proposals sent again")
async def test_a_second_browser_of_the_same_person_sees_what_is_pending_and_either_can_approve(
    house: House, agent: Participant, chromium: Any
) -> None:
    contexts = [await chromium.new_context() for _ in range(2)]
    first = await house.open(contexts[0], "ann")
    call = await proposing(agent, house.folder / "twice.txt", "by the second")
    await expect(card(first)).to_be_visible()

    second = await house.open(contexts[1], "ann")
    await card(second).get_by_test_id("approve").click()

    assert (await result(call)).fulfilled_by == "ann"
    assert (house.folder / "twice.txt").read_text() == "by the second"
    for page in (first, second):
        await expect(card(page, "executed")).to_contain_text("ann")
    for context in contexts:
        await context.close()


@spec("mcpx main job edited", "mcpx proposals edited")
async def test_an_edited_call_runs_edited(house: House, agent: Participant, context: BrowserContext) -> None:
    ann = await house.open(context, "ann")
    path = house.folder / "edited.txt"
    call = await proposing(agent, path, "as proposed")

    await card(ann).get_by_test_id("edit").click()
    editor = ann.get_by_test_id("edit-params")
    await editor.fill((await editor.input_value()).replace("as proposed", "as edited"))
    await ann.get_by_test_id("edit-send").click()
    outcome = await result(call)

    assert path.read_text() == "as edited"
    assert outcome.edited
    assert outcome.params["arguments"]["content"] == "as edited"
    await expect(card(ann, "executed")).to_contain_text("edited")


@spec("mcpx main job two clicks", "mcpx proposals once", "mcpx proposals late fulfillment")
async def test_two_people_who_click_at_once_run_it_once(
    house: House, agent: Participant, chromium: Any
) -> None:
    contexts = [await chromium.new_context() for _ in range(2)]
    ann, bob = [
        await house.open(context, name) for context, name in zip(contexts, ("ann", "bob"), strict=True)
    ]
    lookout = Participant.connect(
        house.gateway.url,
        house.topic,
        house.gateway.token("lookout", topics=[house.topic], capabilities=["chat"]),
    )
    async with lookout:
        call = await proposing(agent, house.folder / "once.txt", "once")
        for page in (ann, bob):
            await expect(card(page).get_by_test_id("approve")).to_be_enabled()
        await asyncio.gather(
            *(click_twice(page, card(page).get_by_test_id("approve")) for page in (ann, bob))
        )
        outcome = await result(call)
        for page in (ann, bob):
            await expect(card(page, "executed")).to_contain_text(f"{outcome.fulfilled_by}")

    assert outcome.fulfilled_by in ("ann", "bob")
    assert (house.folder / "once.txt").read_text() == "once"
    for context in contexts:
        await context.close()


@spec("mcpx main job promoted", "mcpx proposals any trust level", "mcpx main job revoked")
async def test_promoted_the_same_code_passes_then_it_proposes_again_then_it_is_out(
    house: House, agent: Participant, context: BrowserContext
) -> None:
    ann = await house.open(context, "ann")
    cards = ann.locator("[data-testid^='proposal-']")

    promoted = await house.promote(add=[WRITE])
    assert promoted.status_code == 200, promoted.text
    await welcomed_with(agent, WRITE)
    direct = await write(agent, house.folder / "direct.txt", "direct", timeout=30)
    assert (direct.fulfilled_by, (house.folder / "direct.txt").read_text()) == (None, "direct")
    await expect(cards).to_have_count(0)

    assert (await house.promote(remove=[WRITE])).status_code == 200
    # Without waiting for the welcome: a request that is refused becomes a proposal.
    call = await proposing(agent, house.folder / "again.txt", "again")
    await card(ann).get_by_test_id("approve").click()
    assert (await result(call)).fulfilled_by == "ann"

    revoked = await house.admin("/admin/revocations", jti=house.jti, reason="a test")
    assert revoked.status_code == 200, revoked.text
    async with asyncio.timeout(30):
        async for _ in agent.events():
            pass  # ends with the connection
    with pytest.raises(Closed) as closed:
        await write(agent, house.folder / "never.txt", "x")
    assert closed.value.code == 4403
    with pytest.raises(HandshakeRefused) as refused:
        async with house.agent():
            pass
    assert refused.value.status == 401


@spec("mcpx main job gateway restart")
async def test_the_page_comes_back_after_a_restart_and_says_what_it_may_have_missed(
    house: House, context: BrowserContext
) -> None:
    ann = await house.open(context, "ann")

    await house.gateway.terminate()
    await expect(ann.get_by_test_id("connection-state")).not_to_have_attribute("data-state", "online")
    await house.gateway.start()

    await expect(ann.get_by_test_id("connection-state")).to_have_attribute(
        "data-state", "online", timeout=60_000
    )
    await expect(ann.get_by_test_id("gap")).to_contain_text("missed")


async def test_the_roster_is_right_on_every_node_and_a_killed_node_s_members_leave(
    house: House, agent: Participant, context: BrowserContext
) -> None:
    ann = await house.open(context, "ann")
    for name in ("agent", "files", "ann"):
        await expect(ann.get_by_test_id(f"peer-{name}")).to_be_visible()
    assert {"files", "ann"} <= set(agent.roster)
    assert agent.roster["ann"].capabilities.grants(Kind.parse(WRITE))
    if house.agents_door is house.gateway:
        return

    await house.agents_door.kill()

    for name in ("agent", "files"):
        await expect(ann.get_by_test_id(f"peer-{name}")).to_have_count(0, timeout=30_000)
    await expect(ann.get_by_test_id("peer-ann")).to_be_visible()
