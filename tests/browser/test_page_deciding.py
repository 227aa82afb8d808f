"""Cards of proposals in Chromium: what they show, and what a click on them does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_gateway import FULL, PROPOSER, TARGET, ScriptedGateway
from tests.browser.steps import WRITE, fulfillment, joined, proposed
from tests.requirements import spec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def instant_in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_a_proposal_shows_who_asks_whom_for_what_with_every_argument(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await joined(page, script)
    arguments = {
        "path": "a.txt",
        "mode": 420,
        "force": True,
        "note": None,
        "tags": ["x"],
        "empty": "",
        "large": "y" * 9_000,
    }
    await seat.say(script.proposal("p", arguments, expires_at=instant_in(100)))
    card = page.get_by_test_id("proposal-p")

    for text in (
        "agent-1 proposes that files runs",
        "write_file",
        "tools/call",
        "Waiting for approval",
        "expires in 1:",
    ):
        await expect(card).to_contain_text(text)
    for name in arguments:
        await expect(card.get_by_role("rowheader", name=name, exact=True)).to_be_visible()
    await expect(card).to_contain_text("9,000 characters")
    await card.get_by_test_id("unfold").click()
    await expect(card).to_contain_text("y" * 9_000)
    await card.get_by_text("Raw JSON").click()
    await expect(card.locator("details pre")).to_contain_text('"mode": 420')
    await expect(page.get_by_test_id("pending-count")).to_have_text("1")
    assert await page.title() == "(1) ops · mcpx"


@spec("mcpx main job approved")
async def test_an_approved_proposal_is_sent_as_proposed_and_its_result_is_shown(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await proposed(page, script)

    await page.get_by_role("button", name="Approve write_file from agent-1").click()

    request = await seat.next_sent()
    assert request["kind"] == "mcp/request:tools/call:write_file"
    assert (request["to"], request["correlation_id"], request["from"]) == (["files"], "p", "ann")
    assert request["payload"]["params"] == {"name": "write_file", "arguments": WRITE}
    card = page.get_by_test_id("proposal-p")
    await expect(card).to_have_attribute("data-state", "approved")
    await seat.say(script.response(request, result={"content": [{"type": "text", "text": "wrote 6 bytes"}]}))
    await expect(card).to_have_attribute("data-state", "executed")
    await expect(card.get_by_test_id("result")).to_contain_text("wrote 6 bytes")
    await expect(card.get_by_test_id("result")).to_have_attribute("data-error", "false")
    await expect(card).to_contain_text("ann approved it")
    await expect(page.get_by_test_id("pending-count")).to_have_text("0")
    assert await page.title() == "ops · mcpx"


async def test_a_call_that_fails_says_so_on_its_card(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    await page.get_by_test_id("approve").click()
    request = await seat.next_sent()

    await seat.say(
        script.response(request, result={"content": [{"type": "text", "text": "disk full"}], "isError": True})
    )

    card = page.get_by_test_id("proposal-p")
    await expect(card).to_have_attribute("data-state", "failed")
    await expect(card.get_by_test_id("result")).to_have_attribute("data-error", "true")
    await expect(card.get_by_test_id("result")).to_contain_text("disk full")


async def test_an_approval_is_on_its_way_until_it_comes_back(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    script.echoes = False

    await page.get_by_test_id("approve").click()

    request = await seat.next_sent()
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "sending")
    await seat.say(json.dumps(request))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "approved")


async def test_a_double_click_sends_one_request(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    script.echoes = False

    await page.get_by_test_id("approve").dblclick()
    await page.get_by_test_id("composer-text").fill("marker")
    await page.get_by_test_id("composer-text").press("Enter")

    assert [(await seat.next_sent())["kind"] for _ in range(2)] == [
        "mcp/request:tools/call:write_file",
        "chat",
    ]


@pytest.mark.parametrize("button", ["edit", "reject"])
async def test_a_double_click_that_opens_a_form_sends_nothing(
    page: Page, script: ScriptedGateway, button: str
) -> None:
    seat = await proposed(page, script)

    await page.get_by_test_id(button).dblclick()
    await expect(page.get_by_test_id(f"{button}-send")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("composer-text").fill("marker")
    await page.get_by_test_id("composer-text").press("Enter")

    assert (await seat.next_sent())["kind"] == "chat"


async def test_a_click_on_a_card_that_just_appeared_does_nothing(page: Page, script: ScriptedGateway) -> None:
    seat = await joined(page, script)
    await page.evaluate(
        """new MutationObserver((_, observer) => {
             const button = document.querySelector("[data-testid=approve]");
             if (button) { observer.disconnect(); button.click(); document.title = "clicked"; }
           }).observe(document.body, {childList: true, subtree: true})"""
    )
    await seat.say(script.proposal("p", WRITE))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")
    await expect(page.get_by_test_id("approve")).to_be_enabled()

    await page.get_by_test_id("reject").click()
    await page.get_by_test_id("reject-send").click()

    assert (await seat.next_sent())["kind"].startswith("mcp/reject:"), "the early click sent nothing"


async def test_a_card_that_moves_holds_its_buttons_for_a_moment(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    approve = page.get_by_test_id("proposal-p").get_by_test_id("approve")
    await expect(approve).to_be_enabled()
    for number in range(30):
        await seat.say(script.envelope("bob", "chat", {"text": f"line {number}"}))
    await page.evaluate(
        """void (window.moved = new Promise((resolve) => new MutationObserver(() => {
             const button = document.querySelector("[data-testid=approve]");
             if (button.getAttribute("aria-disabled") === "true") resolve(true);
           }).observe(document.body, {attributes: true, subtree: true})))"""
    )

    await seat.say(script.envelope("bob", "chat", {"text": "one more"}))

    assert await page.evaluate("window.moved") is True
    await expect(approve).to_be_enabled()


async def test_a_card_under_the_pointer_stays_where_it_is(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    approve = page.get_by_test_id("approve")
    await expect(approve).to_be_enabled()
    await approve.hover()
    before = await approve.bounding_box()
    for number in range(40):
        await seat.say(script.envelope("bob", "chat", {"text": f"line {number}"}))
    await expect(page.get_by_test_id("chat")).to_have_count(40)

    assert await approve.bounding_box() == before
    await expect(approve).to_be_enabled()
    await expect(page.get_by_role("button", name="new entries below")).to_be_visible()


async def test_an_edited_proposal_is_sent_edited_and_both_are_kept(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await proposed(page, script)
    await page.get_by_test_id("edit").click()
    editor = page.get_by_test_id("edit-params")
    await editor.fill(json.dumps({"name": "delete_file", "arguments": WRITE}))
    await expect(page.get_by_test_id("edit-send")).to_be_disabled()
    await expect(page.locator(".says")).to_contain_text("may not change")
    await editor.fill('{"name": "write_file", "arguments": {"path": "a", "path": "b"}}')
    await expect(page.locator(".says")).to_contain_text("stands twice")
    await editor.fill(json.dumps({"name": "write_file", "arguments": {**WRITE, "path": "drafts/notes.txt"}}))
    await expect(page.locator(".says")).to_contain_text("arguments.path (changed)")

    await page.get_by_test_id("edit-send").click()

    request = await seat.next_sent()
    assert request["payload"]["params"]["arguments"]["path"] == "drafts/notes.txt"
    card = page.get_by_test_id("proposal-p")
    await expect(card.get_by_test_id("edited")).to_contain_text("ann changed arguments.path")
    await expect(card).to_contain_text("drafts/notes.txt")
    await card.get_by_text("As it was proposed").click()
    await expect(card.get_by_text("notes.txt", exact=True)).to_be_visible()


async def test_a_rejection_is_sent_with_its_reason(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)

    await page.get_by_test_id("reject").click()
    await page.get_by_test_id("reject-reason").select_option("policy")
    await page.get_by_test_id("reject-message").fill("Not on a Friday.")
    await page.get_by_test_id("reject-send").click()

    rejection = await seat.next_sent()
    assert rejection["kind"] == "mcp/reject:tools/call:write_file"
    assert rejection["correlation_id"] == "p"
    assert rejection["payload"] == {"reason": "policy", "message": "Not on a Friday."}
    card = page.get_by_test_id("proposal-p")
    await expect(card).to_have_attribute("data-state", "rejected")
    await expect(card.get_by_test_id("decision")).to_contain_text("policy – Not on a Friday.")


async def test_who_may_not_approve_reads_which_capability_is_missing(
    page: Page, script: ScriptedGateway
) -> None:
    await page.goto(script.link())
    seat = await script.next_seat(capabilities=["chat"])
    await seat.say(script.proposal("p", WRITE))

    await expect(page.get_by_test_id("obstacle")).to_contain_text("mcp/request:tools/call:write_file")
    for button in ("approve", "edit", "reject"):
        await expect(page.get_by_test_id(button)).to_be_disabled()
    await page.get_by_test_id("approve").click(force=True)

    you = {"id": "ann", "capabilities": list(FULL)}
    welcome = {"you": you, "participants": [PROPOSER, TARGET]}
    await seat.say(script.envelope("system:gateway", "system/welcome", welcome, to=["ann"]))
    await expect(page.get_by_test_id("approve")).to_be_enabled()
    assert seat.sent.empty()


async def test_a_proposal_to_nobody_is_carried_out_by_whom_one_chooses(
    page: Page, script: ScriptedGateway
) -> None:
    await page.goto(script.link())
    seat = await script.next_seat(others=(PROPOSER, TARGET, {**TARGET, "id": "disk"}))
    await seat.say(script.proposal("p", WRITE, to=[]))
    await page.get_by_test_id("approve").click()
    await expect(page.get_by_test_id("obstacle")).to_contain_text("Choose")

    await page.get_by_test_id("target").select_option("disk")
    await page.get_by_test_id("approve").click()

    assert (await seat.next_sent())["to"] == ["disk"]


async def test_the_slower_of_two_people_reads_who_was_first(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    script.echoes = False
    await page.get_by_test_id("approve").click()
    request = await seat.next_sent()

    await seat.say(fulfillment(script, "bob", WRITE))
    await seat.say(json.dumps(request))

    await expect(page.get_by_test_id("notice")).to_contain_text("bob approved first")
    settled = {"code": -32001, "message": "bob was first: the proposal was fulfilled"}
    await seat.say(script.response(request, error=settled))
    card = page.get_by_test_id("proposal-p")
    await expect(card).to_contain_text("bob approved it")
    await expect(card).to_contain_text("ann approved it too, later; bob was first")


async def test_an_expired_card_cannot_be_approved(page: Page, script: ScriptedGateway) -> None:
    seat = await joined(page, script)
    await seat.say(script.proposal("p", WRITE, expires_at=instant_in(1.2)))

    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "expired")
    await expect(page.get_by_test_id("approve")).to_be_hidden()
    await expect(page.get_by_test_id("pending-count")).to_have_text("0")


async def test_a_refusal_of_the_gateway_stands_on_the_card(page: Page, script: ScriptedGateway) -> None:
    seat = await proposed(page, script)
    script.echoes = False
    await page.get_by_test_id("approve").click()
    request = await seat.next_sent()

    error = {"error": "rate_limited", "message": "Too many envelopes; wait a moment"}
    await seat.say(
        script.envelope("system:gateway", "system/error", error, to=["ann"], correlation_id=request["id"])
    )

    await expect(page.get_by_test_id("obstacle")).to_contain_text("Too many envelopes; wait a moment")
    await expect(page.get_by_test_id("approve")).to_be_enabled()
