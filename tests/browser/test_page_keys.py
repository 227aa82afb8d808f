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
