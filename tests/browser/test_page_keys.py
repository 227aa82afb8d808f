"""Keys on the page, in Chromium: they decide on the card that one looks at, and on nothing else."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_gateway import ScriptedGateway
from tests.browser.steps import WRITE, joined, proposed

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_keys_decide_on_the_focused_card_only(page: Page, script: ScriptedGateway) -> None:
    seat = await joined(page, script)
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
    await proposed(page, script)
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
    seat = await proposed(page, script)
    await expect(page.get_by_test_id("approve")).to_be_enabled()

    await page.get_by_test_id("composer-text").press_sequentially("jaaaer?")
    await page.get_by_test_id("composer-text").press("Enter")

    sent = await seat.next_sent()
    assert (sent["kind"], sent["payload"]["text"]) == ("chat", "jaaaer?")
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")


async def test_a_key_shows_the_focused_card_before_it_decides_on_it(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await proposed(page, script)
    approve = page.get_by_test_id("approve")
    await expect(approve).to_be_enabled()
    await page.keyboard.press("j")
    for number in range(60):
        await seat.say(script.envelope("bob", "chat", {"text": f"line {number}"}))
    await expect(page.get_by_test_id("chat")).to_have_count(60)
    await page.get_by_test_id("timeline").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    await expect(page.get_by_test_id("proposal-p")).not_to_be_in_viewport()

    await page.keyboard.press("a")

    await expect(page.get_by_test_id("proposal-p")).to_be_in_viewport()
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")
    await expect(approve).to_be_enabled()
    assert seat.sent.empty()
    await page.keyboard.press("a")
    assert (await seat.next_sent())["correlation_id"] == "p"


@pytest.mark.parametrize("form", ["edit", "reject"])
async def test_no_key_decides_or_starts_anew_while_a_form_is_open(
    page: Page, script: ScriptedGateway, form: str
) -> None:
    seat = await proposed(page, script)
    await page.get_by_test_id(form).click()
    draft = page.get_by_test_id({"edit": "edit-params", "reject": "reject-message"}[form])
    await draft.fill('{"name": "write_file"}')
    await page.get_by_test_id("cancel").focus()

    for key in "aer":
        await page.keyboard.press(key)

    await expect(draft).to_have_value('{"name": "write_file"}')
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")
    assert seat.sent.empty()


async def test_the_focus_stays_where_it_is_when_the_lists_beside_change(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await proposed(page, script)
    presence = {"event": "join", "participant": {"id": "carl", "capabilities": ["chat"]}}
    for held in (page.get_by_test_id("queue-p"), page.get_by_test_id("peer-files").locator("summary")):
        await held.focus()

        await seat.say(script.proposal(f"new-{presence['event']}", WRITE))
        await seat.say(script.envelope("system:gateway", "system/presence", presence))
        marked = page.get_by_test_id("peer-carl")
        await expect(marked).to_have_count(1 if presence["event"] == "join" else 0)

        await expect(held).to_be_focused()
        presence = {"event": "leave", "participant": {"id": "carl"}}
