"""The page in Chromium, apart from decisions: what is said, who is here, and whether everyone can read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.scripted_gateway import FULL, ScriptedGateway
from tests.browser.steps import WRITE, fulfillment, joined, proposed

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BOB = {"id": "bob", "capabilities": list(FULL)}


def probe(name: str) -> str:
    return (Path(__file__).parent / "probes" / name).read_text()


# Talking


async def test_enter_sends_and_shift_enter_breaks_the_line(page: Page, script: ScriptedGateway) -> None:
    seat = await joined(page, script)
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
    seat = await joined(page, script)
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


async def test_each_line_of_chat_says_to_whom_it_went_and_keeps_its_author(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await joined(page, script)
    for text, to in (("one", []), ("two", []), ("for you", ["ann"]), ("three", [])):
        await seat.say(script.envelope("bob", "chat", {"text": text}, to=to))
    chat = page.get_by_test_id("chat")
    await expect(chat).to_have_count(4)

    heads = chat.locator(".chat-head")
    for number, shown in enumerate([True, False, True, True]):
        await expect(heads.nth(number)).to_be_visible(visible=shown)
    await expect(heads.nth(2)).to_contain_text("to ann")

    # The page keeps a thousand entries: "one" has to go, and "two" is by bob still.
    for number in range(997):
        await seat.say(script.envelope("carl", "chat", {"text": str(number)}))
    await expect(page.get_by_text("996", exact=True)).to_be_visible()
    await expect(chat.first.locator(".chat-text")).to_have_text("two")
    await expect(chat.first.locator(".chat-head")).to_contain_text("bob")
    await expect(chat.first.locator(".chat-head")).to_be_visible()


async def test_the_roster_follows_who_comes_and_goes(page: Page, script: ScriptedGateway) -> None:
    seat = await joined(page, script)
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


# Everyone


async def test_the_page_fits_a_narrow_screen(context: BrowserContext, script: ScriptedGateway) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 320, "height": 640})
    seat = await proposed(page, script)
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
    seat = await proposed(page, script)
    await seat.say(script.proposal("done", WRITE))
    await seat.say(fulfillment(script, "bob", WRITE))
    await seat.say(script.envelope("bob", "chat", {"text": "hello\u202e"}))
    await seat.say(script.proposal("q", {**WRITE, "large": "z" * 900}))
    await page.get_by_test_id("proposal-q").get_by_test_id("reject").click()

    assert await page.evaluate(probe("nameless.js")) == []
    assert await page.evaluate(probe("faint.js")) == []
