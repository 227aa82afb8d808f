"""T17: people approve what they have not read. What the page does about it; risk tiers are not built."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_gateway import ScriptedGateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_no_key_pressed_when_a_proposal_comes_approves_it(page: Page, script: ScriptedGateway) -> None:
    await page.goto(script.link())
    seat = await script.next_seat()
    await seat.say(script.proposal("p", {"path": "/a"}))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")

    focused = await page.evaluate("document.activeElement?.dataset.testid ?? ''")
    for key in ("Enter", "Space", "y", "a"):
        await page.keyboard.press(key)

    assert focused != "approve"
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")


async def test_there_is_no_button_that_approves_more_than_one(page: Page, script: ScriptedGateway) -> None:
    await page.goto(script.link())
    seat = await script.next_seat()
    for n in range(5):
        await seat.say(script.proposal(f"p{n}", {"path": f"/{n}"}))
    await expect(page.locator("[data-testid^='proposal-']")).to_have_count(5)

    assert await page.get_by_role("button", name="all").count() == 0
    assert await page.get_by_test_id("approve").count() == 5
    await expect(page.get_by_test_id("proposal-p1").get_by_test_id("approve")).to_be_enabled()
    await page.get_by_test_id("proposal-p1").get_by_test_id("approve").click()

    assert (await seat.next_sent())["correlation_id"] == "p1"
    await expect(page.locator("[data-testid^='proposal-'][data-state='pending']")).to_have_count(4)
