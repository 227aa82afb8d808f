"""The router's demonstration in a browser: a person types what they want, and sees what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.router_demo import SENTENCE, router_demo

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def type_in(page: Page, text: str) -> None:
    await page.get_by_test_id("composer-text").fill(text)
    await page.get_by_test_id("send").click()


async def test_a_sentence_that_is_typed_is_done_and_its_results_are_seen(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with router_demo(tmp_path / "state") as (_, scene):
        page = await context.new_page()
        await page.goto(scene["link"])
        await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
        for name in ("router", *scene["servers"]):
            await expect(page.get_by_test_id(f"peer-{name}")).to_be_visible()
        timeline = page.get_by_test_id("timeline")

        await type_in(page, f"@router {SENTENCE}")
        await expect(timeline).to_contain_text('"condition": "sunny"', timeout=60_000)
        await expect(timeline).to_contain_text("It depends: if it is nice")
        await expect(timeline).not_to_contain_text("picnic_list")
        await type_in(page, "@router yes")

        await expect(timeline).to_contain_text("plan_hike", timeout=60_000)
        await expect(timeline).to_contain_text("picnic_list")
        await expect(page.locator("[data-testid^='proposal-']")).to_have_count(0)
