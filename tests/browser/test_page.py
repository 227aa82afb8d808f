"""The chat page in Chromium, against a gateway that says what the test tells it to."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.scripted_gateway import FULL, PROPOSER, TARGET, JsonObject, ScriptedGateway, Seat
from tests.requirements import spec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WRITE = {"path": "notes.txt", "content": "hello\n"}
BOB = {"id": "bob", "capabilities": list(FULL)}


async def _joined(page: Page, script: ScriptedGateway) -> Seat:
    await page.goto(script.link())
    seat = await script.next_seat()
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
    return seat


async def _proposed(page: Page, script: ScriptedGateway) -> Seat:
    seat = await _joined(page, script)
    await seat.say(script.proposal("p", WRITE))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")
    return seat


def _fulfillment(script: ScriptedGateway, by: str, arguments: JsonObject) -> str:
    params = {"name": "write_file", "arguments": arguments}
    call = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
    kind = "mcp/request:tools/call:write_file"
    return script.envelope(by, kind, call, id=f"{by}-fulfills", to=["files"], correlation_id="p")


def _probe(name: str) -> str:
    return (Path(__file__).parent / "probes" / name).read_text()


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


# Coming in


@spec("mcpx main job invite fragment")
async def test_the_token_leaves_the_address_at_once_and_is_sent_in_no_url(
    page: Page, script: ScriptedGateway
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))

    await page.goto(script.link("ops/deploys", "very-secret"))
    seat = await script.next_seat()

    assert seat.token == "very-secret"
    await expect(page).to_have_url(f"{script.url}/")
    await page.go_back()
    assert "very-secret" not in page.url
    assert not [url for url in (*script.asked, *requested) if "very-secret" in url]


async def test_the_token_is_kept_for_this_tab_alone_and_shown_nowhere(
    page: Page, script: ScriptedGateway
) -> None:
    await _joined(page, script)

    assert "secret-token" in await page.evaluate("JSON.stringify(sessionStorage)")
    assert "secret-token" not in await page.evaluate("JSON.stringify(localStorage) + document.cookie")
    assert "secret-token" not in await page.content()


async def test_a_reload_takes_the_same_seat_again(page: Page, script: ScriptedGateway) -> None:
    await _joined(page, script)

    await page.reload()

    assert (await script.next_seat()).token == "secret-token"
    await expect(page.get_by_test_id("connection-state")).to_have_text("Online")


async def test_without_a_link_topic_and_token_are_asked_for(page: Page, script: ScriptedGateway) -> None:
    await page.goto(script.url)
    await expect(page.get_by_test_id("join-form")).to_be_visible()
    await expect(page.get_by_test_id("join-token")).to_have_attribute("type", "password")
    await page.get_by_test_id("join-topic").fill("ops")
    await page.get_by_test_id("join-send").click()
    await expect(page.get_by_test_id("join-problem")).to_contain_text("token")

    await page.get_by_test_id("join-token").fill("typed-token")
    await page.get_by_test_id("join-token").press("Enter")

    assert (await script.next_seat()).token == "typed-token"
    await expect(page.get_by_test_id("timeline")).to_be_visible()


async def test_leaving_forgets_the_token(page: Page, script: ScriptedGateway) -> None:
    await _joined(page, script)

    await page.get_by_test_id("leave").click()

    await expect(page.get_by_test_id("join-form")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_another_link_in_the_same_tab_takes_another_seat(page: Page, script: ScriptedGateway) -> None:
    await _joined(page, script)

    await page.goto(script.link("other", "other-token"))

    assert (await script.next_seat()).token == "other-token"
    await expect(page).to_have_url(f"{script.url}/")
    await expect(page.get_by_role("heading", name="other")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "Ask for a new invite link"), (403, "Ask for a link"), (400, "Check the topic")],
)
async def test_a_refused_handshake_is_told_in_the_gateways_words(
    page: Page, script: ScriptedGateway, status: int, advice: str
) -> None:
    script.refusal = (status, {"title": "The gateway's title", "detail": "The gateway's detail."})

    await page.goto(script.link())

    problem = page.get_by_test_id("join-problem")
    await expect(problem).to_contain_text("The gateway's title")
    await expect(problem).to_contain_text("The gateway's detail.")
    await expect(problem).to_contain_text(advice)


async def test_a_gateway_that_is_busy_is_tried_again(page: Page, script: ScriptedGateway) -> None:
    script.refusal = (503, {"title": "Unavailable", "detail": "The broker is away."})
    await page.goto(script.link())
    await expect(page.get_by_test_id("banner")).to_contain_text("The broker is away.")

    script.refusal = None

    await script.next_seat()
    await expect(page.get_by_test_id("banner")).to_be_hidden()


# Deciding


async def test_a_proposal_shows_who_asks_whom_for_what_with_every_argument(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await _joined(page, script)
    arguments = {
        "path": "a.txt",
        "mode": 420,
        "force": True,
        "note": None,
        "tags": ["x"],
        "empty": "",
        "large": "y" * 9_000,
    }
    await seat.say(script.proposal("p", arguments, expires_at=_in(100)))
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
    seat = await _proposed(page, script)

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
    seat = await _proposed(page, script)
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
    seat = await _proposed(page, script)
    script.echoes = False

    await page.get_by_test_id("approve").click()

    request = await seat.next_sent()
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "sending")
    await seat.say(json.dumps(request))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "approved")


async def test_a_double_click_sends_one_request(page: Page, script: ScriptedGateway) -> None:
    seat = await _proposed(page, script)
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
    seat = await _proposed(page, script)

    await page.get_by_test_id(button).dblclick()
    await expect(page.get_by_test_id(f"{button}-send")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("composer-text").fill("marker")
    await page.get_by_test_id("composer-text").press("Enter")

    assert (await seat.next_sent())["kind"] == "chat"


async def test_a_click_on_a_card_that_just_appeared_does_nothing(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
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
    seat = await _proposed(page, script)
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
    seat = await _proposed(page, script)
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
    seat = await _proposed(page, script)
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
    seat = await _proposed(page, script)

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
    seat = await _proposed(page, script)
    script.echoes = False
    await page.get_by_test_id("approve").click()
    request = await seat.next_sent()

    await seat.say(_fulfillment(script, "bob", WRITE))
    await seat.say(json.dumps(request))

    await expect(page.get_by_test_id("notice")).to_contain_text("bob approved first")
    settled = {"code": -32001, "message": "bob was first: the proposal was fulfilled"}
    await seat.say(script.response(request, error=settled))
    card = page.get_by_test_id("proposal-p")
    await expect(card).to_contain_text("bob approved it")
    await expect(card).to_contain_text("ann approved it too, later; bob was first")


async def test_an_expired_card_cannot_be_approved(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
    await seat.say(script.proposal("p", WRITE, expires_at=_in(1.2)))

    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "expired")
    await expect(page.get_by_test_id("approve")).to_be_hidden()
    await expect(page.get_by_test_id("pending-count")).to_have_text("0")


async def test_a_refusal_of_the_gateway_stands_on_the_card(page: Page, script: ScriptedGateway) -> None:
    seat = await _proposed(page, script)
    script.echoes = False
    await page.get_by_test_id("approve").click()
    request = await seat.next_sent()

    error = {"error": "rate_limited", "message": "Too many envelopes; wait a moment"}
    await seat.say(
        script.envelope("system:gateway", "system/error", error, to=["ann"], correlation_id=request["id"])
    )

    await expect(page.get_by_test_id("obstacle")).to_contain_text("Too many envelopes; wait a moment")
    await expect(page.get_by_test_id("approve")).to_be_enabled()


# Keys


async def test_keys_decide_on_the_focused_card_only(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
    await seat.say(script.proposal("first", WRITE))
    await seat.say(script.proposal("second", WRITE, tool="delete_file"))
    for id in ("first", "second"):
        await expect(page.get_by_test_id(f"proposal-{id}").get_by_test_id("approve")).to_be_enabled()

    await page.keyboard.press("a")
    await expect(page.get_by_test_id("proposal-first")).to_be_focused()
    await expect(page.get_by_test_id("proposal-first")).to_have_attribute("data-state", "pending")
    await page.keyboard.press("j")
    await expect(page.get_by_test_id("proposal-second")).to_be_focused()
    await expect(page.get_by_test_id("proposal-second").get_by_test_id("approve")).to_be_enabled()
    await page.keyboard.press("a")

    assert (await seat.next_sent())["correlation_id"] == "second"
    await expect(page.get_by_test_id("proposal-first")).to_have_attribute("data-state", "pending")


async def test_keys_open_and_close_the_forms(page: Page, script: ScriptedGateway) -> None:
    await _proposed(page, script)
    await expect(page.get_by_test_id("approve")).to_be_enabled()
    await page.keyboard.press("j")

    await page.keyboard.press("r")
    await expect(page.get_by_test_id("reject-reason")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("reject-reason")).to_be_hidden()
    await expect(page.get_by_test_id("reject")).to_be_focused()
    await page.keyboard.press("e")
    await expect(page.get_by_test_id("edit-params")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("edit-params")).to_be_hidden()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_no_key_acts_while_one_types(page: Page, script: ScriptedGateway) -> None:
    seat = await _proposed(page, script)
    await expect(page.get_by_test_id("approve")).to_be_enabled()

    await page.get_by_test_id("composer-text").press_sequentially("jaaaer?")
    await page.get_by_test_id("composer-text").press("Enter")

    sent = await seat.next_sent()
    assert (sent["kind"], sent["payload"]["text"]) == ("chat", "jaaaer?")
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")


# Talking


async def test_enter_sends_and_shift_enter_breaks_the_line(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
    composer = page.get_by_test_id("composer-text")
    await composer.press_sequentially("one")
    await composer.press("Shift+Enter")
    await composer.press_sequentially("two")
    await composer.press("Enter")

    assert (await seat.next_sent())["payload"] == {"text": "one\ntwo", "format": "plain"}
    await expect(page.get_by_test_id("chat")).to_have_count(1)
    await expect(page.get_by_test_id("chat")).to_have_attribute("data-status", "heard")
    await expect(composer).to_have_value("")


async def test_requests_of_others_are_shown_with_their_results(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
    params = {"name": "read_file", "arguments": {"path": "a.txt"}}
    call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    text = script.envelope("bob", "mcp/request:tools/call:read_file", call, id="r", to=["files"])
    await seat.say(text)
    await seat.say(
        script.response(json.loads(text), result={"content": [{"type": "text", "text": "its content"}]})
    )

    request = page.get_by_test_id("request")
    await expect(request).to_have_attribute("data-state", "done")
    await request.locator("summary").first.click()
    await expect(request.get_by_test_id("result")).to_contain_text("its content")


async def test_the_roster_follows_who_comes_and_goes(page: Page, script: ScriptedGateway) -> None:
    seat = await _joined(page, script)
    await expect(page.get_by_test_id("peer-ann")).to_contain_text("you")

    await seat.say(
        script.envelope("system:gateway", "system/presence", {"event": "join", "participant": BOB})
    )
    await page.get_by_test_id("peer-bob").locator("summary").click()
    await expect(page.get_by_test_id("peer-bob")).to_contain_text("mcp/*")
    await seat.say(
        script.envelope("system:gateway", "system/presence", {"event": "leave", "participant": {"id": "bob"}})
    )
    await expect(page.get_by_test_id("peer-bob")).to_have_count(0)


# Going away and coming back


@spec("mcpx main job gateway restart")
async def test_after_a_loss_the_page_comes_back_and_says_what_it_may_have_missed(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await _proposed(page, script)
    await page.get_by_test_id("composer-text").fill("a draft")

    await seat.close(1012)

    await expect(page.get_by_test_id("connection-state")).not_to_have_attribute("data-state", "online")
    await expect(page.get_by_test_id("approve")).to_be_disabled()
    again = await script.next_seat()
    missed = re.compile(r"envelopes between \d\d:\d\d:\d\d and \d\d:\d\d:\d\d may have been missed")
    await expect(page.get_by_test_id("notice")).to_contain_text(missed)
    await expect(page.get_by_test_id("gap")).to_contain_text(missed)
    await expect(page.get_by_test_id("composer-text")).to_have_value("a draft")
    card = page.get_by_test_id("proposal-p")
    await expect(card.locator(".stale")).to_be_visible()
    await again.say(script.proposal("p", WRITE))
    await expect(card.locator(".stale")).to_be_hidden()
    await page.get_by_test_id("approve").click()
    assert (await again.next_sent())["correlation_id"] == "p"


@spec("mcpx main job latecomer")
async def test_a_proposal_that_is_sent_again_after_a_reload_can_be_approved(
    page: Page, script: ScriptedGateway
) -> None:
    await _proposed(page, script)
    await page.reload()
    seat = await script.next_seat()
    await expect(page.get_by_test_id("pending-count")).to_have_text("0")

    await seat.say(script.proposal("p", WRITE))
    await page.get_by_test_id("approve").click()

    assert (await seat.next_sent())["correlation_id"] == "p"


@pytest.mark.parametrize(
    ("code", "title"), [(4401, "Your token has expired"), (4403, "Your access was revoked")]
)
async def test_a_token_that_no_longer_counts_is_not_tried_again(
    page: Page, script: ScriptedGateway, code: int, title: str
) -> None:
    seat = await _joined(page, script)

    await seat.close(code)

    await expect(page.get_by_test_id("banner")).to_contain_text(title)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "closed")
    assert await page.evaluate("sessionStorage.length") == 0
    await expect(page.get_by_test_id("retry")).to_be_hidden()


# Everyone


async def test_the_page_fits_a_narrow_screen(context: BrowserContext, script: ScriptedGateway) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 320, "height": 640})
    seat = await _proposed(page, script)
    await seat.say(
        script.proposal("q", {"path": "x" * 300, "content": "word " * 400}, tool="write_" * 20 + "file")
    )
    await page.get_by_test_id("proposal-q").get_by_test_id("edit").click()

    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await expect(page.get_by_test_id("proposal-q").get_by_test_id("edit-send")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_has_contrast_and_every_control_a_name(
    page: Page, script: ScriptedGateway, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    seat = await _proposed(page, script)
    await seat.say(script.proposal("done", WRITE))
    await seat.say(_fulfillment(script, "bob", WRITE))
    await seat.say(script.envelope("bob", "chat", {"text": "hello\u202e"}))
    await seat.say(script.proposal("q", {**WRITE, "large": "z" * 900}))
    await page.get_by_test_id("proposal-q").get_by_test_id("reject").click()

    assert await page.evaluate(_probe("nameless.js")) == []
    assert await page.evaluate(_probe("faint.js")) == []
